# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What AWS Fargate accepts for a Linux task, checked before AWS is asked.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

MEMORY_BY_CPU: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
MOST_CONTAINERS = 10
LONGEST_STOP = 120
EPHEMERAL_STORAGE = range(21, 201)


def refuse_impossible_task(params: Fields) -> None:
    """Raises PlanRefusedError for what RegisterTaskDefinition or Fargate would reject."""
    refuse_impossible_size(params["cpu"], params["memory"])
    storage = params["ephemeral_storage"]
    if storage is not None and storage not in EPHEMERAL_STORAGE:
        raise PlanRefusedError(
            f"ephemeral_storage is {storage}: Fargate offers 21 to 200 GiB, or 20 when the option is left out."
        )
    containers = params["containers"] or []
    if not 1 <= len(containers) <= MOST_CONTAINERS:
        raise PlanRefusedError(f"containers lists {len(containers)}: a task has 1 to {MOST_CONTAINERS} containers.")
    refuse_repeated("containers", [container["name"] for container in containers])
    if not any(container["essential"] for container in containers):
        raise PlanRefusedError("containers has none with essential=true: a task needs at least one.")
    for container in containers:
        refuse_impossible_container(container)


def refuse_impossible_size(cpu: int, memory: int) -> None:
    if cpu not in MEMORY_BY_CPU:
        raise PlanRefusedError(f"cpu is {cpu}: Fargate offers {listed(MEMORY_BY_CPU)} CPU units.")
    if memory not in MEMORY_BY_CPU[cpu]:
        raise PlanRefusedError(f"memory is {memory}: with cpu {cpu} Fargate offers {listed(MEMORY_BY_CPU[cpu])} MiB.")


def refuse_impossible_container(container: Fields) -> None:
    name = container["name"]
    port, stop = container["port"], container["stop_timeout"]
    if port is not None and not 1 <= port <= 65535:
        raise PlanRefusedError(f"port of container {name} is {port}: a port is 1 to 65535.")
    if stop is not None and not 2 <= stop <= LONGEST_STOP:
        raise PlanRefusedError(f"stop_timeout of container {name} is {stop}: Fargate accepts 2 to {LONGEST_STOP} s.")
    refuse_repeated(
        f"environment, sensitive_environment and secrets of container {name}",
        [key for source in ("environment", "sensitive_environment", "secrets") for key in container[source] or {}],
    )


def refuse_repeated(where: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise PlanRefusedError(f"{where}: {listed(repeated)} appears more than once; give each name once.")


def listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
