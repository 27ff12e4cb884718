# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The benchmark's own arithmetic: chains of steps, pictures, and the cost of a command with all that it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.gatehouse.fargate.tests.bench import report
from ansible_collections.gatehouse.fargate.tests.bench.critical_path import (
    Step,
    critical_path,
    deploy_steps,
    destroy_steps,
)
from ansible_collections.gatehouse.fargate.tests.bench.drawing import aws_bars, timeline
from ansible_collections.gatehouse.fargate.tests.local_aws.provisioning import DOCUMENTED

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_longest_chain_wins_over_the_longest_step() -> None:
    steps = {
        "long": Step("long", 10.0),
        "first": Step("first", 6.0),
        "second": Step("second", 5.0, ("first",)),
        "aside": Step("aside", 1.0, ("first", "long")),
    }
    path = critical_path(steps)
    assert (path.seconds, path.titles) == (11.0, ("first", "second"))


def test_deployment_waits_for_the_login_domain() -> None:
    path = critical_path(deploy_steps(DOCUMENTED, 10.0))
    assert path.titles[-2:] == ("certificates issued", "login domain active")
    assert path.seconds == 5 + 30 + 105 + 210


def test_without_a_slow_domain_the_app_is_last() -> None:
    path = critical_path(deploy_steps({**DOCUMENTED, "cognito.custom_domain": 1.0}, 10.0))
    assert path.titles[-2:] == ("task runs", "target healthy")


def test_removal_waits_for_what_takes_longest() -> None:
    assert critical_path(destroy_steps(DOCUMENTED)).seconds == max(
        DOCUMENTED["cognito.domain_deletion"], DOCUMENTED["ec2.vpc_endpoint_deletion"]
    )


def test_picture_shows_long_tasks_and_every_step() -> None:
    tasks = [
        {"title": "role : long <task>", "began": 100.0, "ended": 199.0},
        {"title": "role : short task", "began": 199.0, "ended": 199.1},
    ]
    steps = {"one": Step("one", 40.0), "two": Step("two", 20.0, ("one",))}
    words = [element.text for element in ElementTree.fromstring(timeline(tasks, steps)).iter() if element.text]
    assert "long <task>" in words
    assert "short task" not in words
    assert {"AWS: one", "AWS: two"} <= set(words)
    assert [(start, end) for _title, start, end, _colour in aws_bars(steps)] == [(0.0, 40.0), (40.0, 60.0)]


def cost(script: str, *options: str) -> dict[str, float]:
    command = [sys.executable, str(BENCH / "cost.py"), *options, "--", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


BURN = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


def test_cost_counts_what_the_command_left_behind() -> None:
    leaving = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}], start_new_session=True)"
    assert cost(leaving)["cpu"] >= 0.5


def test_memory_counts_every_process_at_once() -> None:
    holding = "import time; held = b'x' * 60_000_000; time.sleep(1)"
    start = f"subprocess.Popen([sys.executable, '-c', {holding!r}])"
    twice = f"import subprocess, sys; [process.wait() for process in [{start}, {start}]]"
    assert cost(twice, "--memory", "0.02")["memory"] >= 120


@pytest.mark.parametrize("status", [0, 3])
def test_status_is_the_commands(status: int) -> None:
    command = [sys.executable, str(BENCH / "cost.py"), "--", sys.executable, "-c", f"raise SystemExit({status})"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == status


def test_a_part_that_was_measured_alone_joins_what_was_measured_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    section = report.Section(
        "Alone", "Why.", [report.Figure("a run", "1.0 s", "at most 2 s")], pictures={"a.svg": "<svg/>"}
    )
    assert report.kept("alone") is None
    report.keep("alone", section)
    assert report.kept("alone") == section
    assert "| a run | 1.0 s | at most 2 s |" in report.page([section], 1.0)
