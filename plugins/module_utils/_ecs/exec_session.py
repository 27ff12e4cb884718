# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs AWS's Session Manager plugin for an opened session: with a terminal of the user, or one of its own.

The AWS CLI hands an ECS session to the plugin as an argument, which every user of the machine can read. The plugin also
takes the name of an environment variable, as the CLI uses for other sessions: https://github.com/aws/aws-cli/pull/8336.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# The plugin knows the variable by how its name begins.
VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
ROWS, COLUMNS = 50, 200
LFLAG = 3


@dataclass(frozen=True)
class Session:
    """A session as the plugin wants it: arguments that anybody may see, and an environment."""

    plugin: str
    region: str
    profile: str
    target: str
    endpoint: str
    token: Fields

    @property
    def arguments(self) -> list[str]:
        target = json.dumps({"Target": self.target})
        return [self.plugin, VARIABLE, self.region, "StartSession", self.profile, target, self.endpoint]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, VARIABLE: json.dumps(self.token)}


def target_of(answer: Fields, runtime_id: str) -> str:
    """Returns the name under which Session Manager knows a container."""
    cluster, task = (answer[key].rsplit("/", 1)[-1] for key in ("clusterArn", "taskArn"))
    return f"ecs:{cluster}_{task}_{runtime_id}"


def hand_over(session: Session, terminal: str) -> int:
    """Gives the user's terminal to the session until it ends; returns the plugin's exit code."""
    # Not as controlling terminal: the playbook's process keeps that.
    device = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    try:
        with keys_as_bytes(device):
            return subprocess.run(
                session.arguments, env=session.environment, stdin=device, stdout=device, stderr=device, check=False
            ).returncode
    finally:
        os.close(device)


@contextlib.contextmanager
def keys_as_bytes(device: int) -> Iterator[None]:
    """Lets Ctrl-C and its like reach the session as keys; as signals they would end the playbook."""
    before = termios.tcgetattr(device)
    during = termios.tcgetattr(device)
    during[LFLAG] &= ~termios.ISIG
    termios.tcsetattr(device, termios.TCSADRAIN, during)
    try:
        yield
    finally:
        termios.tcsetattr(device, termios.TCSADRAIN, before)


def captured(session: Session, timeout: int) -> tuple[int | None, str]:
    """Returns exit code, None after a timeout, and output of the plugin, which wants a terminal though nobody types."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    running = subprocess.Popen(
        session.arguments,
        env=session.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        output, ended = read_until_end(ours, timeout)
        if not ended:
            running.kill()
        code = running.wait()
    finally:
        os.close(ours)
    return (code if ended else None), output.decode(errors="replace").replace("\r\n", "\n")


def read_until_end(device: int, timeout: int) -> tuple[bytes, bool]:
    """Returns what comes until the other side closes, and whether it did in time."""
    output, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([device], [], [], 0.5)[0]:
            continue
        try:
            more = os.read(device, 65536)
        except OSError:
            # Linux reports the end of the other side as an input error.
            return output, True
        if not more:
            return output, True
        output += more
    return output, False
