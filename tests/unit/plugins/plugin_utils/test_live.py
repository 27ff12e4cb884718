# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.plugins.plugin_utils import live as subject


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "INTERVAL_SECONDS", 0.01)


def test_lines_come_while_the_module_runs(tmp_path: Path) -> None:
    log, shown = tmp_path / "log", list[str]()
    with subject.Follower(log, shown.append), log.open("a", encoding="utf-8", buffering=1) as output:
        output.write("first\nsec")
        assert until(lambda: shown == ["first"])
        output.write("ond\n")
        assert until(lambda: shown == ["first", "second"])
        output.write("no end of line")
    assert shown == ["first", "second", "no end of line"]


def test_the_file_of_an_earlier_run_is_not_shown(tmp_path: Path) -> None:
    log, shown = tmp_path / "log", list[str]()
    log.write_text("old\n", encoding="utf-8")
    with subject.Follower(log, shown.append):
        time.sleep(0.05)
        log.unlink()
        log.write_text("new\n", encoding="utf-8")
    assert shown == ["new"]


def test_no_file_shows_nothing(tmp_path: Path) -> None:
    log, shown = tmp_path / "log", list[str]()
    log.write_text("old\n", encoding="utf-8")
    with subject.Follower(log, shown.append):
        pass
    with subject.Follower(tmp_path / "none", shown.append):
        pass
    assert shown == []
