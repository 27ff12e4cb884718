# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A local AWS for one measurement, and playbooks that are run against it and measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .cost import Cost

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CTL = ROOT / "tests" / "local_aws" / "ctl.py"
CALLBACKS = HERE / "callback_plugins"


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its cost, when each task began and ended, the calls to AWS, and what those cost here."""

    cost: Cost
    tasks: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    stand_in_cpu: float

    @property
    def executed(self) -> list[dict[str, Any]]:
        return [task for task in self.tasks if task["outcome"] != "skipped"]

    @property
    def actions(self) -> list[str]:
        return [call["action"] for call in self.calls]


class StandIn:
    """A running local AWS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / "env").read_text(encoding="utf-8").splitlines()
        self.environment = dict(line.split("=", 1) for line in lines if "=" in line)

    def play(self, playbook: str, inventory: Path, *options: str, memory: float = 0.0, **settings: str) -> Run:
        """Runs a playbook, samples its memory every so many seconds; a failure ends the benchmark with its output."""
        timeline, log = self.folder / "timeline.json", self.folder / "play.log"
        self._request("DELETE")
        spent = self._cpu()
        command = [sys.executable, str(HERE / "cost.py"), "--memory", str(memory), "--"]
        command += ["ansible-playbook", playbook, "-i", str(inventory), *options]
        with log.open("w", encoding="utf-8") as stream:
            environment = {**self._settings(timeline), **settings}
            done = subprocess.run(
                command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=stream, check=False
            )
        if done.returncode:
            sys.exit(f"{log.read_text(encoding='utf-8')}\n{playbook} failed with {done.returncode}")
        cost = Cost(**json.loads(done.stdout.splitlines()[-1]))
        return Run(cost, json.loads(timeline.read_text(encoding="utf-8")), self.calls(), self._cpu() - spent)

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._request("GET"))
        return found

    def _cpu(self) -> float:
        times = psutil.Process(int((self.folder / "pid").read_text(encoding="utf-8").split()[0])).cpu_times()
        return float(times.user + times.system)

    def _settings(self, timeline: Path) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            "ANSIBLE_CALLBACKS_ENABLED": "timeline,gatehouse.fargate.plan",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "GATEHOUSE_TIMELINE": str(timeline),
        }

    def _request(self, method: str) -> bytes:
        address = f"{self.environment['AWS_ENDPOINT_URL']}/_local_aws/calls"
        with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def standing_in(folder: Path, port: int, **settings: str) -> Iterator[StandIn]:
    """Starts a local AWS with these settings and stops it in the end."""
    environment = {**os.environ, "LOCAL_AWS_HTTPS_PORT": "0", "LOCAL_AWS_HTTP_PORT": "0", **settings}
    place = ["--state", str(folder)]
    subprocess.run([sys.executable, str(CTL), "start", *place, "--port", str(port)], env=environment, check=True)
    try:
        yield StandIn(folder)
    finally:
        subprocess.run([sys.executable, str(CTL), "stop", *place], env=environment, check=True)
