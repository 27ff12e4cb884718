# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The failure card: what failed, why, what mends it, what was seen, and what the service runs now.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.diagnosis import Cause
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.reports import how_healthy, how_stopped, short
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields


def card(wanted: Followed, reason: str, cause: Cause, evidence: Fields, aftermath: str) -> str:
    """Returns one readable block."""
    revision = wanted.task_definition.rpartition("/")[2]
    rows = [
        ("Why", reason),
        ("Cause", f"{cause.summary} ({cause.code})"),
        ("Remedy", cause.remedy),
        *seen(evidence),
        ("Now", aftermath),
    ]
    return "\n".join([f"The deployment of {revision} to service {wanted.service} failed.", *map(row, rows)])


def row(item: tuple[str, str]) -> str:
    name, value = item
    return f"  {name + ':':8} {value}"


def seen(evidence: Fields) -> Iterator[tuple[str, str]]:
    for how, tasks in alike(evidence["stopped_tasks"]).items():
        yield ("Tasks" if len(tasks) > 1 else "Task"), f"{', '.join(tasks)} stopped: {how}"
    for target in evidence["targets"]:
        if target["state"] != "healthy":
            yield "Target", how_healthy(target)
    for alarm in evidence["alarms"]:
        yield "Alarm", f"{alarm} went into the state ALARM"
    for event in dict.fromkeys(evidence["events"]):
        yield "Event", event
    yield from log_rows(evidence)


def alike(tasks: list[Fields]) -> dict[str, list[str]]:
    """Returns tasks by how they stopped, as those of a crash loop stop in the same way."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        found.setdefault(how_stopped(task), []).append(short(task))
    return found


def log_rows(evidence: Fields) -> Iterator[tuple[str, str]]:
    if evidence["log_lines"]:
        lines = "".join(f"\n    | {line}" for line in evidence["log_lines"])
        yield "Log", f"the last lines of {evidence['log_stream']}{lines}"
    elif evidence["log_stream"]:
        yield "Log", f"nothing in {evidence['log_stream']}"


def machine_readable(wanted: Followed, reason: str, cause: Cause, evidence: Fields, aftermath: str) -> Fields:
    """Returns the same for programs."""
    return {
        "code": cause.code,
        "cause": cause.summary,
        "remedy": cause.remedy,
        "reason": reason,
        "deployment": wanted.deployment_id,
        "task_definition": wanted.task_definition,
        "aftermath": aftermath,
        "evidence": evidence,
    }
