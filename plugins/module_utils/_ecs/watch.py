# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Waits for the end of a deployment: tells what happens, and stops as soon as the end is known.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.crash_loops import hopeless
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import (
    Followed,
    Outcome,
    Verdict,
    judge,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.reports import news, standing, summary
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress

POLL_SECONDS = 3.0
# A look takes longer when AWS throttles its calls; the pause grows with it, up to this.
MOST_SECONDS = 15.0

# ECS shows 90 days of deployments, see release_api.py.
REMEMBERED = timedelta(days=90)
NOT_SERVING = ("initial", "unhealthy")
UNDER_WAY = ("PENDING", "IN_PROGRESS")
ROLLING_BACK = ("STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
ENDED = {
    "STOPPED": "The deployment was stopped.",
    "STOP_REQUESTED": "Somebody stops the deployment.",
    "ROLLBACK_REQUESTED": "Somebody rolls the deployment back.",
    "ROLLBACK_IN_PROGRESS": "ECS rolls the deployment back.",
    "ROLLBACK_SUCCESSFUL": "ECS rolled the deployment back.",
    "ROLLBACK_FAILED": "ECS gave the deployment up and could not roll it back.",
}


class DeploymentFailedError(Exception):
    """The deployment does not get to its end; the message is the reason, ``look`` what was seen last."""

    def __init__(self, reason: str, look: Look) -> None:
        super().__init__(reason)
        self.look = look


def follow(observe: Callable[[], Look], wanted: Followed, progress: Progress, timeout: int) -> Look:
    """Returns the last look once the followed deployment is complete; raises DeploymentFailedError otherwise."""
    verdict = Verdict(Outcome.PENDING)
    for look in told(observe, wanted, progress, timeout):
        verdict = judge_look(look, wanted)
        if verdict.outcome is Outcome.SUCCEEDED:
            progress.say(summary(look))
            return look
        reason = verdict.reason if verdict.outcome is Outcome.FAILED else hopeless(look.tasks)
        if reason:
            raise DeploymentFailedError(reason, look)
    raise DeploymentFailedError(f"It was not complete after {timeout} s: {verdict.reason}.", look)


def told(observe: Callable[[], Look], wanted: Followed, progress: Progress, timeout: int) -> Iterator[Look]:
    """Yields looks until the time is up, and tells what is new in each."""
    before = Look({})
    for _tick in ticks(timeout):
        look = observe()
        # What was there at the first look is no news, but for the tasks of the deployment itself.
        known = before if before.service else Look(look.service, targets=look.targets)
        for line in news(known, look):
            progress.say(line)
        progress.doing(standing(look, wanted))
        before = look
        yield look


def ticks(timeout: int) -> Iterator[None]:
    """Yields at once and then again after pauses, until the time is up."""
    end = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        yield
        now = time.monotonic()
        if now >= end:
            return
        time.sleep(min(max(POLL_SECONDS, now - began), MOST_SECONDS))


def judge_look(look: Look, wanted: Followed) -> Verdict:
    """Tells from everything that was seen how the followed deployment stands."""
    verdict = judge(look.service, wanted)
    if verdict.outcome is Outcome.FAILED:
        return verdict
    status = look.rollout.get("status", "")
    if status in ENDED:
        return Verdict(Outcome.FAILED, f"{ENDED[status]} {look.rollout['status_reason']}".strip())
    # Only a rolling update has a state in DescribeServices; of the other strategies the rollout alone tells.
    stateless = is_stateless(look, wanted)
    if stateless:
        complete = status == "SUCCESSFUL" or is_forgotten(look, wanted)
    else:
        complete = verdict.outcome is Outcome.SUCCEEDED
    if not complete or status in UNDER_WAY:
        recorded = f"the service deployment is {status or 'not listed yet'} {look.rollout.get('stage', '')}".rstrip()
        return Verdict(Outcome.PENDING, recorded if stateless else verdict.reason or recorded)
    waiting = sick(look)
    return Verdict(Outcome.PENDING, waiting) if waiting else Verdict(Outcome.SUCCEEDED)


def is_stateless(look: Look, wanted: Followed) -> bool:
    return any(
        one["id"] == wanted.deployment_id and not one["rollout_state"] for one in look.service.get("deployments", [])
    )


def is_forgotten(look: Look, wanted: Followed) -> bool:
    """Tells whether a deployment is so old that ECS has no record of it any more; then its tasks alone tell."""
    age = datetime.now(UTC) - datetime.fromisoformat(wanted.created_at)
    counts = [one["running_count"] >= one["desired_count"] for one in look.service["deployments"]]
    return not look.rollout and age > REMEMBERED and counts == [True]


def sick(look: Look) -> str:
    """Names the targets of the deployment's running tasks that get no traffic."""
    ours = {address for task in look.running for address in task["addresses"]}
    states = [target for target in look.targets if target["address"] in ours and target["state"] in NOT_SERVING]
    return ", ".join(f"{target['id']} is {target['state']}" for target in states)
