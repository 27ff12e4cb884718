# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verdict on a deployment: whether the one that this run started is the one that ECS completed.

"The service is stable" is not the question: a service is stable again after a rollback, too.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.services import primary
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import pauses
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields


class Outcome(Enum):
    """How far a deployment is."""

    PENDING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Verdict:
    """The outcome, and for anything but success the reason in words."""

    outcome: Outcome
    reason: str = ""


class DeploymentFailedError(Exception):
    """The deployment did not get to its end; the message is the reason."""


@dataclass(frozen=True)
class Followed:
    """The deployment whose end is waited for."""

    service: str
    deployment_id: str
    task_definition: str
    created_at: str
    # Tasks of it that had stopped before this run, and so tell nothing about this run.
    stopped_before: frozenset[str] = frozenset()
    # Seconds that ECS waits on purpose before the deployment is complete.
    pauses: int = 0


def followed(service: Fields) -> Followed:
    """Returns the current deployment of a service as the one to follow."""
    current = primary(service)
    told = (service["name"], current["id"], current["task_definition"], current["created_at"])
    return Followed(*told, pauses=pauses(service))


def judge(service: Fields, wanted: Followed) -> Verdict:
    """Tells from a described service how the followed deployment stands."""
    if service.get("status") != "ACTIVE":
        return Verdict(Outcome.FAILED, f"the service is {service.get('status', 'gone')}")
    current = primary(service)
    own = next((item for item in service["deployments"] if item["id"] == wanted.deployment_id), None)
    if own and own["rollout_state"] == "FAILED":
        return Verdict(Outcome.FAILED, own["rollout_state_reason"] or "ECS gave it up.")
    if current is not own and is_replacement(current, own, wanted):
        return Verdict(Outcome.FAILED, f"Another deployment took its place. {rolled_back_to(current)}")
    return judge_own(own) if own else Verdict(Outcome.PENDING, "ECS does not list the deployment yet")


def is_steady(service: Fields) -> bool:
    """Tells whether the current deployment of a described service is complete."""
    return judge(service, followed(service)).outcome is Outcome.SUCCEEDED


def is_replacement(current: Fields, own: Fields | None, wanted: Followed) -> bool:
    """Tells a newer deployment from an answer that is older than our own deployment."""
    return bool(current) and (own is not None or current["created_at"] > wanted.created_at)


def rolled_back_to(current: Fields) -> str:
    return f"The service now runs {current.get('task_definition', 'nothing')}."


def judge_own(own: Fields) -> Verdict:
    running, desired = own["running_count"], own["desired_count"]
    if own["rollout_state"] == "COMPLETED" and running >= desired:
        return Verdict(Outcome.SUCCEEDED)
    return Verdict(
        Outcome.PENDING,
        f"{own['rollout_state']}, {running} of {desired} tasks run, {own['failed_tasks']} failed",
    )
