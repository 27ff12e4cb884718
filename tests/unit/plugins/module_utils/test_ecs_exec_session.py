# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The plugin gets its terminal and its token, and nobody else sees the token."""

from __future__ import annotations

import json
import os
import pty
import select
import termios
import threading
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import exec_session as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_session import Session

TOKEN = "token-that-opens-the-session"
# Stands in for AWS's plugin, which cannot be had here: notes what it was given, then talks.
PLUGIN = """#!/bin/sh
printf '%s\\n' "$@" > "{folder}/arguments"
printf '%s' "$AWS_SSM_START_SESSION_RESPONSE" > "{folder}/session"
stty -a > "{folder}/terminal" 2>&1
{does}
"""


def session(folder: Path, does: str) -> Session:
    plugin = folder / "session-manager-plugin"
    plugin.write_text(PLUGIN.format(folder=folder, does=does), encoding="utf-8")
    plugin.chmod(0o755)
    token = {"sessionId": "s-1", "streamUrl": "wss://example", "tokenValue": TOKEN}
    return Session(str(plugin), "eu-west-1", "work", "ecs:hello_0123_0123-9", "https://ecs.example", token)


def everything_shown(device: int) -> str:
    shown = b""
    while select.select([device], [], [], 1)[0]:
        shown += os.read(device, 4096)
    return shown.decode()


def test_the_token_is_in_the_environment_alone(tmp_path: Path) -> None:
    assert subject.captured(session(tmp_path, "echo hello"), 20) == (0, "hello\n")
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8")
    assert arguments.splitlines() == [
        "AWS_SSM_START_SESSION_RESPONSE",
        "eu-west-1",
        "StartSession",
        "work",
        '{"Target": "ecs:hello_0123_0123-9"}',
        "https://ecs.example",
    ]
    assert TOKEN not in arguments
    assert json.loads((tmp_path / "session").read_text(encoding="utf-8"))["tokenValue"] == TOKEN
    assert TOKEN not in os.environ.get(subject.VARIABLE, "")
    # The plugin refuses to work without a terminal of some size.
    assert "rows 50; columns 200" in (tmp_path / "terminal").read_text(encoding="utf-8")


def test_the_exit_code_of_the_plugin_is_told(tmp_path: Path) -> None:
    assert subject.captured(session(tmp_path, "echo no agent; exit 3"), 20) == (3, "no agent\n")


def test_a_command_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    code, output = subject.captured(session(tmp_path, "echo started; exec sleep 60"), 3)
    assert (code, output) == (None, "started\n")


def test_the_terminal_is_handed_over_and_comes_back_as_it_was(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    typed = threading.Timer(0.3, lambda: os.write(ours, b"whoami\n"))
    typed.start()
    code = subject.hand_over(session(tmp_path, 'read line; echo "you said $line"'), os.ttyname(theirs))
    typed.join()
    assert code == 0
    assert "you said whoami" in everything_shown(ours)
    # Ctrl-C belongs to the session while it lasts.
    assert "-isig" in (tmp_path / "terminal").read_text(encoding="utf-8").split()
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_the_target_is_the_container(tmp_path: Path) -> None:
    answer = {
        "clusterArn": "arn:aws:ecs:eu-west-1:1:cluster/hello",
        "taskArn": "arn:aws:ecs:eu-west-1:1:task/hello/0123",
    }
    assert subject.target_of(answer, "0123-9") == "ecs:hello_0123_0123-9"
    with pytest.raises(FileNotFoundError):
        subject.hand_over(session(tmp_path, ""), str(tmp_path / "nowhere"))
