# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM: attached policies exist, trust policies parse, service-linked roles bear AWS's names, calls count as TLS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack import app
from ministack.services import iam as backend

from .hooks import Function, Handler, Params, Response, guard, patch, patch_action

SERVICE_ROLES = {
    "cognito-idp.amazonaws.com": "AmazonCognitoIdp",
    "ecs.amazonaws.com": "ECS",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "replication.ecr.amazonaws.com": "ECRReplication",
}
ROLE_PREFIX = "AWSServiceRoleFor"
# What ECS may do with a role for blue/green deployments; ministack knows the common policies only.
LOAD_BALANCER_POLICY = "AmazonECSInfrastructureRolePolicyForLoadBalancers"
LOAD_BALANCER_ACTIONS = (
    "DescribeListeners",
    "DescribeRules",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
    "DeregisterTargets",
    "ModifyListener",
    "ModifyRule",
    "RegisterTargets",
)
TAG_PART = re.compile(r"Tags\.member\.\d+\.(Key|Value)")
VALID_TAG = re.compile(r"[\w\s.:/=+\-@]*")
TAGGING = ("CreateRole", "TagRole", "CreatePolicy", "TagPolicy", "CreateUser", "TagUser")
DESCRIBING = ("CreateRole", "UpdateRole", "UpdateRoleDescription", "CreatePolicy")


def install() -> None:
    patch(backend, "_seed_aws_managed_policies", _seeding)
    backend._seed_aws_managed_policies()
    actions = backend._IAM_HANDLERS
    for owner in ("Role", "User", "Group"):
        guard(actions, f"Attach{owner}Policy", _check_policy_exists)
    guard(actions, "CreateRole", _checking_trust("AssumeRolePolicyDocument"))
    guard(actions, "UpdateAssumeRolePolicy", _checking_trust("PolicyDocument"))
    for action in DESCRIBING:
        guard(actions, action, _escape_description)
    for action in TAGGING:
        guard(actions, action, _check_tags)
    patch_action(actions, "CreateServiceLinkedRole", _naming_service_roles)
    patch(app, "pin_request_origin", _as_if_by_tls)


def _seeding(original: Function) -> Function:
    def seed() -> None:
        original()
        actions = [f"elasticloadbalancing:{name}" for name in LOAD_BALANCER_ACTIONS]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        record = backend._make_aws_managed_record(LOAD_BALANCER_POLICY, document)
        backend._aws_managed_policies[record["Arn"]] = record

    return seed


def _as_if_by_tls(original: Function) -> Function:
    """Clients reach AWS by TLS and this by plain HTTP on loopback, which ``aws:SecureTransport`` must not tell."""

    def pin(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001 - ministack's signature
        original(source_ip, True)

    return pin


def _text(params: Params, name: str) -> str:
    return str(backend._p(params, name))


def _error(status: int, code: str, message: str) -> Response:
    return backend._error(status, code, message, ns="iam")


def _check_policy_exists(params: Params) -> Response | None:
    arn = _text(params, "PolicyArn")
    if backend._policy_exists(arn):
        return None
    return _error(404, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")


def _escape_description(params: Params) -> None:
    """ministack puts descriptions into its XML as they are."""
    if _text(params, "Description"):
        params["Description"] = [escape(_text(params, "Description"))]


def _check_tags(params: Params) -> Response | None:
    for name in params:
        part = TAG_PART.fullmatch(name)
        if part and not VALID_TAG.fullmatch(_text(params, name)):
            where = name.removesuffix(part[1]).lower() + part[1].lower()
            pattern = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"
            return _error(
                400,
                "ValidationError",
                f"1 validation error detected: Value at '{where}' failed to satisfy constraint: "
                f"Member must satisfy regular expression pattern: {pattern}",
            )
    return None


def _statements(document: str) -> list[dict[str, Any]] | None:
    """The statements of a policy document, None when it is not one."""
    try:
        parsed = json.loads(document)
    except ValueError:
        return None
    statements = parsed.get("Statement") if isinstance(parsed, dict) else None
    listed: list[Any] = statements if isinstance(statements, list) else [statements]
    return listed if listed and all(isinstance(statement, dict) for statement in listed) else None


def _checking_trust(parameter: str) -> Callable[[Params], Response | None]:
    def check(params: Params) -> Response | None:
        statements = _statements(_text(params, parameter))
        if statements is None:
            return _error(400, "MalformedPolicyDocument", "This policy contains invalid Json")
        if not all("Principal" in statement for statement in statements):
            return _error(400, "MalformedPolicyDocument", "Missing required field Principal")
        if any("Resource" in statement for statement in statements):
            return _error(400, "MalformedPolicyDocument", "Has prohibited field Resource")
        return None

    return check


def _naming_service_roles(original: Handler) -> Handler:
    def create(params: Params) -> Response:
        name = _role_name(_text(params, "AWSServiceName"))
        if name is None:
            return original(params)
        if name in backend._roles:
            message = f"Service role name {name} has been taken in this account, please try a different suffix."
            return _error(400, "InvalidInput", message)
        before = set(backend._roles)
        original(params)
        _rename((set(backend._roles) - before).pop(), name)
        role = f"<CreateServiceLinkedRoleResult><Role>{backend._role_xml(name)}</Role></CreateServiceLinkedRoleResult>"
        return backend._xml(200, "CreateServiceLinkedRoleResponse", role, ns="iam")

    return create


def _role_name(service: str) -> str | None:
    return ROLE_PREFIX + SERVICE_ROLES[service] if service in SERVICE_ROLES else None


def _rename(old: str, new: str) -> None:
    role = backend._roles.pop(old)
    role.update(RoleName=new, Arn=role["Arn"].removesuffix(old) + new)
    backend._roles[new] = role
