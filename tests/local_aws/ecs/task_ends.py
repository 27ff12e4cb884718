# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks: who started them, and why they ended, in AWS's words."""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import ecs, iam

from local_aws.ecs import task_definitions
from local_aws.ecs.api import Record
from local_aws.hooks import Function, patch

EXITED = "EssentialContainerExited"
EXITED_REASON = "Essential container in task exited"
FAILED_CHECKS = ("Task failed ELB health checks", "Task failed container health checks")
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SECRETS = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
NO_SECRET = (
    "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret from secrets "
    "manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."
)
ASSUME = (
    "(service {service}) failed to launch a task with (error ECS was unable to assume the role '{role}' that was "
    "provided for this task. Please verify that the role being passed has the proper trust relationship and "
    "permissions and that your IAM user has permissions to pass this role.)."
)
RETRY_SECONDS = 2.0


def install() -> None:
    """Complete what is told of a task."""
    patch(ecs, "_run_task", _started_by_deployment)
    patch(ecs, "_mark_task_stopped", _telling_why)


def _started_by_deployment(original: Function) -> Function:
    def run(params: Record) -> Any:
        deployment = params.get("_deploymentId")
        role = _find_missing_role(params["taskDefinition"]) if deployment else ""
        if role:
            return _fail_launch(params, role)
        return original({**params, "startedBy": deployment} if deployment else params)

    return run


def _find_missing_role(definition: str) -> str:
    registered = task_definitions.find(definition) or {}
    roles = [registered.get(key) for key in ("executionRoleArn", "taskRoleArn")]
    return next((role for role in roles if role and role.rsplit("/", 1)[-1] not in iam._roles), "")


def _fail_launch(params: Record, role: str) -> None:
    name = params["group"].partition(":")[2]
    service = ecs._services[f"{params['cluster']}/{name}"]
    deployment = ecs._primary_deployment(service)
    now = time.monotonic()
    if now - deployment.get("_launch_failed", -RETRY_SECONDS) < RETRY_SECONDS:
        return
    deployment["_launch_failed"] = now
    event = {"id": new_uuid(), "createdAt": ecs._iso(), "message": ASSUME.format(service=name, role=role)}
    service["events"].insert(0, event)
    task = {"group": params["group"], "clusterArn": service["clusterArn"], "_deployment_id": deployment["id"]}
    ecs._record_service_task_failure(task)


def _telling_why(original: Function) -> Function:
    def mark(arn: str, task: Record, reason: str, stop_code: str, *args: Any, **options: Any) -> bool:
        if stop_code == EXITED:
            reason = EXITED_REASON
            _note_memory(task)
        if reason.startswith(FAILED_CHECKS):
            # Set here, because removing the container takes seconds in which the task is looked at.
            stop_code = "ServiceSchedulerInitiated"
        if "unable to retrieve secret" in reason:
            reason = SECRETS + NO_SECRET
        stopped: bool = original(arn, task, reason, stop_code, *args, **options)
        return stopped

    return mark


def _note_memory(task: Record) -> None:
    engine = ecs._get_docker()
    for container, identifier in zip(task["containers"], task.get("_docker_ids") or [], strict=False):
        if engine and engine.api.inspect_container(identifier)["State"].get("OOMKilled"):
            container["reason"] = OUT_OF_MEMORY
