# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM's policy simulator: roles with paths, boundaries, many resources, context, and what decided.

ministack judges one resource, knows no role with a path, and tells neither boundary nor statements nor missing context.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ministack.core import iam_evaluator as engine
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam as backend

from .hooks import Handler, Params, Response, patch_action

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}
ANY = "*"
# Keys that the simulator fills in by itself.
OWN_KEYS = ("aws:currenttime", "aws:epochtime", "aws:principalarn", "aws:principalaccount", "aws:principaltype")
Policies = dict[str, list[engine.ParsedStatement]]


@dataclass(frozen=True)
class Case:
    """Whose policies are judged, by the names that the answer gives them, and under which circumstances."""

    arn: str
    policies: Policies
    boundary: list[engine.ParsedStatement] | None = None
    context: dict[str, str] = field(default_factory=dict)


def install() -> None:
    actions = backend._IAM_HANDLERS
    patch_action(actions, "SimulatePrincipalPolicy", _simulating_principal)
    patch_action(actions, "SimulateCustomPolicy", _simulating_custom)


def _simulating_principal(original: Handler) -> Handler:
    def simulate(params: Params) -> Response:
        arn = str(backend._p(params, "PolicySourceArn"))
        if ":role/" not in arn:
            return original(params)
        name = arn.rsplit("/", 1)[-1]
        role = backend._roles.get(name)
        if role is None:
            return backend._error(404, "NoSuchEntity", f"The role with name {name} cannot be found.", ns="iam")
        case = Case(arn, _policies_of(name, role), _boundary_of(role), _context(params))
        return _answer("SimulatePrincipalPolicy", case, params)

    return simulate


def _simulating_custom(_original: Handler) -> Handler:
    def simulate(params: Params) -> Response:
        documents = _members(params, "PolicyInputList")
        if any('"Principal"' in document for document in documents):
            return backend._error(400, "InvalidInput", "Policy document must not specify a principal.", ns="iam")
        policies = {f"PolicyInputList.{n}": engine.parse_policy_document(one) for n, one in enumerate(documents, 1)}
        case = Case(f"arn:aws:iam::{get_account_id()}:root", policies, context=_context(params))
        return _answer("SimulateCustomPolicy", case, params)

    return simulate


def _policies_of(name: str, role: dict[str, Any]) -> Policies:
    inline = {f"role_{name}_{policy}": document for policy, document in (role.get("InlinePolicies") or {}).items()}
    attached = {arn: _managed(arn) for arn in role.get("AttachedPolicies", [])}
    return {one: engine.parse_policy_document(document) for one, document in {**inline, **attached}.items()}


def _managed(arn: str) -> Any:
    return engine._resolve_managed_policy_document(arn, get_account_id()) or {}


def _boundary_of(role: dict[str, Any]) -> list[engine.ParsedStatement] | None:
    arn = role.get("PermissionsBoundary")
    return engine.parse_policy_document(_managed(arn)) if arn else None


def _members(params: Params, prefix: str, suffix: str = "") -> list[str]:
    numbered = (str(backend._p(params, f"{prefix}.member.{number}{suffix}") or "") for number in count(1))
    return list(iter(lambda: next(numbered), ""))


def _context(params: Params) -> dict[str, str]:
    names = _members(params, "ContextEntries", ".ContextKeyName")
    values = _members(params, "ContextEntries", ".ContextKeyValues.member.1")
    return {name.lower(): value for name, value in zip(names, values, strict=True)}


def _answer(operation: str, case: Case, params: Params) -> Response:
    resources = _members(params, "ResourceArns") or [ANY]
    results = "".join(_result(case, action, resources) for action in _members(params, "ActionNames"))
    inner = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return backend._xml(200, f"{operation}Response", f"<{operation}Result>{inner}</{operation}Result>", ns="iam")


def _result(case: Case, action: str, resources: list[str]) -> str:
    verdicts = {resource: _judge(case, action, resource) for resource in resources}
    worst = min(verdicts.values(), key=lambda one: list(DECISIONS.values())[::-1].index(one.decision))
    name = resources[0] if len(resources) == 1 else ANY
    head = f"<EvalActionName>{action}</EvalActionName><EvalResourceName>{name}</EvalResourceName>"
    head += f"<EvalDecision>{worst.decision}</EvalDecision>"
    # Of resources that were named, missing context is told with each of them alone.
    body = worst.details(case, missing=resources == [ANY])
    each = "".join(one.member(case, resource) for resource, one in verdicts.items() if resource != ANY)
    return f"<member>{head}{body}<ResourceSpecificResults>{each}</ResourceSpecificResults></member>"


@dataclass(frozen=True)
class Verdict:
    decision: str
    matched: list[str]
    within_boundary: bool

    def details(self, case: Case, *, missing: bool) -> str:
        matched = "".join(f"<member><SourcePolicyId>{one}</SourcePolicyId></member>" for one in self.matched)
        keys = "".join(f"<member>{one}</member>" for one in _missing(case)) if missing else ""
        text = f"<MatchedStatements>{matched}</MatchedStatements><MissingContextValues>{keys}</MissingContextValues>"
        if case.boundary is None:
            return text
        within = str(self.within_boundary).lower()
        detail = f"<AllowedByPermissionsBoundary>{within}</AllowedByPermissionsBoundary>"
        return f"{text}<PermissionsBoundaryDecisionDetail>{detail}</PermissionsBoundaryDecisionDetail>"

    def member(self, case: Case, resource: str) -> str:
        head = f"<EvalResourceName>{resource}</EvalResourceName><EvalResourceDecision>{self.decision}"
        return f"<member>{head}</EvalResourceDecision>{self.details(case, missing=True)}</member>"


def _judge(case: Case, action: str, resource: str) -> Verdict:
    circumstances = engine.EvalContext(
        principal_arn=case.arn, principal_type="AssumedRole", principal_account=get_account_id(), action=action,
        resource_arn=resource, region=get_region(), service_context=case.context,
    )  # fmt: skip
    limits = [] if case.boundary is None else [[case.boundary]]
    decision = engine.evaluate(circumstances, list(case.policies.values()), *limits).decision
    effect = "Deny" if decision == "Deny" else "Allow"
    matched = [one for one, held in case.policies.items() if engine._first_match(circumstances, held, effect)]
    within = case.boundary is None or engine.evaluate(circumstances, [case.boundary]).decision == "Allow"
    return Verdict(DECISIONS[decision], matched, within)


def _missing(case: Case) -> list[str]:
    statements = [one for held in (*case.policies.values(), case.boundary or []) for one in held]
    asked = {key for one in statements for keys in one.conditions.values() for key in keys}
    return sorted(key for key in asked if key.lower() not in (*OWN_KEYS, *case.context))
