# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of one task: they start in the order of dependsOn, wait for each other, and share one address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ministack.services import ecs

from local_aws.ecs.api import Record
from local_aws.hooks import Function, patch

POLL_SECONDS = 0.2
# What the agent of ECS waits at most when a container has no startTimeout of its own.
START_TIMEOUT = 180
# Of a container that joins the network of another one these belong to that one.
NETWORK_OPTIONS = ("network", "ports", "extra_hosts")


class DependencyFailed(RuntimeError):  # noqa: N818 -- the words of ECS's own reason
    """A container did not reach what another one waits for."""


def install() -> None:
    """Tie the starts of containers together."""
    patch(ecs, "_start_task_worker", _in_order)
    patch(ecs, "_build_run_kwargs", _waiting)


def _in_order(original: Function) -> Function:
    def start(task: Record, definition: Record, overrides: list[Record], docker: Any) -> None:
        containers = definition.get("containerDefinitions", [])
        order = _order(containers)
        for key in ("containers", "_container_essentials"):
            if len(task.get(key) or []) == len(order):
                task[key] = [task[key][index] for index in order]
        try:
            ordered = {**definition, "containerDefinitions": [containers[index] for index in order]}
            original(task, ordered, overrides, docker)
        except DependencyFailed as problem:
            ecs._fail_task_start(task, docker, str(problem))

    return start


def _order(containers: list[Record]) -> list[int]:
    """The places of the containers such that each comes after those it depends on."""
    order: list[int] = []
    left = list(range(len(containers)))
    while left:
        placed = {containers[index]["name"] for index in order}
        # A circle, which RegisterTaskDefinition refuses on AWS, keeps its order.
        ready = next((index for index in left if _needs(containers[index]) <= placed), left[0])
        order.append(ready)
        left.remove(ready)
    return order


def _needs(definition: Record) -> set[str]:
    return {needed["containerName"] for needed in definition.get("dependsOn") or []}


def _waiting(original: Function) -> Function:
    def build(definition: Record, task_definition: Record, *args: Any) -> Record:
        options: Record = original(definition, task_definition, *args)
        task = ecs._tasks.get(args[5])
        if not task:
            return options
        for needed in definition.get("dependsOn") or []:
            _wait(task, task_definition, definition["name"], needed)
        return _joined(options, task) if task_definition.get("networkMode") == "awsvpc" else options

    return build


def _wait(task: Record, task_definition: Record, name: str, needed: Record) -> None:
    other, condition = needed["containerName"], needed["condition"]
    described = next(one for one in task_definition["containerDefinitions"] if one["name"] == other)
    end = time.monotonic() + int(described.get("startTimeout") or START_TIMEOUT)
    place = [one["name"] for one in task["containers"]].index(other)
    while time.monotonic() < end and task["desiredStatus"] == "RUNNING":
        reached = REACHED[condition](_state(task["_docker_ids"][place]))
        if reached:
            return
        if reached is False:
            break
        time.sleep(POLL_SECONDS)
    raise DependencyFailed(f"Container {name} did not start: its dependency {other} did not reach {condition}")


def _state(identifier: str) -> Record:
    state: Record = ecs._get_docker().api.inspect_container(identifier)["State"]
    return state


def _is_healthy(state: Record) -> bool | None:
    health = (state.get("Health") or {}).get("Status")
    return True if health == "healthy" else False if health == "unhealthy" or not state["Running"] else None


def _is_complete(state: Record) -> bool | None:
    return True if state["Status"] == "exited" else None


def _is_success(state: Record) -> bool | None:
    return state["ExitCode"] == 0 if state["Status"] == "exited" else None


# True: reached. False: it never will be. None: not yet.
REACHED: dict[str, Callable[[Record], bool | None]] = {
    "START": lambda _state: True,
    "HEALTHY": _is_healthy,
    "COMPLETE": _is_complete,
    "SUCCESS": _is_success,
}


def _joined(options: Record, task: Record) -> Record:
    """Gives the container the network of one that runs; without any its own address is the task's."""
    running = [identifier for identifier in task.get("_docker_ids") or [] if _state(identifier)["Running"]]
    if not running:
        task.pop("_container_ip", None)
        task["attachments"] = []
        return options
    kept = {key: value for key, value in options.items() if key not in NETWORK_OPTIONS}
    return {**kept, "network_mode": f"container:{running[0]}"}
