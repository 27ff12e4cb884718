# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One more run of the playbook in the middle of a scenario's verification, and what its tasks said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANDLER = "Build and push the image"


@dataclass(frozen=True)
class Converged:
    """One run of the playbook."""

    status: int
    tasks: list[tuple[str, dict[str, Any]]]
    stderr: str

    @property
    def builds(self) -> int:
        return sum(name.endswith(HANDLER) for name, _result in self.tasks)

    @property
    def changed(self) -> list[str]:
        return [name for name, result in self.tasks if result.get("changed")]

    @property
    def failure(self) -> str:
        return "".join(str(result.get("msg")) for _name, result in self.tasks if result.get("failed"))


def converge(host: str, *options: str) -> Converged:
    """Runs the playbook on the scenario's inventory, with options of ansible-playbook."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "gatehouse.fargate.site"]
    done = subprocess.run(
        [*command, "-i", str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory")), *options],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Other callbacks write after the report.
    report, _end = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])
    tasks = [task for play in report["plays"] for task in play["tasks"]]
    results = [(task["task"]["name"], task["hosts"][host]) for task in tasks if host in task["hosts"]]
    return Converged(done.returncode, [result for result in results if not result[1].get("skipped")], done.stderr)
