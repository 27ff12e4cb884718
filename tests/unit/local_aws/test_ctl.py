# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start, stop, status and reset, as a person calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import status_of

TESTS = Path(__file__).resolve().parents[2]
Ctl = Callable[..., "subprocess.CompletedProcess[str]"]
SETTINGS = {"LOCAL_AWS_HTTPS_PORT": "0", "LOCAL_AWS_HTTP_PORT": "0", "LOCAL_AWS_DOCKER": "false"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ctl(state: Path) -> Iterator[Ctl]:
    if not (os.environ.get("LOCAL_AWS_PYTHON") or (TESTS.parent / ".venv-local-aws").exists()):
        pytest.skip("the virtual environment of the local AWS does not exist")

    def run(command: str, *more: str, **settings: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, str(TESTS / "local_aws" / "ctl.py"), command, "--state", str(state), *more]
        environment = {**os.environ, **SETTINGS, **settings}
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)

    yield run
    run("stop")


def environment(state: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (state / "env").read_text().splitlines())


def pid(state: Path) -> int:
    return int((state / "pid").read_text())


def test_start_is_idempotent_and_stop_ends_it(ctl: Ctl, state: Path) -> None:
    assert ctl("status").returncode == 3
    started = ctl("start", "--port", "0")
    assert (started.returncode, started.stderr) == (0, "")
    first = pid(state)
    assert "no Docker engine" in ctl("start").stdout
    assert pid(state) == first
    assert ctl("stop").returncode == 0
    assert ctl("status").returncode == 3
    assert not (state / "pid").exists()


def test_environment_is_complete(ctl: Ctl, state: Path) -> None:
    ctl("start", "--port", "0")
    found = environment(state)
    assert found["GATEHOUSE_REGISTRY"] == found["AWS_ENDPOINT_URL"]
    assert found["LOCAL_AWS_DOCKER"] == "false"
    status = status_of(found["AWS_ENDPOINT_URL"])
    assert found["LOCAL_AWS_HTTPS_PORT"] == str(status["https_port"])
    account = Account(found["AWS_ENDPOINT_URL"], found["AWS_ACCESS_KEY_ID"])
    assert account.client("sts").get_caller_identity()["Account"] == found["AWS_ACCESS_KEY_ID"]
    assert Path(found["LOCAL_AWS_CA"]).read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_stale_pid_does_not_matter(ctl: Ctl, state: Path) -> None:
    state.mkdir()
    # This very process runs, but is no local AWS, and has to survive.
    (state / "pid").write_text(str(os.getpid()))
    assert ctl("status").returncode == 3
    assert ctl("start", "--port", "0").returncode == 0
    assert pid(state) != os.getpid()


def test_reset_empties_every_account(ctl: Ctl, state: Path) -> None:
    assert ctl("reset").returncode == 1
    ctl("start", "--port", "0")
    client = Account(environment(state)["AWS_ENDPOINT_URL"], "111111111111").client("ecr")
    client.create_repository(repositoryName="web")
    assert ctl("reset").returncode == 0
    assert client.describe_repositories()["repositories"] == []


def test_everything_listens_on_loopback_only(ctl: Ctl, state: Path) -> None:
    ctl("start", "--port", "0")
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("the open sockets are read from /proc")
    own = {link.readlink().name for link in Path(f"/proc/{pid(state)}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]
    assert len(listening) == 4
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}
    assert not [row for row in _rows6() if row[3] == "0A" and f"socket:[{row[9]}]" in own]


def _rows6() -> list[list[str]]:
    table = Path("/proc/net/tcp6")
    return [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []


def test_missing_interpreter_is_told(ctl: Ctl) -> None:
    refused = ctl("start", LOCAL_AWS_PYTHON="/nonexistent/python")
    assert refused.returncode == 1
    assert "LOCAL_AWS_PYTHON" in refused.stderr
    assert "Traceback" not in refused.stderr
