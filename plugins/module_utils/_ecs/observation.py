# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One look at a deployment: the service, the tasks that it started, their targets, and ECS's own record of it.

A look takes five calls. Tasks that have stopped do not change any more and are described once.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import target_groups
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# DescribeTasks takes this many.
MOST_DESCRIBED = 100
# ECS writes the two records of one deployment at the same time.
SAME_TIME = timedelta(seconds=30)
TIMES = {
    "created_at": "createdAt",
    "pull_started_at": "pullStartedAt",
    "pull_stopped_at": "pullStoppedAt",
    "started_at": "startedAt",
    "stopping_at": "stoppingAt",
    "stopped_at": "stoppedAt",
}


@dataclass(frozen=True)
class Look:
    """What was seen at one moment, in plain snake_case data."""

    service: Fields
    tasks: list[Fields] = field(default_factory=list)
    targets: list[Fields] = field(default_factory=list)
    rollout: Fields = field(default_factory=dict)
    # Targets that were unhealthy once, in their last such state; ECS deregisters them with their tasks.
    once_unhealthy: list[Fields] = field(default_factory=list)

    @property
    def running(self) -> list[Fields]:
        return [task for task in self.tasks if task["status"] == "RUNNING"]

    @property
    def stopped(self) -> list[Fields]:
        """The tasks that have stopped, the newest first."""
        return sorted((task for task in self.tasks if task["stopped_at"]), key=stop_time, reverse=True)


def stop_time(task: Fields) -> str:
    return str(task["stopped_at"])


class Observer:
    """Looks at one deployment again and again."""

    def __init__(self, ecs: Any, elbv2: Callable[[], Any], read: Callable[[], Fields], wanted: Followed) -> None:
        self._ecs = ecs
        self._make_elbv2 = elbv2
        self._elbv2: Any = None
        self._read = read
        self._wanted = wanted
        self._settled: dict[str, Fields] = {}
        self._addresses: dict[str, list[str]] = {}
        self._unhealthy: dict[str, Fields] = {}
        self._rollout_arn = ""

    def __call__(self) -> Look:
        service = self._read()
        if not service:
            return Look(service)
        return Look(
            service,
            tolerant(lambda: self._tasks(service)),
            tolerant(lambda: self._targets(service)),
            (tolerant(lambda: self._rollout(service)) or [{}])[0],
            list(self._unhealthy.values()),
        )

    @AWSErrorHandler.common_error_handler("read the tasks of the deployment")
    def _tasks(self, service: Fields) -> list[Fields]:
        arns = list(task_arns(self._ecs, service))
        unsettled = [arn for arn in arns if arn not in self._settled]
        tasks = dict(self._settled)
        for part in parts(unsettled):
            for task in self._ecs.describe_tasks(cluster=service["cluster_arn"], tasks=part)["tasks"]:
                tasks[task["taskArn"]] = self._with_addresses(described_task(task))
        self._settled = {arn: task for arn, task in tasks.items() if task["stopped_at"]}
        return [task for task in tasks.values() if self._is_ours(task)]

    def _with_addresses(self, task: Fields) -> Fields:
        """Keeps the addresses of a task that has lost them by stopping."""
        known = self._addresses.setdefault(task["id"], [])
        known += [address for address in task["addresses"] if address not in known]
        return {**task, "addresses": known}

    def _is_ours(self, task: Fields) -> bool:
        return task["started_by"] == self._wanted.deployment_id and task["id"] not in self._wanted.stopped_before

    @AWSErrorHandler.common_error_handler("read the health of the targets")
    def _targets(self, service: Fields) -> list[Fields]:
        if not service["load_balancers"]:
            return []
        self._elbv2 = self._elbv2 or self._make_elbv2()
        found = targets(self._elbv2, service)
        self._unhealthy |= {target["id"]: target for target in found if target["state"] == "unhealthy"}
        return found

    @AWSErrorHandler.common_error_handler("read the service deployment")
    def _rollout(self, service: Fields) -> list[Fields]:
        self._rollout_arn = self._rollout_arn or find_rollout(self._ecs, service, self._wanted)
        if not self._rollout_arn:
            return []
        answer = self._ecs.describe_service_deployments(serviceDeploymentArns=[self._rollout_arn])
        return [described_rollout(item) for item in answer["serviceDeployments"]]


