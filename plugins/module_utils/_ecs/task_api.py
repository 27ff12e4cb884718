# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs one-off tasks: starts one, follows its state and its log to the end.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ServiceErrors, when_usable
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.masking import masked
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.task_runs import outcome
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress

POLL_SECONDS = 2.0
# The last lines of a container reach CloudWatch Logs some seconds after its end.
QUIET_POLLS = 3
MOST_LINES = 30
LogErrors = missing_is("ResourceNotFoundException")


class TaskNotStartedError(Exception):
    """RunTask accepted the request but placed no task; the message is the reason."""


class Log:
    """The log of one container, read as it grows, without what must not be shown."""

    def __init__(self, client: Any, place: Fields, secrets: set[str]) -> None:
        self._client = client
        self._place = place
        self._secrets = secrets
        self._token: str | None = None
        self.last: deque[str] = deque(maxlen=MOST_LINES)

    def give_up(self) -> None:
        """Reads no more."""
        self._place = {}

    @LogErrors.list_error_handler("read the log of the task", [])
    def new_lines(self) -> list[str]:
        """Returns what came since the last call; nothing before the stream exists."""
        found: list[str] = []
        while self._place:
            more = {"nextToken": self._token} if self._token else {}
            answer = self._client.get_log_events(
                logGroupName=self._place["group"],
                logStreamName=self._place["stream"],
                startFromHead=True,
                **more,
            )
            found += [event["message"] for event in answer["events"]]
            # The same token again means the end of what there is.
            ended = answer["nextForwardToken"] == self._token
            self._token = answer["nextForwardToken"]
            if ended:
                break
        shown = masked(found, self._secrets)
        self.last.extend(shown)
        return shown


@ServiceErrors.common_error_handler("run the task")
def start(client: Any, request: Fields) -> Fields:
    """Returns the started task; a role that is not known everywhere yet is waited for."""
    answer = when_usable(client.run_task)(**request)
    if not answer["tasks"]:
        reasons = [f"{item.get('reason', '')} {item.get('detail', '')}".strip() for item in answer["failures"]]
        raise TaskNotStartedError(f"AWS started no task: {'; '.join(reasons) or 'no reason given'}.")
    return dict(answer["tasks"][0])


@ServiceErrors.common_error_handler("look at the task")
def look(client: Any, task: Fields) -> Fields:
    """Returns the task as it is now; one that AWS does not list yet is as it was."""
    found = client.describe_tasks(cluster=task["clusterArn"], tasks=[task["taskArn"]])["tasks"]
    return dict(found[0]) if found else task


@ServiceErrors.common_error_handler("stop the task")
def stop(client: Any, task: Fields, reason: str) -> None:
    client.stop_task(cluster=task["clusterArn"], task=task["taskArn"], reason=reason)


def follow(client: Any, task: Fields, container: str, log: Log, progress: Progress, timeout: int) -> Fields:
    """Tells states and log lines until the task has stopped, or stops it when the time is up; returns its outcome."""
    end, status = time.monotonic() + timeout, ""
    while True:
        task = look(client, task)
        if task["lastStatus"] != status:
            status = task["lastStatus"]
            progress.say(f"task {identifier(task)} is {status}")
            progress.doing(f"task {identifier(task)} is still {status}")
        tell(log, progress)
        if status == "STOPPED":
            break
        if time.monotonic() >= end:
            stop(client, task, f"It was not over after {timeout} s")
            break
        time.sleep(POLL_SECONDS)
    drain(log, progress)
    return {"id": identifier(task), **outcome(task, container)}


def drain(log: Log, progress: Progress) -> None:
    """Tells the lines that are still on their way when the task has ended."""
    quiet = 0
    while quiet < QUIET_POLLS:
        quiet = 0 if tell(log, progress) else quiet + 1
        time.sleep(POLL_SECONDS / 2)


def tell(log: Log, progress: Progress) -> bool:
    """Tells the new lines. A log that may not be read is no reason to lose sight of the task."""
    try:
        lines = log.new_lines()
    except AnsibleAWSError as error:
        log.give_up()
        lines = [f"The log cannot be shown: {error}"]
    for line in lines:
        progress.say(line)
    return bool(lines)


def identifier(task: Fields) -> str:
    return str(task["taskArn"].rsplit("/", 1)[-1])
