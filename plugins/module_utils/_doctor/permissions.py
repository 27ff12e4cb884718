# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Links of permission: who may become a role, and what the roles of the task need.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.oracle import (
    ALLOWED,
    EXPLICIT,
    IMPLICIT,
    Answer,
    Oracle,
    Who,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import Break
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import (
    SITE,
    BrokenError,
    Image,
    NotCheckedError,
    Secret,
    State,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

TASKS = "ecs-tasks.amazonaws.com"
TOKEN = ("ecr:GetAuthorizationToken",)
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
SHELL = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
READ_SECRET = {"secretsmanager": ("secretsmanager:GetSecretValue",), "ssm": ("ssm:GetParameters",)}


@dataclass(frozen=True)
class Need:
    """What a role has to be allowed, which endpoint the request goes through, and the resource's own policy."""

    service: str
    role: str
    actions: tuple[str, ...]
    resource: str
    policy: str = ""


def repository_arn(state: State, image: Image) -> str:
    return f"arn:{state.declared.partition}:ecr:{image.region}:{image.account}:repository/{image.repository}"


def image_needs(state: State, image: Image) -> list[Need]:
    policy = str(state.fact(f"repository {image}") or "")
    return [
        Need("ecr.api", state.execution_role, TOKEN, "*"),
        Need("ecr.api", state.execution_role, PULL, repository_arn(state, image), policy),
    ]


def log_needs(state: State, group: str) -> list[Need]:
    stream = f"{state.arn('logs')}:log-group:{group}:log-stream:app"
    return [Need("logs", state.execution_role, WRITE_LOGS, stream)]


def exec_needs(state: State) -> list[Need]:
    return [Need("ssmmessages", state.task_role, SHELL, "*")]


def secret_needs(state: State, secret: Secret) -> list[Need]:
    policy = (state.fact(secret.arn) or {}).get("policy", "")
    return [Need(secret.service, state.execution_role, READ_SECRET[secret.service], secret.arn, policy)]


def all_needs(state: State) -> list[Need]:
    """Returns everything that the tasks ask of AWS by themselves."""
    needs = [one for image in state.images for one in image_needs(state, image)]
    needs += [one for group in state.log_groups for one in log_needs(state, group)]
    needs += [one for secret in state.secrets for one in secret_needs(state, secret)]
    return needs + (exec_needs(state) if state.exec else [])


def role_name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def trusted(state: State, oracle: Oracle, arn: str) -> Iterator[Break]:
    """Yields why ECS cannot give a role to the tasks."""
    role = state.fact(arn)
    if not role:
        yield Break(f"role {role_name(arn)} does not exist, and the task definition names it", SITE)
        return
    declared = state.declared
    context = {"aws:SourceAccount": declared.account, "aws:SourceArn": f"{state.arn('ecs')}:task/{declared.name}"}
    ecs = Who(frozenset([TASKS]), frozenset([TASKS]), context)
    for answer in oracle.document(role["AssumeRolePolicyDocument"], ecs, ["sts:AssumeRole"], arn):
        if answer.decision != ALLOWED:
            how = "denies" if answer.decision == EXPLICIT else "does not allow"
            yield Break(
                f"trust policy of role {role_name(arn)} {how} {TASKS} to assume it",
                f"let the trust policy of {role_name(arn)} allow sts:AssumeRole to the service {TASKS}, for "
                f"aws:SourceAccount {declared.account} and aws:SourceArn {state.arn('ecs')}:*",
            )


def permitted(state: State, oracle: Oracle, need: Need) -> Iterator[Break]:
    """Yields what keeps a role from what it needs: its own policies, its boundary, or the resource's policy."""
    role = state.fact(need.role)
    if not role:
        raise NotCheckedError(f"there is no role {role_name(need.role)}" if need.role else "the task has no such role")
    granted = direct(state, oracle, need) if need.policy else {}
    for answer in oracle.role(need.role, need.actions, need.resource):
        by_resource = granted.get(answer.action, Answer(answer.action, IMPLICIT))
        if by_resource.decision == EXPLICIT:
            yield refused_by_resource(need, answer.action)
        elif answer.decision != ALLOWED and (answer.decision == EXPLICIT or by_resource.decision != ALLOWED):
            yield refused(need, answer, role)


def who_is(state: State, role: str, *, delegated: bool = False) -> Who:
    """Returns a role as policies on resources see it; ``delegated`` is content when they allow its account."""
    if not role:
        return Who(frozenset(), frozenset(), {})
    account = state.declared.account
    names = frozenset({role, account, f"arn:{state.declared.partition}:iam::{account}:root"})
    context = {"aws:PrincipalArn": role, "aws:PrincipalAccount": account, "aws:SecureTransport": "true"}
    return Who(names if delegated else frozenset([role]), names, context)


def direct(state: State, oracle: Oracle, need: Need, *, delegated: bool = False) -> dict[str, Answer]:
    """Returns what the policy on a resource says of a role; in its own account either policy may allow."""
    who = who_is(state, need.role, delegated=delegated)
    return {one.action: one for one in oracle.document(need.policy, who, need.actions, need.resource)}


def refused_by_resource(need: Need, action: str) -> Break:
    return Break(
        f"the policy of {need.resource} denies {action} to {role_name(need.role)}",
        f"remove the statement that denies {action} from the policy of {need.resource}",
    )


def refused(need: Need, answer: Answer, role: Fields) -> Break:
    name, action = role_name(need.role), answer.action
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    if not answer.organization:
        where, remedy = "a service control policy of the organization", f"let the organization allow {action}"
    elif answer.decision == EXPLICIT:
        where = f"policy {', '.join(answer.policies)}" if answer.policies else f"a policy of role {name}"
        remedy = f"remove the statement that denies {action} on {need.resource} from {where}"
    elif not answer.boundary:
        where = f"permissions boundary {boundary} of role {name}"
        remedy = f"let {boundary} allow {action} on {need.resource}, or take it off the role"
    else:
        where = f"role {name}"
        remedy = f"let a policy of role {name} allow {action} on {need.resource}"
    how = "denies" if answer.decision == EXPLICIT else "does not allow"
    return Break(f"{where} {how} {action} on {need.resource}", remedy)


def pulls(state: State, oracle: Oracle, image: Image) -> Iterator[Break]:
    found = state.fact(f"image {image}")
    if not found:
        yield Break(f"{image} is not in the registry of account {image.account} in {image.region}", SITE)
    for need in image_needs(state, image):
        yield from permitted(state, oracle, need)
    if image.account != state.declared.account:
        yield from across_accounts(state, oracle, image)


def across_accounts(state: State, oracle: Oracle, image: Image) -> Iterator[Break]:
    """Yields what the repository of another account has to allow; there both sides have to."""
    need = image_needs(state, image)[-1]
    granted = direct(state, oracle, need, delegated=True) if need.policy else {}
    for action in PULL:
        if action not in granted or granted[action].decision != ALLOWED:
            yield Break(
                f"the policy of {need.resource} does not allow {action} to account {state.declared.account}",
                f"let the policy of {need.resource} allow {action} to {need.role}",
            )


def logs(state: State, oracle: Oracle, group: str) -> Iterator[Break]:
    if not state.fact(f"log {group}"):
        yield Break(f"log group {group} does not exist", f"create log group {group}: {SITE}")
    for need in log_needs(state, group):
        yield from permitted(state, oracle, need)


def shell(state: State, oracle: Oracle) -> Iterator[Break]:
    """Yields why ECS Exec, which is switched on, cannot open a shell."""
    for container in state.task["containerDefinitions"]:
        name = container["name"]
        if container.get("readonlyRootFilesystem"):
            yield Break(
                f"container {name} has a read-only root file system, which ECS Exec cannot work with",
                f"set ecs_service_readonly_root_filesystem to false and {SITE}",
            )
        if not container.get("linuxParameters", {}).get("initProcessEnabled"):
            yield Break(
                f"container {name} runs no init process, so that every shell leaves processes behind",
                f"set initProcessEnabled of container {name}: {SITE}",
            )
    if not state.task_role:
        raise BrokenError("the task definition names no task role, which ECS Exec needs", SITE)
    for need in exec_needs(state):
        yield from permitted(state, oracle, need)


def reads(state: State, oracle: Oracle, secret: Secret) -> Iterator[Break]:
    found = state.fact(secret.arn)
    if not found:
        raise BrokenError(f"{secret.arn} does not exist", f"create it, or correct {secret.variable} of the secrets")
    if found["deleted"]:
        yield Break(f"{secret.arn} is scheduled for deletion", f"restore it: secretsmanager:RestoreSecret {secret.arn}")
    for need in secret_needs(state, secret):
        yield from permitted(state, oracle, need)
    if found["key"]:
        yield from decrypts(state, oracle, found["key"])


def decrypts(state: State, oracle: Oracle, name: str) -> Iterator[Break]:
    """Yields why the execution role cannot use a key; keys of AWS itself need no permission."""
    key: Any = state.fact(f"key {name}")
    if not key:
        raise BrokenError(f"KMS key {name} does not exist", f"encrypt the secret with another key than {name}")
    if not key["customer"]:
        return
    if key["state"] != "Enabled":
        yield Break(f"KMS key {key['arn']} is {key['state']}", f"enable KMS key {key['arn']}")
    need = Need("kms", state.execution_role, ("kms:Decrypt",), key["arn"], key["policy"])
    yield from key_policy(state, oracle, need)
    yield from permitted(state, oracle, need)


def key_policy(state: State, oracle: Oracle, need: Need) -> Iterator[Break]:
    """Yields that a key's policy lets nobody decide: unlike other resources, a key must itself allow."""
    granted = direct(state, oracle, need, delegated=True)
    if granted["kms:Decrypt"].decision not in (ALLOWED, EXPLICIT):
        yield Break(
            f"the policy of KMS key {need.resource} does not allow kms:Decrypt to {role_name(need.role)}",
            f"let the policy of KMS key {need.resource} allow kms:Decrypt to {need.role}",
        )
