# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Shows what visitors meet, without a task of its own."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Runs the module, and shows the report of one that passed; of one that failed it is the message."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        result.update(self._execute_module(task_vars=task_vars))
        if not (result.get("failed") or self._task.no_log):
            host = (task_vars or {}).get("inventory_hostname", "")
            for line in result.get("smoke_test", {}).get("report", []):
                Display().display(f"{host} | {line}")
        return result
