# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Everything that keeps a session from being opened is named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import exec_checks
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_checks import Facts

AGENT = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}
GOOD = Facts(
    service={"enableExecuteCommand": True},
    task={"taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/hello/0123", "enableExecuteCommand": True},
    container={"name": "app", "linuxParameters": {"initProcessEnabled": True}},
    state={"managedAgents": [AGENT]},
    role="arn:aws:iam::111122223333:role/hello-task",
    plugin_version="1.2.707.0",
)
# What is wrong -> the facts that differ, and words of the one problem that they make.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no plugin": ({"plugin_version": ""}, "session-manager-plugin does not run on this machine"),
    "old plugin": ({"plugin_version": "1.2.497.0"}, "1.2.497.0, which takes a session's token as an argument"),
    "no terminal": ({"terminal": False}, "needs a terminal"),
    "no service": (
        {"service": {}, "task": {}, "container": {}, "state": {}, "role": ""},
        "no such service",
    ),
    "service without exec": ({"service": {"x": 1}}, "off for the service"),
    "no task": ({"task": {}, "container": {}, "state": {}, "role": ""}, "no task of the service runs"),
    "older task": ({"task": {"taskArn": "a/0123"}, "state": {}}, "task 0123 was started while"),
    "agent on its way": ({"state": {"managedAgents": [{**AGENT, "lastStatus": "PENDING"}]}}, "app is PENDING"),
    "agent ended": (
        {"state": {"managedAgents": [{**AGENT, "lastStatus": "STOPPED", "reason": "gone"}]}},
        "app is STOPPED: gone",
    ),
    "no agent": ({"state": {}}, "app is not there"),
    "read-only root": (
        {"container": {**GOOD.container, "readonlyRootFilesystem": True}},
        "root file system of container app is read-only",
    ),
    "no init process": ({"container": {"name": "app"}}, "container app has no init process"),
    "no role": ({"role": "", "denied": ()}, "no task role"),
    "role without permission": ({"denied": ("ssmmessages:OpenDataChannel",)}, "may not ssmmessages:OpenDataChannel"),
    "closed network": ({"unreachable": "subnet-1 has no way"}, "subnet-1 has no way"),
}


def test_nothing_stands_in_the_way() -> None:
    assert exec_checks.problems(GOOD) == []
    assert exec_checks.problems(replace(GOOD, denied=None)) == []


@pytest.mark.parametrize("what", BROKEN)
def test_each_thing_that_is_wrong_is_one_problem_with_a_remedy(what: str) -> None:
    changes, words = BROKEN[what]
    (problem,) = exec_checks.problems(replace(GOOD, **changes))
    assert words in problem.what
    assert problem.remedy


def test_all_problems_are_told_at_once() -> None:
    everything = replace(
        GOOD,
        plugin_version="",
        container={"name": "app", "readonlyRootFilesystem": True},
        denied=("ssmmessages:OpenDataChannel",),
        unreachable="subnet-1 has no way",
    )
    message = exec_checks.told("hello", exec_checks.problems(everything))
    lines = message.splitlines()
    assert lines[0] == "A session in hello cannot be opened."
    assert [line[:2] for line in lines[1:]] == ["1.", "2.", "3.", "4.", "5."]
    assert message.count("Remedy: ") == 5


@pytest.mark.parametrize(
    ("text", "tells"),
    [("1.2.497.0", True), ("1.1.9999.0", True), ("1.2.536.0", False), ("1.10.0", False), ("2.0", False)],
)
def test_versions_are_numbers(text: str, tells: bool) -> None:
    assert (exec_checks.version(text) <= exec_checks.LAST_TELLING_VERSION) is tells
