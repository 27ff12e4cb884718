# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What AWS Fargate accepts for a Linux task, checked before AWS is asked.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.containers import (
    container_problems,
    listed,
    share_problems,
    volume_problems,
)
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
EPHEMERAL_STORAGE = range(21, 201)


def refuse_impossible_task(params: Fields) -> None:
    """Raises PlanRefusedError for what RegisterTaskDefinition or Fargate would reject."""
    for problem in task_problems(params):
        raise PlanRefusedError(problem)


def task_problems(task: Fields) -> Iterator[str]:
    """Yields one sentence for each thing about a task that AWS would reject."""
    cpu, memory = int(task["cpu"]), int(task["memory"])
    yield from size_problems(cpu, memory)
    storage = task.get("ephemeral_storage")
    if storage is not None and int(storage) not in EPHEMERAL_STORAGE:
        yield f"ephemeral_storage is {storage}: Fargate offers 21 to 200 GiB, or 20 when the option is left out."
    containers = task.get("containers") or []
    yield from container_problems(containers)
    yield from share_problems(containers, cpu, memory)
    yield from volume_problems(containers, task.get("volumes") or [])


def size_problems(cpu: int, memory: int) -> Iterator[str]:
    if cpu not in MEMORY_BY_CPU:
        yield f"cpu is {cpu}: Fargate offers {listed(MEMORY_BY_CPU)} CPU units."
    elif memory not in MEMORY_BY_CPU[cpu]:
        yield f"memory is {memory}: with cpu {cpu} Fargate offers {listed(MEMORY_BY_CPU[cpu])} MiB."
