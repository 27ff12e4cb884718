# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Finds the terminal of the playbook for the module ecs_exec, which gives it to a session."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs the module with the terminal of the playbook's own process, which a task has no part in."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        found = terminal() if self._connection.transport == "local" else ""
        arguments = {"terminal": found, **self._task.args}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result


def terminal() -> str:
    """Returns the device of the terminal in which the playbook was started, nothing when there is none."""
    # A task runs in a session of its own, without a controlling terminal; its parent still has one.
    for process in (os.getppid(), os.getpid()):
        asked = subprocess.run(["ps", "-o", "tty=", "-p", str(process)], capture_output=True, text=True, check=False)
        device = f"/dev/{asked.stdout.strip()}"
        if os.path.exists(device) and device not in ("/dev/", "/dev/?"):
            return device
    return ""
