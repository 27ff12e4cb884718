# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Shows the output of a build while the module ecr_image runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gatehouse.fargate.plugins.plugin_utils.live import Follower

LOG_PATH = "~/.cache/gatehouse/build.log"


class ActionModule(ActionBase):
    """Runs the module, and follows the log that it writes."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        if not self._shows_output():
            result.update(self._execute_module(task_vars=task_vars))
            return result
        host = (task_vars or {}).get("inventory_hostname", "")
        path = Path(self._task.args.get("log_path") or LOG_PATH).expanduser()
        with Follower(path, lambda line: Display().display(f"{host} | {line}", stderr=True)):
            result.update(self._execute_module(task_vars=task_vars))
        return result

    def _shows_output(self) -> bool:
        """Tells whether there can be a log on this machine that its owner wants to see."""
        here = self._connection.transport == "local"
        quiet = self._task.no_log or self._task.check_mode
        return here and not quiet and boolean(self._task.args.get("live_output", True))
