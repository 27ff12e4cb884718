# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An action that shows what happens while its module waits on this machine.

Each module needs an action of its own name: one that is redirected to runs its own module.
This plugin util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gatehouse.fargate.plugins.plugin_utils.live import Follower


class WatchedAction(ActionBase):
    """Runs the module, and follows the file to which it reports."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        if not self._shows_output():
            result.update(self._execute_module(task_vars=task_vars))
            return result
        host = (task_vars or {}).get("inventory_hostname", "")
        # A folder that nobody else can read, gone with the task: what a program logs may be nobody else's business.
        with TemporaryDirectory(prefix="gatehouse-") as folder:
            path = Path(self._task.args.get("progress_path") or Path(folder, "progress")).expanduser()
            with Follower(path, lambda line: Display().display(f"{host} | {line}", stderr=True)):
                arguments = {**self._task.args, "progress_path": str(path)}
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _shows_output(self) -> bool:
        """Tells whether the module runs on this machine, waits, and may be watched."""
        here = self._connection.transport == "local"
        quiet = self._task.no_log or self._task.check_mode
        return here and not quiet and boolean(self._task.args.get("live_output", True))
