# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One local AWS for the session, and ansible-playbook run as a user runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
CTL = ROOT / "tests" / "local_aws" / "ctl.py"
PARENT = "gatehouse.localhost"
READING = ("Describe", "Get", "List", "Batch", "Head", "Simulate", "AssumeRole")


@dataclass(frozen=True)
class LocalAws:
    """A running stand-in: its environment, and the calls it was sent."""

    environment: dict[str, str]

    def client(self, service: str, region: str | None = None) -> Any:
        return boto3.client(
            service,
            region_name=region or self.environment["AWS_REGION"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            # As patient as the modules' own clients: Route 53 refuses more than five requests a second.
            config=Config(retries={"mode": "standard", "max_attempts": 10}),
        )

    def calls(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.environment['AWS_ENDPOINT_URL']}/_local_aws/calls") as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def forget_calls(self) -> None:
        url = f"{self.environment['AWS_ENDPOINT_URL']}/_local_aws/calls"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()

    def writes(self) -> list[str]:
        """The actions called that could change the account."""
        actions = [call["action"] for call in self.calls()]
        return [action for action in actions if not action.split(":")[-1].startswith(READING)]


@dataclass(frozen=True)
class PlaybookRun:
    """What one ansible-playbook run left: its status, its parsed results and its whole output."""

    status: int
    report: dict[str, Any]
    stderr: str
    output: str = ""

    def failure(self, host: str) -> str:
        """The message of the task that failed on a host."""
        for play in self.report["plays"]:
            for task in play["tasks"]:
                result = task["hosts"].get(host, {})
                if result.get("failed"):
                    return message_of(result)
        return ""

    def changed(self) -> int:
        return sum(stats["changed"] for stats in self.report["stats"].values())


def message_of(result: dict[str, Any]) -> str:
    failures = [item for item in result.get("results", []) if item.get("failed")]
    return str(failures[0]["msg"] if failures else result["msg"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running_local_aws(state: Path, **environment: str) -> Iterator[LocalAws]:
    """Starts a local AWS whose account holds nothing but the parent zone; stops it at the end."""
    command = [sys.executable, str(CTL)]
    start = [*command, "start", "--state", str(state), "--port", str(free_port())]
    subprocess.run(start, check=True, env={**os.environ, **environment})
    lines = (state / "env").read_text(encoding="utf-8").splitlines()
    running = LocalAws(dict(line.split("=", 1) for line in lines if "=" in line))
    try:
        running.client("route53").create_hosted_zone(Name=PARENT, CallerReference=PARENT)
        yield running
    finally:
        subprocess.run([*command, "stop", "--state", str(state)], check=True)


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with running_local_aws(tmp_path_factory.mktemp("local-aws")) as running:
        yield running


@pytest.fixture(scope="module")
def own_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS for one module of tests that deploys a whole stack; its tasks need no containers."""
    with running_local_aws(tmp_path_factory.mktemp("own-aws"), LOCAL_AWS_DOCKER="false") as running:
        yield running


@pytest.fixture
def play(local_aws: LocalAws, tmp_path: Path) -> Any:
    def run(playbook: str, hosts: dict[str, dict[str, Any]], *options: str, **environment: str) -> PlaybookRun:
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        return run_playbook([playbook, "-i", str(inventory), *options], {**local_aws.environment, **environment})

    return run


def run_playbook(arguments: list[str], environment: dict[str, str]) -> PlaybookRun:
    settings = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_FORKS": "2",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
    }
    done = subprocess.run(
        ["ansible-playbook", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    start = done.stdout.find("{")
    report = {"plays": [], "stats": {}}
    if start >= 0:
        # Other callbacks write after the report.
        report, _end = json.JSONDecoder().raw_decode(done.stdout[start:])
    return PlaybookRun(done.returncode, report, done.stderr + done.stdout[: max(start, 0)], done.stdout)
