# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One local AWS for all tests, and a fresh account for each that asks."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 30
TIME_SCALE = 0.02
SETTINGS = {
    "BIND_HOST": "127.0.0.1",
    "DOCKER_HOST": "unix:///nonexistent.sock",
    "IOT_MTLS_ENABLED": "0",
    "LOCAL_AWS_HTTPS_PORT": "0",
    "LOCAL_AWS_HTTP_PORT": "0",
    "MINISTACK_REGION": REGION,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(ROOT / "tests"),
    "SFTP_ENABLED": "0",
}

_accounts = itertools.count(200000000000)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("local_aws"), provisioning_seconds=0) as address:
        yield address


@pytest.fixture(scope="module")
def slow_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local AWS of its own, where things take time to come and go."""
    with serving(tmp_path_factory.mktemp("slow_local_aws"), provisioning_seconds=2) as address:
        yield address


@pytest.fixture(scope="module")
def scaled_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local AWS of its own, as slow as AWS is documented to be, times a scale."""
    with serving(tmp_path_factory.mktemp("scaled_local_aws"), time_scale=TIME_SCALE) as address:
        yield address


@pytest.fixture(scope="module")
def throttling_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local AWS of its own that takes no more requests for Route 53 than AWS does."""
    with serving(tmp_path_factory.mktemp("throttling_local_aws"), route53_rate=5) as address:
        yield address


@contextmanager
def serving(
    folder: Path, *, provisioning_seconds: int = 0, time_scale: float | None = None, route53_rate: int = 0
) -> Iterator[str]:
    port = _free_port()
    settings = {
        **SETTINGS,
        "GATEWAY_PORT": str(port),
        "LOCAL_AWS_PROVISIONING_SECONDS": str(provisioning_seconds),
        "LOCAL_AWS_TIME_SCALE": str(time_scale or ""),
        "LOCAL_AWS_ROUTE53_RATE": str(route53_rate),
        "LOCAL_AWS_STATE": str(folder),
    }
    with (folder / "log").open("wb") as log:
        command = [_interpreter(), "-m", "local_aws"]
        server = subprocess.Popen(command, cwd=folder, env={**_outer(), **settings}, stdout=log, stderr=log)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=10)


@pytest.fixture
def account(endpoint: str) -> Account:
    return Account(endpoint, str(next(_accounts)))


@pytest.fixture
def other_account(endpoint: str) -> Account:
    return Account(endpoint, str(next(_accounts)))


@pytest.fixture
def slow_account(slow_endpoint: str) -> Account:
    return Account(slow_endpoint, str(next(_accounts)))


@pytest.fixture
def scaled_account(scaled_endpoint: str) -> Account:
    return Account(scaled_endpoint, str(next(_accounts)))


@pytest.fixture(scope="module")
def shared_account(endpoint: str) -> Account:
    return Account(endpoint, str(next(_accounts)))


def _interpreter() -> str:
    chosen = os.environ.get("LOCAL_AWS_PYTHON")
    usual = ROOT / ".venv-local-aws" / "bin" / "python"
    if not chosen and not usual.exists():
        pytest.fail(f"{usual} does not exist and LOCAL_AWS_PYTHON is not set: run `make install`")
    return chosen or str(usual)


def _outer() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MINISTACK_"))}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_up(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/_ministack/health", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the local AWS did not start:\n{log.read_text()[-2000:]}")