def tolerant(read: Callable[[], list[Fields]]) -> list[Fields]:
    """Returns nothing where reading fails: without it the verdict is less detailed, but there is one."""
    try:
        return read()
    except AnsibleAWSError:
        return []


def task_arns(client: Any, service: Fields) -> Iterator[str]:
    paginator = client.get_paginator("list_tasks")
    for status in ("RUNNING", "STOPPED"):
        pages = paginator.paginate(cluster=service["cluster_arn"], serviceName=service["name"], desiredStatus=status)
        for page in pages:
            yield from page["taskArns"]


@AWSErrorHandler.common_error_handler("list the stopped tasks")
def stopped_ids(client: Any, service: Fields) -> frozenset[str]:
    """Returns the ids of the tasks that have stopped already."""
    paginator = client.get_paginator("list_tasks")
    pages = paginator.paginate(cluster=service["cluster_arn"], serviceName=service["name"], desiredStatus="STOPPED")
    return frozenset(identifier(arn) for page in pages for arn in page["taskArns"])


def identifier(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def parts(arns: list[str]) -> Iterable[list[str]]:
    return (arns[start : start + MOST_DESCRIBED] for start in range(0, len(arns), MOST_DESCRIBED))


def described_task(task: Fields) -> Fields:
    return {
        "id": identifier(task["taskArn"]),
        "started_by": task.get("startedBy", ""),
        "task_definition": task["taskDefinitionArn"],
        "status": task.get("lastStatus", ""),
        "health": task.get("healthStatus", "UNKNOWN"),
        **{name: moment(task.get(api)) for name, api in TIMES.items()},
        "stop_code": task.get("stopCode", ""),
        "stopped_reason": task.get("stoppedReason", ""),
        "addresses": sorted(addresses(task)),
        "containers": [described_container(container) for container in task.get("containers", [])],
    }


def moment(time: datetime | None) -> str:
    """Returns a time in a form that sorts, empty when there is none."""
    return time.astimezone(UTC).isoformat() if time else ""


def addresses(task: Fields) -> set[str]:
    return {
        detail["value"]
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail.get("name") in ("privateIPv4Address", "privateIPv6Address")
    }


def described_container(container: Fields) -> Fields:
    return {
        "name": container["name"],
        "exit_code": container.get("exitCode"),
        "reason": container.get("reason", ""),
        "image_digest": container.get("imageDigest", ""),
    }


def targets(client: Any, service: Fields) -> list[Fields]:
    """Returns the targets of all groups that tasks may be in; which of two has the traffic, its own tasks tell."""
    return [
        described_target(description)
        for group in target_groups(service["load_balancers"])
        for description in client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]


def described_target(description: Fields) -> Fields:
    health = description["TargetHealth"]
    return {
        "id": f"{description['Target']['Id']}:{description['Target'].get('Port', '')}",
        "address": description["Target"]["Id"],
        "state": health["State"],
        "reason": health.get("Reason", ""),
        "description": health.get("Description", ""),
    }


def find_rollout(client: Any, service: Fields, wanted: Followed) -> str:
    """Returns the ARN of ECS's record of the followed deployment; empty while it cannot be told."""
    begun = datetime.fromisoformat(wanted.created_at)
    answer = client.list_service_deployments(
        cluster=service["cluster_arn"], service=service["arn"], createdAt={"after": begun - SAME_TIME}
    )
    near = [item for item in answer["serviceDeployments"] if abs(item["createdAt"] - begun) <= SAME_TIME]
    nearest: Fields = min(near, key=lambda item: abs(item["createdAt"] - begun), default={})
    return str(nearest.get("serviceDeploymentArn", ""))


def described_rollout(item: Fields) -> Fields:
    return {
        "arn": item["serviceDeploymentArn"],
        "status": item["status"],
        "status_reason": item.get("statusReason", ""),
        "stage": item.get("lifecycleStage", ""),
        "triggered_alarms": sorted(item.get("alarms", {}).get("triggeredAlarmNames", [])),
        "target_revision": item.get("targetServiceRevision", {}).get("arn", ""),
    }
