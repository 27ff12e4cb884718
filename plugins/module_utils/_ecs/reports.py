# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is new between two looks at a deployment, in words: tasks, targets, events, and how long each phase took.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# From AWS's time stamps: what a task was doing between the two.
PHASES = {
    "placed": ("created_at", "pull_started_at"),
    "pulled": ("pull_started_at", "pull_stopped_at"),
    "started": ("pull_stopped_at", "started_at"),
}
SHORT = 8


def news(before: Look, after: Look) -> Iterator[str]:
    """Yields a line for everything that a look shows and the one before did not."""
    yield from task_news(before, after)
    yield from target_news(before, after)
    yield from event_news(before, after)
    if after.rollout.get("stage") and after.rollout["stage"] != before.rollout.get("stage"):
        yield f"Stage {after.rollout['stage']}"


def task_news(before: Look, after: Look) -> Iterator[str]:
    known = {task["id"]: task["status"] for task in before.tasks}
    for task in sorted(after.tasks, key=lambda task: str(task["created_at"])):
        if known.get(task["id"]) != task["status"]:
            yield f"Task {short(task)} {how_it_is(task)}"


def short(task: Fields) -> str:
    """Returns enough of a task's id to tell tasks apart."""
    return str(task["id"][:SHORT])


def how_it_is(task: Fields) -> str:
    if task["stopped_at"]:
        return f"stopped: {how_stopped(task)}"
    times = ", ".join(f"{phase} in {seconds:.0f} s" for phase, seconds in phases(task).items())
    return f"is {task['status']}{f': {times}' if times else ''}"


def phases(task: Fields) -> dict[str, float]:
    """Returns how many seconds each phase took that is over."""
    return {
        phase: between(task[begin], task[end]) for phase, (begin, end) in PHASES.items() if task[begin] and task[end]
    }


def between(begin: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def how_stopped(task: Fields) -> str:
    """Returns in one line how a task and its containers ended."""
    said = [task["stopped_reason"] or task["stop_code"] or "no reason given"]
    for container in task["containers"]:
        code = "" if container["exit_code"] is None else f"exit code {container['exit_code']}"
        ending = ", ".join(part for part in (code, container["reason"]) if part)
        said += [f"container {container['name']}: {ending}"] if ending else []
    return "; ".join(said)


def target_news(before: Look, after: Look) -> Iterator[str]:
    known = {target["id"]: target for target in before.targets}
    for target in after.targets:
        if known.get(target["id"]) != target:
            yield f"Target {how_healthy(target)}"


def how_healthy(target: Fields) -> str:
    why = target["description"] or target["reason"]
    return f"{target['id']} is {target['state']}{f': {why}' if why else ''}"


def event_news(before: Look, after: Look) -> Iterator[str]:
    known = before.service.get("events", [])
    for event in reversed(after.service.get("events", [])):
        if event not in known:
            yield f"Event: {event}"


def standing(look: Look, wanted: Followed) -> str:
    """Returns in one line how far a deployment is."""
    own = next((one for one in look.service.get("deployments", []) if one["id"] == wanted.deployment_id), None)
    if not own:
        return "Waiting for ECS to list the deployment"
    counts = f"{own['running_count']} of {own['desired_count']} tasks run, {own['failed_tasks']} failed"
    ours = {address for task in look.running for address in task["addresses"]}
    states = [target["state"] for target in look.targets if target["address"] in ours]
    health = f", {states.count('healthy')} of {len(states)} targets healthy" if states else ""
    youngest = max((task for task in look.tasks if not task["stopped_at"]), key=created, default=None)
    task = f", task {short(youngest)} is {youngest['status']}" if youngest else ", no task yet"
    return f"Waiting: {counts}{health}{task}"


def created(task: Fields) -> str:
    return str(task["created_at"])


def summary(look: Look) -> str:
    """Returns how long the slowest task of a complete deployment took, phase by phase."""
    if not look.running:
        return "The deployment is complete"
    slowest = max(look.running, key=lambda task: sum(phases(task).values()))
    times = {**phases(slowest), "healthy": between(slowest["started_at"], now()) if slowest["started_at"] else 0.0}
    said = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in times.items())
    return f"The deployment is complete; task {short(slowest)}: {said}"


def now() -> str:
    return datetime.now(UTC).isoformat()
