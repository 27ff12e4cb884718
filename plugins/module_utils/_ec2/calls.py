# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""API calls as plain data: plans list them, one function carries them out.

This module util is private to the collection. It can have breaking changes at any time.

A request may hold a ``Ref`` where the id of something that the same plan creates belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.cloud import CloudRetry
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.waiters import wait_for
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Fields,
    Plan,
    State,
)

# EC2 answers these for a few seconds about things that it has just created.
NOT_YET_VISIBLE = [
    "InvalidAllocationID.NotFound",
    "InvalidGatewayID.NotFound",
    "InvalidGroup.NotFound",
    "InvalidGroupId.NotFound",
    "InvalidID",
    "InvalidInternetGatewayID.NotFound",
    "InvalidNatGatewayID.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidRouteTableId.NotFound",
    "InvalidSecurityGroupID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidSubnetId.NotFound",
    "InvalidVpcID.NotFound",
    "InvalidVpcId.NotFound",
    "NatGatewayNotFound",
]
GONE = [*NOT_YET_VISIBLE, "Gateway.NotAttached", "InvalidAssociationID.NotFound", "InvalidRoute.NotFound"]
# Network interfaces of deleted load balancers, tasks and endpoints are released minutes later.
STILL_IN_USE = ["DependencyViolation", "InvalidIPAddress.InUse"]


@dataclass(frozen=True)
class Ref:
    """Stands for the id of a resource that an earlier call of the same plan creates."""

    key: str


@dataclass(frozen=True)
class Call:
    """One request; ``keep`` names the Ref that its answer settles, ``path`` says where the id is in the answer.

    All calls of an earlier ``phase`` come first, whichever change they belong to.
    """

    operation: str
    request: Fields = field(default_factory=dict)
    keep: str = ""
    path: tuple[str, ...] = ()
    removes: bool = False
    phase: int = 0


@dataclass(frozen=True)
class Wait:
    """A pause until a waiter of this collection is content."""

    waiter: str
    request: Fields
    phase: int = 0


Step = Union[Call, Wait]  # noqa: UP007 -- pylint cannot see that dataclasses have |


def removal(operation: str, *, phase: int = 0, **request: Any) -> Call:
    """Returns a call that is content when the thing is gone already and patient while it is still in use."""
    return Call(operation, request, removes=True, phase=phase)


def id_or_ref(known_id: Any, key: str) -> Any:
    """Returns the id when it is known already, else the reference that a call of the same plan settles."""
    return known_id if known_id and known_id != KNOWN_AFTER_APPLY else Ref(key)


def tag_specification(resource_type: str, tags: dict[str, str]) -> list[Fields]:
    return [{"ResourceType": resource_type, "Tags": ansible_dict_to_boto3_tag_list(tags)}]


def tag_calls(resource_id: Any, to_set: dict[str, str], to_remove: Iterable[str]) -> tuple[Call, ...]:
    """Returns the calls that bring the tags of an EC2 resource up to date."""
    removed = [{"Key": key} for key in to_remove]
    calls = [Call("delete_tags", {"Resources": [resource_id], "Tags": removed})] if removed else []
    if to_set:
        added = ansible_dict_to_boto3_tag_list(to_set)
        calls.append(Call("create_tags", {"Resources": [resource_id], "Tags": added}))
    return tuple(calls)


def perform(client: Any, planned: Plan, timeout: int, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Carries out the steps of all changes in order; returns the ids of what was created."""
    ids = dict(known or {})
    steps: list[Step] = [step for change in planned.changes for step in change.call]
    for step in sorted(steps, key=lambda step: step.phase):
        if isinstance(step, Wait):
            wait_for(client, step.waiter, timeout, **resolve(step.request, ids))
            continue
        answer = _send(client, step, resolve(step.request, ids))
        if step.keep:
            ids[step.keep] = _dig(answer, step.path)
    return {key: value for key, value in ids.items() if key not in (known or {})}


class NotYetVisibleError(Exception):
    """A listing that does not show yet what was just created."""


class VisibleRetry(CloudRetry):
    base_class = NotYetVisibleError

    @staticmethod
    def status_code_from_exception(error: Exception) -> str:
        return str(error)

    @staticmethod
    def found(response_code: str, catch_extra_error_codes: Any = None) -> bool:  # noqa: ARG004
        return True


def when_visible(read: Callable[[], State], created: Iterable[str]) -> State:
    """Reads until everything that was just created shows up: EC2's listings lag behind its writes."""

    @VisibleRetry.jittered_backoff(retries=10, delay=1, max_delay=5)
    def read_all() -> State:
        state = read()
        missing = set(created) - set(_texts(state))
        if missing:
            raise NotYetVisibleError(f"EC2 does not list {', '.join(sorted(missing))}, although it created them")
        return state

    return read_all()


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def resolve(value: Any, ids: dict[str, str]) -> Any:
    """Returns a request with every Ref replaced by the id it stands for."""
    if isinstance(value, Ref):
        return ids[value.key]
    if isinstance(value, dict):
        return {key: resolve(item, ids) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(item, ids) for item in value]
    return value


def _send(client: Any, call: Call, request: Fields) -> Any:
    description = call.operation.replace("_", " ")

    @AWSErrorHandler.common_error_handler(f"{description} {_subject(request)}".rstrip())
    def send() -> Any:
        method = getattr(client, call.operation)
        if call.removes:
            return _remove(method, request)
        return AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=5, catch_extra_error_codes=NOT_YET_VISIBLE)(
            method
        )(**request)

    return send()


def _remove(method: Any, request: Fields) -> Any:
    patient = AWSRetry.jittered_backoff(retries=60, delay=2, max_delay=5, catch_extra_error_codes=STILL_IN_USE)(method)
    try:
        answer = patient(**request)
    except is_boto3_error_code(GONE):
        return {}
    _refuse_silent_failure(answer)
    return answer


def _refuse_silent_failure(answer: Fields) -> None:
    """Calls that take many ids succeed even when they failed for some."""
    for item in answer.get("Unsuccessful", []):
        if not item["Error"]["Code"].endswith("NotFound"):
            raise AnsibleAWSError(message=f"Failed to remove {item['ResourceId']}: {item['Error']['Message']}")


def _subject(request: Fields) -> str:
    """Returns the ids that a request is about, for error messages."""
    return ", ".join(str(value) for key, value in request.items() if key.endswith(("Id", "ServiceName", "GroupName")))


def _dig(answer: Any, path: tuple[str, ...]) -> str:
    for key in path:
        answer = answer[key]
    return str(answer)
