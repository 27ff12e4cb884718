# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When waiting longer tells nothing more: a task and the one that replaced it failed in the same way.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from itertools import combinations

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.diagnosis import is_final
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# Ids, addresses and counts differ between two reports of the same failure.
VARYING = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
FAILURES = ("TaskFailedToStart", "EssentialContainerExited")
FAILED_CHECKS = re.compile(r"failed (?:ELB|container) health checks", re.IGNORECASE)


def hopeless(tasks: list[Fields]) -> str:
    """Tells why the stopped tasks of a deployment settle how it ends; empty when they do not."""
    failed = sorted(filter(has_failed, tasks), key=lambda task: str(task["created_at"]))
    if any(is_final(task) for task in failed):
        return "A task failed for a reason that another attempt does not change."
    if any(is_repeated(*pair) for pair in combinations(failed, 2)):
        return "A task failed, and the one that ECS started in its place failed in the same way."
    return ""


def has_failed(task: Fields) -> bool:
    """Tells a failure from a task that was stopped on purpose."""
    checks = FAILED_CHECKS.search(task["stopped_reason"])
    return bool(task["stopped_at"]) and (task["stop_code"] in FAILURES or bool(checks))


def is_repeated(first: Fields, second: Fields) -> bool:
    ended = first["stopping_at"] or first["stopped_at"]
    return bool(second["created_at"] >= ended) and manner(first) == manner(second)


def manner(task: Fields) -> tuple[object, ...]:
    """Returns how a task ended, without what differs from task to task."""
    containers = [(one["name"], one["exit_code"], VARYING.sub("#", one["reason"])) for one in task["containers"]]
    return task["stop_code"], VARYING.sub("#", task["stopped_reason"]), *containers
