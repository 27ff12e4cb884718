# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start, stop, ask and empty the local AWS; needs nothing but the Python that runs it."""

from __future__ import annotations

import argparse
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
LOOPBACK = "127.0.0.1"
USUAL_PORT = 4566
REGION = "ap-northeast-1"
ACCOUNT = "111122223333"
START_SECONDS = 60
STOP_SECONDS = 30
POLL_SECONDS = 0.1
MODULE = "-m local_aws"
NO_ENGINE = "unix:///nonexistent/docker.sock"
# Servers that ministack would open beside its API, on other ports.
CLOSED = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "USE_SSL": "0"}


class ControlError(Exception):
    """Something the user has to know; shown without a traceback."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Instance:
    """One stand-in, known by its state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.env_file = state / "env"
        self.log_file = state / "log"
        self._pid_file = state / "pid"

    @property
    def pid(self) -> int | None:
        """The process, if it runs and is ours: a number may have been given to another since."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if MODULE in _command_of(pid) else None

    @property
    def port(self) -> int | None:
        """The port of the last start."""
        address = self.environment().get("AWS_ENDPOINT_URL")
        return urlsplit(address).port if address else None

    def environment(self) -> dict[str, str]:
        """What the env file holds."""
        if not self.env_file.exists():
            return {}
        return dict(line.split("=", 1) for line in self.env_file.read_text().splitlines() if "=" in line)

    def start(self, port: int | None) -> None:
        """Bring the stand-in up and write its env file; nothing to do when it already runs."""
        with self._locked():
            if self.pid and self.port and _get(self.port, "/_local_aws/status"):
                return
            self._end_process()
            chosen = _choose_port(port, self.port)
            docker = _docker_answers()
            process = self._spawn(chosen, docker)
            self._pid_file.write_text(str(process.pid))
            self._write_env(chosen, self._wait_until_ready(process, chosen), docker)

    def stop(self) -> None:
        """End the process and remove the containers it started."""
        with self._locked():
            port = self.port
            self._end_process()
            if port:
                _remove_containers(port)

    def reset(self) -> None:
        """Empty every account."""
        if not self.pid or not self.port:
            raise ControlError("the local AWS does not run; start it first")
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.port}/_ministack/reset", method="POST")
        urllib.request.urlopen(request, timeout=STOP_SECONDS).close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _spawn(self, port: int, docker: bool) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [_interpreter(), *MODULE.split()],
                env=self._process_environment(port, docker),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _process_environment(self, port: int, docker: bool) -> dict[str, str]:
        scratch = self.state / "tmp"
        scratch.mkdir(exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        own = {
            "PYTHONPATH": str(TESTS),
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": _account(),
            "LOCAL_AWS_STATE": str(self.state),
            "TMPDIR": str(scratch),
            **CLOSED,
        }
        return {**inherited, **own} if docker else {**inherited, **own, "DOCKER_HOST": NO_ENGINE}

    def _wait_until_ready(self, process: subprocess.Popen[bytes], port: int) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            status = _get(port, "/_local_aws/status")
            # Another instance may have taken the port a moment earlier; its answer is not ours.
            if status and status["process"] == process.pid:
                return status
            time.sleep(POLL_SECONDS)
        process.kill()
        self._pid_file.unlink()
        raise ControlError(f"the local AWS did not start; the end of {self.log_file}:\n{_tail(self.log_file)}")

    def _write_env(self, port: int, status: dict[str, Any], docker: bool) -> None:
        address = f"http://{LOOPBACK}:{port}"
        values = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": _account(),
            # Ansible blanks out this text wherever it appears, so it must not be a word that names contain.
            "AWS_SECRET_ACCESS_KEY": "example-key-of-the-stand-in",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "GATEHOUSE_REGISTRY": address,
            "GATEHOUSE_RESOLVER": f"{LOOPBACK}:{status['dns_port']}",
            "LOCAL_AWS_HTTPS_PORT": status["https_port"],
            "LOCAL_AWS_HTTP_PORT": status["http_port"],
            "LOCAL_AWS_CA": status["ca"],
            "LOCAL_AWS_DOCKER": str(docker).lower(),
        }
        self.env_file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))

    def _end_process(self) -> None:
        pid = self.pid
        if pid:
            _terminate(pid)
        self._pid_file.unlink(missing_ok=True)


def main() -> int:
    """Carry out the command of the command line."""
    options = _parse()
    instance = Instance(options.state.resolve())
    try:
        return _run(options, instance)
    except ControlError as error:
        print(f"local AWS: {error}", file=sys.stderr)
        return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("start", "stop", "status", "reset"))
    default = Path(os.environ.get("LOCAL_AWS_STATE", ROOT / ".local-aws"))
    parser.add_argument("--state", type=Path, default=default, help="directory of the instance")
    parser.add_argument("--port", type=int, help=f"port of the API (default: {USUAL_PORT}, or a free one)")
    return parser.parse_args()


def _run(options: argparse.Namespace, instance: Instance) -> int:
    if options.command == "start":
        instance.start(options.port)
    elif options.command == "stop":
        instance.stop()
    elif options.command == "reset":
        instance.reset()
    print(_describe(instance))
    return 0 if instance.pid or options.command == "stop" else 3


def _describe(instance: Instance) -> str:
    pid = instance.pid
    if not pid:
        return "local AWS: stopped"
    known = instance.environment()
    containers = "run by Docker" if known["LOCAL_AWS_DOCKER"] == "true" else "not run: no Docker engine"
    return (
        f"local AWS: running (process {pid})\n"
        f"  API and registry  {known['AWS_ENDPOINT_URL']}\n"
        f"  front door        https port {known['LOCAL_AWS_HTTPS_PORT']}, http port {known['LOCAL_AWS_HTTP_PORT']}\n"
        f"  containers        {containers}\n"
        f"  environment       {instance.env_file}"
    )


def _interpreter() -> str:
    interpreter = Path(os.environ.get("LOCAL_AWS_PYTHON", ROOT / ".venv-local-aws" / "bin" / "python"))
    if not interpreter.exists():
        raise ControlError(f"{interpreter} does not exist: make that virtual environment, or set LOCAL_AWS_PYTHON")
    return str(interpreter)


def _account() -> str:
    return os.environ.get("LOCAL_AWS_ACCOUNT", ACCOUNT)


def _choose_port(wanted: int | None, previous: int | None) -> int:
    for port in [wanted] if wanted is not None else [previous, USUAL_PORT, 0]:
        if port is None:
            continue
        try:
            with socket.create_server((LOOPBACK, port)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise ControlError(f"port {wanted} is taken")


def _get(port: int, path: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=5) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except (OSError, ValueError):
        return None


def _docker_answers() -> bool:
    if os.environ.get("LOCAL_AWS_DOCKER", "").lower() == "false":
        return False
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    plain = http.client.HTTPConnection(address.hostname or LOOPBACK, address.port or 2375, timeout=5)
    connection = UnixConnection(address.path) if address.scheme == "unix" else plain
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _remove_containers(port: int) -> None:
    docker = shutil.which("docker")
    if not docker or not _docker_answers():
        return
    # ministack labels what it starts with the address that only one instance can hold.
    label = f"label=ministack.instance={socket.gethostname()}:{port}"
    containers = _lines([docker, "ps", "-aq", "--filter", label])
    if containers:
        subprocess.run([docker, "rm", "-f", "-v", *containers], capture_output=True, check=False)
    pulled = _lines([docker, "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}"])
    images = [image for image in pulled if image.startswith(f"{LOOPBACK}:{port}/")]
    if images:
        subprocess.run([docker, "rmi", *images], capture_output=True, check=False)


def _lines(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _command_of(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def _terminate(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.kill(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not _command_of(pid):
                return
            time.sleep(POLL_SECONDS)


def _tail(file: Path, lines: int = 20) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
