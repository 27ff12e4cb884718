# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Writes when each task of each host began and ended to the file that GATEHOUSE_TIMELINE names."""

from __future__ import annotations

DOCUMENTATION = """
name: timeline
type: aggregate
short_description: Writes when each task began and ended
description: For the benchmark of this repository.
options: {}
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """One entry for each task and host: title, action, start, end, whether it was skipped."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._began: dict[tuple[str, str], float] = {}
        self._entries: list[dict[str, Any]] = []

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._began[host.name, task._uuid] = time.time()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        del ignore_errors
        self._note(result, "failed")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note(result, "skipped")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        del stats
        file = os.environ.get("GATEHOUSE_TIMELINE")
        if file:
            Path(file).write_text(json.dumps(self._entries), encoding="utf-8")

    def _note(self, result: Any, outcome: str) -> None:
        host, task = result.host.name, result.task
        now = time.time()
        self._entries.append(
            {
                "host": host,
                "title": task.get_name(),
                "action": task.action,
                "outcome": outcome,
                "began": self._began.pop((host, task._uuid), now),
                "ended": now,
            }
        )
