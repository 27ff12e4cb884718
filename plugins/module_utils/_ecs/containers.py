# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wrong with the containers of a Fargate task: each by itself, and all together.

The limits are those of the ECS API reference (ContainerDefinition, ContainerDependency, HealthCheck, Ulimit).
Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

MOST_CONTAINERS = 10
VARIABLES = ("environment", "sensitive_environment", "secrets")
# Lowest and highest value, and the unit.
LIMITS: dict[str, tuple[int, int, str]] = {
    "port": (1, 65535, ""),
    "start_timeout": (1, 120, " s"),
    "stop_timeout": (2, 120, " s"),
}
HEALTH_LIMITS: dict[str, tuple[int, int, str]] = {
    "interval": (5, 300, " s"),
    "timeout": (2, 60, " s"),
    "retries": (1, 10, ""),
    "start_period": (0, 300, " s"),
}
# Conditions that are reached only by a container that ends, which an essential one must not.
ENDING = ("COMPLETE", "SUCCESS")


def container_problems(containers: list[Fields]) -> Iterator[str]:
    """Yields one sentence for each thing about the containers that AWS would reject."""
    if not 1 <= len(containers) <= MOST_CONTAINERS:
        yield f"containers lists {len(containers)}: a task has 1 to {MOST_CONTAINERS} containers."
    yield from repeated("containers", [container["name"] for container in containers])
    if not any(is_essential(container) for container in containers):
        yield "containers has none with essential=true: a task needs at least one."
    for container in containers:
        yield from own_problems(container)
    yield from dependency_problems({container["name"]: container for container in containers})


def is_essential(container: Fields) -> bool:
    return container.get("essential") is not False


def own_problems(container: Fields) -> Iterator[str]:
    name = f"of container {container['name']}"
    yield from out_of_limits(container, LIMITS, name)
    yield from health_check_problems(container.get("health_check") or {}, name)
    yield from repeated(
        f"environment, sensitive_environment and secrets {name}",
        [key for source in VARIABLES for key in container.get(source) or {}],
    )
    yield from ulimit_problems(container.get("ulimits") or [], name)
    yield from tmpfs_problems(container, name)


def out_of_limits(
    fields: Fields, limits: dict[str, tuple[int, int, str]], name: str, within: str = ""
) -> Iterator[str]:
    for key, (low, high, unit) in limits.items():
        value = fields.get(key)
        if value is not None and not low <= int(value) <= high:
            yield f"{within}{key} {name} is {value}: Fargate accepts {low} to {high}{unit}."


def health_check_problems(check: Fields, name: str) -> Iterator[str]:
    if not check:
        return
    command = check.get("command") or [""]
    if command[0] not in ("CMD", "CMD-SHELL") or len(command) < 2:
        yield f"health_check.command {name} is {command}: begin it with CMD or CMD-SHELL, then say what to run."
    yield from out_of_limits(check, HEALTH_LIMITS, name, "health_check.")


def ulimit_problems(ulimits: list[Fields], name: str) -> Iterator[str]:
    for limit in ulimits:
        if limit["name"] != "nofile":
            yield f"ulimits {name} names {limit['name']}: Fargate lets a task change nofile alone."
        elif int(limit["soft_limit"]) > int(limit["hard_limit"]):
            yield (
                f"ulimits {name} has the soft_limit {limit['soft_limit']} for {limit['name']}: "
                f"it must not exceed the hard_limit {limit['hard_limit']}."
            )


def tmpfs_problems(container: Fields, name: str) -> Iterator[str]:
    mounts = (container.get("linux_parameters") or {}).get("tmpfs") or []
    for mount in mounts:
        if int(mount["size"]) < 1 or not mount["container_path"].startswith("/"):
            yield (
                f"tmpfs {name} has {mount['container_path']} with {mount['size']} MiB: "
                "give a path that starts with / and at least 1 MiB."
            )
    others = container.get("mount_points") or []
    yield from repeated(f"tmpfs and mount_points {name}", [mount["container_path"] for mount in [*mounts, *others]])


def dependency_problems(containers: dict[str, Fields]) -> Iterator[str]:
    """Yields what keeps the containers from starting one after the other."""
    for name, container in containers.items():
        for needed in container.get("depends_on") or []:
            yield from condition_problems(name, needed, containers)
    waits = {
        name: {needed["container_name"] for needed in container.get("depends_on") or []}
        for name, container in containers.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        yield f"depends_on goes in a circle: {' -> '.join(error.args[1])}; none of them could ever start."


def condition_problems(name: str, needed: Fields, containers: dict[str, Fields]) -> Iterator[str]:
    other, condition = needed["container_name"], needed["condition"]
    if other not in containers:
        yield f"depends_on of container {name} names {other}: the task has {listed(containers)}."
    elif condition == "HEALTHY" and not containers[other].get("health_check"):
        yield f"depends_on of container {name} waits until {other} is HEALTHY: give {other} a health_check."
    elif condition in ENDING and is_essential(containers[other]):
        yield (
            f"depends_on of container {name} waits for the {condition} of {other}: set essential=false on {other}, "
            "because the task ends with an essential container."
        )


def share_problems(containers: list[Fields], cpu: int, memory: int) -> Iterator[str]:
    """Yields what the containers reserve beyond what the task has."""
    units = sum(int(container.get("cpu") or 0) for container in containers)
    if units > cpu:
        yield f"The containers reserve {units} CPU units, but cpu of the task is {cpu}: raise it, or reserve less."
    reserved = sum(int(container.get("memory_reservation") or container.get("memory") or 0) for container in containers)
    if reserved > memory:
        yield f"The containers reserve {reserved} MiB, but memory of the task is {memory}: raise it, or reserve less."
    for container in containers:
        limit, soft = container.get("memory"), container.get("memory_reservation")
        if limit is not None and int(limit) > memory:
            yield f"memory of container {container['name']} is {limit}, but the task has {memory} MiB."
        if limit is not None and soft is not None and int(soft) >= int(limit):
            yield f"memory_reservation of container {container['name']} is {soft}: take less than memory, {limit}."


def volume_problems(containers: list[Fields], volumes: list[str]) -> Iterator[str]:
    yield from repeated("volumes", volumes)
    for container in containers:
        for mount in container.get("mount_points") or []:
            if mount["source_volume"] not in volumes:
                yield (
                    f"mount_points of container {container['name']} names the volume {mount['source_volume']}: "
                    f"add it to volumes, which has {listed(volumes) or 'none'}."
                )


def repeated(where: str, names: list[str]) -> Iterator[str]:
    found = sorted(name for name, count in Counter(names).items() if count > 1)
    if found:
        yield f"{where}: {listed(found)} appears more than once; give each name once."


def listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
