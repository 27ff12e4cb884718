# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watches the tasks of services: only healthy ones complete a deployment, unhealthy ones are replaced."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from docker.errors import DockerException
from ministack.core.responses import new_uuid, request_scope
from ministack.services import ecs
from requests.exceptions import RequestException

from local_aws import provisioning
from local_aws.ecs import deployments, shifting
from local_aws.ecs.api import Record
from local_aws.elb import health
from local_aws.hooks import Function, patch

TICK_SECONDS = 0.5
# ministack's threads that look ten times a second whether a task has ended.
WATCHER = "ministack-ecs-watch-"
WATCHER_SECONDS = 5.0
logger = logging.getLogger("local_aws.ecs")


def install() -> None:
    """Tie deployments to health, and start watching."""
    patch(ecs, "_record_service_task_healthy", _only_if_healthy)
    patch(ecs, "_start_task_worker", _starting_late)
    patch(ecs, "_maybe_mark_stopped", _looking_when_it_ends)
    threading.Thread(target=_watch_forever, name="local-aws-ecs-supervisor", daemon=True).start()


def _starting_late(original: Function) -> Function:
    def start(task: Record, *args: Any) -> None:
        time.sleep(provisioning.seconds("ecs.task"))
        original(task, *args)

    return start


def _looking_when_it_ends(original: Function) -> Function:
    """Docker tells when a container ends: asking it all the time costs a processor for a few dozen tasks."""

    def mark(task: Record, docker_client: Any = None) -> None:
        identifiers = task.get("_docker_ids") or []
        # With several containers any of them may be the one that ends first.
        if docker_client and len(identifiers) == 1 and threading.current_thread().name.startswith(WATCHER):
            with contextlib.suppress(DockerException, RequestException):
                docker_client.api.wait(identifiers[0], timeout=WATCHER_SECONDS)
        original(task, docker_client)

    return mark


def _only_if_healthy(original: Function) -> Function:
    def record(service_key: str, task: Record) -> None:
        service = ecs._services.get(service_key)
        if service and _is_healthy(service, task):
            original(service_key, task)

    return record


def _is_healthy(service: Record, task: Record) -> bool:
    return all(state in ("healthy", "unused") for state in _target_states(service, task)) and (
        _container_health(task) in ("HEALTHY", "UNKNOWN")
    )


def _target_states(service: Record, task: Record) -> list[str]:
    address = ecs._task_ip(task)
    places = shifting.places_of_task(service, task) if address else []
    return [health.state(group, address, port) for group, port in places]


def _container_health(task: Record) -> str:
    return str(task.get("healthStatus", "UNKNOWN"))


def _watch_forever() -> None:
    while True:
        time.sleep(TICK_SECONDS)
        for (account, region, key), service in ecs._services.all_items():
            with request_scope(account, region):
                _watch_safely(key, service)


def _watch_safely(key: str, service: Record) -> None:
    try:
        if service["status"] == "ACTIVE" and ecs._get_docker():
            _watch(key, service)
    except Exception:
        # One odd service must not leave the others unwatched.
        logger.exception("watching service %s", key)


def _watch(key: str, service: Record) -> None:
    cluster = key.partition("/")[0]
    for task in _running_tasks(service):
        _update_container_health(task)
        reason = _find_reason_to_stop(service, task)
        if reason:
            _tell_unhealthy(service, task)
            _replace(cluster, task, reason)
        elif not task.get("_startup_stable") and _seconds_running(task) > ecs._ECS_DEPLOYMENT_STEADY_DELAY:
            ecs._record_service_task_healthy(key, task)
    deployments.heed_alarms(service)
    primary = ecs._primary_deployment(service)
    if primary and primary["rolloutState"] == "IN_PROGRESS":
        ecs._reconcile_service_tasks(cluster, key)
        ecs._complete_service_deployment(cluster, key, expected_deployment_id=primary["id"])


def _running_tasks(service: Record) -> list[Record]:
    group = f"service:{service['serviceName']}"
    return [
        task
        for task in ecs._tasks.values()
        if task["group"] == group and task["clusterArn"] == service["clusterArn"] and task["lastStatus"] == "RUNNING"
    ]


def _seconds_running(task: Record) -> float:
    return time.time() - float(ecs._ts_to_epoch(task["startedAt"]))


def _update_container_health(task: Record) -> None:
    checked = _containers_with_a_check(task)
    if not checked:
        return
    states = []
    for container, identifier in zip(task["containers"], task.get("_docker_ids") or [], strict=False):
        state = _docker_health(identifier) if container["name"] in checked else "UNKNOWN"
        container["healthStatus"] = state
        states.append(state)
    known = [state for state in states if state != "UNKNOWN"]
    if known:
        task["healthStatus"] = "HEALTHY" if set(known) == {"HEALTHY"} else min(set(known) - {"HEALTHY"})


def _containers_with_a_check(task: Record) -> set[str]:
    """ECS looks at checks of the task definition alone, not at those that an image brings."""
    definition = ecs._task_defs.get(task["taskDefinitionArn"].rsplit("/", 1)[1]) or {}
    return {one["name"] for one in definition.get("containerDefinitions", []) if one.get("healthCheck")}


def _docker_health(identifier: str) -> str:
    state: Record = ecs._get_docker().api.inspect_container(identifier)["State"].get("Health") or {}
    return {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY", "starting": "STARTING"}.get(
        str(state.get("Status")), "UNKNOWN"
    )


def _find_reason_to_stop(service: Record, task: Record) -> str | None:
    if _container_health(task) == "UNHEALTHY":
        return "Task failed container health checks"
    in_grace = _seconds_running(task) < int(service.get("healthCheckGracePeriodSeconds") or 0)
    if in_grace or "unhealthy" not in _target_states(service, task):
        return None
    groups = ", ".join(group for group, _port in shifting.places_of_task(service, task))
    return f"Task failed ELB health checks in (target-group {groups})"


def _tell_unhealthy(service: Record, task: Record) -> None:
    address = ecs._task_ip(task)
    for group, port in shifting.places_of_task(service, task):
        description = health.description(group, address, port) if address else ""
        if description:
            message = (
                f"(service {service['serviceName']}) (port {port}) is unhealthy in (target-group {group}) due to "
                f"(reason {description})."
            )
            service["events"].insert(0, {"id": new_uuid(), "createdAt": ecs._iso(), "message": message})


def _replace(cluster: str, task: Record, reason: str) -> None:
    ecs._stop_task({"cluster": cluster, "task": task["taskArn"], "reason": reason})
    ecs._record_service_task_failure(task)
