# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asks IAM whether policies permit something: its own simulator judges, which changes and calls nothing.

This module util is private to the collection. It can have breaking changes at any time.

SimulatePrincipalPolicy judges the policies of a role with its permissions boundary and, for the caller's own account,
the organization's policies: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html.
It cannot judge a policy on a resource for a role. Of such a document the statements that name the role are handed to
SimulateCustomPolicy, which leaves actions, resources and conditions to IAM as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.readers import DENIED
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import NotCheckedError
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import ClientError

ALLOWED = "allowed"
EXPLICIT = "explicitDeny"
IMPLICIT = "implicitDeny"
EVERYBODY = "*"


@dataclass(frozen=True)
class Answer:
    """IAM's decision on one action, and what decided: policies, the boundary, the organization."""

    action: str
    decision: str
    policies: tuple[str, ...] = ()
    boundary: bool = True
    organization: bool = True


@dataclass(frozen=True)
class Who:
    """The names by which a policy on a resource can allow or deny somebody, and what a request of theirs carries.

    A policy that allows something to an account leaves it to that account's own policies; one that denies it, denies.
    """

    allowed_as: frozenset[str]
    denied_as: frozenset[str]
    context: Mapping[str, str]


class Oracle:
    """Asks IAM; every question is one request."""

    def __init__(self, iam: Any) -> None:
        self._iam = iam

    def role(self, arn: str, actions: Iterable[str], resource: str) -> list[Answer]:
        """Returns the decisions on what a role may do to one resource."""
        request = {"PolicySourceArn": arn, "ActionNames": list(actions), "ResourceArns": [resource]}
        return self._ask("simulate_principal_policy", request)

    def document(self, document: Any, who: Who, actions: Iterable[str], resource: str) -> list[Answer]:
        """Returns the decisions of a policy on a resource for somebody."""
        statements, wanted = naming(document, who), list(actions)
        if not statements:
            return [Answer(action, IMPLICIT) for action in wanted]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in who.context.items()
        ]
        request = {"PolicyInputList": [policy], "ActionNames": wanted, "ResourceArns": [resource]}
        return self._ask("simulate_custom_policy", {**request, "ContextEntries": entries})

    def _ask(self, operation: str, request: Fields) -> list[Answer]:
        try:
            pages = self._iam.get_paginator(operation).paginate(**request)
            return [answer_of(one) for page in pages for one in page["EvaluationResults"]]
        except ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            action = "iam:" + operation.title().replace("_", "")
            raise NotCheckedError(f"AWS refuses {action}", f"allow your credential {action}") from None


def answer_of(result: Fields) -> Answer:
    """Returns one result, details of a named resource first; a condition that nobody can know here is no decision."""
    found = {**result, **next(iter(result.get("ResourceSpecificResults") or []), {})}
    action, decision = found["EvalActionName"], found.get("EvalResourceDecision", found["EvalDecision"])
    missing = found.get("MissingContextValues")
    if missing and decision != ALLOWED:
        raise NotCheckedError(f"policies on {action} depend on {', '.join(missing)}, which only a real request has")
    boundary = found.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True)
    organization = found.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    policies = tuple(one["SourcePolicyId"] for one in found.get("MatchedStatements", []) if one.get("SourcePolicyId"))
    return Answer(action, decision, policies, boundary, organization)


def naming(document: Any, who: Who) -> list[Fields]:
    """Returns the statements of a policy on a resource that are about somebody, in the form of an identity's policy."""
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    names = {"Allow": who.allowed_as, "Deny": who.denied_as}
    return [identity_form(one) for one in listed if is_about(one, names[one["Effect"]])]


def is_about(statement: Fields, names: frozenset[str]) -> bool:
    if "NotPrincipal" in statement:
        raise NotCheckedError("a policy names its principals with NotPrincipal, which cannot be simulated")
    principal = statement.get("Principal", {})
    if principal == EVERYBODY:
        return True
    values = [one for value in principal.values() for one in ([value] if isinstance(value, str) else value)]
    return EVERYBODY in values or bool(names.intersection(values))


def identity_form(statement: Fields) -> Fields:
    """Returns a statement without its principal; one of a trust policy has no resource either."""
    form = {key: value for key, value in statement.items() if key != "Principal"}
    return form if "Resource" in form or "NotResource" in form else {**form, "Resource": EVERYBODY}
