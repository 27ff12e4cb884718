# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Commands that run once in real containers: their log while they run, their exit code, and the gate of a rollout."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, LocalAws, PlaybookRun, run_playbook
from in_process import Modules
from small_service import REGION, SmallService, extra, results

NAME = "once"
GATE = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - ansible.builtin.import_role: {name: gatehouse.fargate.ecs_service}
"""


@pytest.fixture(scope="module")
def small(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallService]:
    if local_aws.environment["LOCAL_AWS_DOCKER"] != "true":
        pytest.skip("no Docker engine answers")
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = SmallService(NAME, tmp_path_factory.mktemp(NAME), local_aws, Modules(local_aws, monkeypatch))
        found.found()
        definition = found.register(found.image("one"), environment={"MODE": "calm"})
        assert found.deploy(definition)["failed"] is False
        yield found
    found.ecs.delete_service(cluster=NAME, service=NAME, force=True)


def tasks_started(small: SmallService) -> int:
    return sum(call["action"] == "ecs:RunTask" for call in small.aws.calls())


def watched(small: SmallService, folder: Path, hosts: tuple[str, ...], words: str) -> list[tuple[float, str]]:
    """Runs a command in environments that lead to one service; returns what was told, and how long before the end."""
    inventory = folder / "inventory.yml"
    host = {"stack_name": NAME, "stack_region": REGION}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(hosts, host)}}), encoding="utf-8")
    command = ["ansible-playbook", "gatehouse.fargate.run_task", "-i", str(inventory), "-e", f"command='{words}'"]
    seen: list[tuple[float, str]] = []
    with (
        (folder / "out").open("w+", encoding="utf-8") as out,
        subprocess.Popen(
            command, env={**os.environ, **small.aws.environment}, stdout=out, stderr=subprocess.PIPE, text=True
        ) as running,
    ):
        assert running.stderr
        seen.extend((time.monotonic(), line.rstrip()) for line in running.stderr)
        ended = time.monotonic()
    assert running.wait() == 0, (folder / "out").read_text(encoding="utf-8")
    return [(ended - at, line) for at, line in seen]


def test_a_command_is_shown_while_it_runs(small: SmallService, tmp_path: Path) -> None:
    seen = watched(small, tmp_path, ("small",), "count 12 0")
    steps = [(left, line) for left, line in seen if re.search(r"small \| .*step \d+$", line)]
    assert [int(line.rsplit(maxsplit=1)[1]) for _left, line in steps] == list(range(1, 13))
    # The first line came while the command still had most of its eight seconds before it.
    assert steps[0][0] > 4
    assert any("mode calm" in line for _left, line in seen)


def test_each_line_names_its_environment_when_several_are_worked_on(small: SmallService, tmp_path: Path) -> None:
    hosts = ("east", "west")
    lines = [line for _left, line in watched(small, tmp_path, hosts, "count 8 0")]
    found = [match for line in lines if (match := re.fullmatch(r"(\w+) \| +\d+ s  (.+)", line))]
    told = [(match[1], match[2]) for match in found]
    assert {host for host, _said in told} == set(hosts)
    for host in hosts:
        steps = [said for one, said in told if one == host and said.startswith("step ")]
        assert steps == [f"step {number}" for number in range(1, 9)]
    # Both at the same time: the lines of one stand between those of the other.
    order = [host for host, said in told if said.startswith("step ")]
    assert order not in ([host] * 8 + [other] * 8 for host, other in (hosts, hosts[::-1]))
    assert [
        line for line in lines if "step" in line and not line.startswith(tuple(f"{host} | " for host in hosts))
    ] == []


def test_the_exit_code_is_returned_with_the_last_lines(small: SmallService) -> None:
    run = small.play("run_task", *extra(command="count 2 42"))
    assert run.status == 2
    (result,) = results(run, "Run the command and show its log")
    assert result["rc"] == 42
    assert "exit code 42: count 2 42" in result["msg"]
    assert result["msg"].endswith("  step 1\n  step 2")
    assert result["failure"]["log_stream"] == f"app/app/{result['failure']['id']}"


def test_a_task_has_the_settings_of_the_service(small: SmallService) -> None:
    result = small.attempt("ecs_task_run", cluster=NAME, service=NAME, argv=["count", "0", "0"], tags={"cost": "web"})
    assert result["failed"] is False
    (task,) = small.ecs.describe_tasks(cluster=NAME, tasks=[result["task_run"]["id"]], include=["TAGS"])["tasks"]
    assert task["taskDefinitionArn"] == small.service()["taskDefinition"]
    assert (task["launchType"], task["startedBy"]) == ("FARGATE", "gatehouse")
    assert {"key": "cost", "value": "web"} in task["tags"]


def test_a_check_runs_nothing_and_says_what_would_run(small: SmallService) -> None:
    small.aws.forget_calls()
    run = small.play("run_task", "--check", *extra(command="count 'a b' 0"))
    assert (run.failure("small"), small.aws.writes()) == ("", [])
    (planned,) = results(run, "Run the command and show its log")
    assert planned["changes"][0]["after"]["command"] == ["count", "a b", "0"]


def test_a_task_that_takes_too_long_is_stopped(small: SmallService) -> None:
    result = small.attempt("ecs_task_run", cluster=NAME, service=NAME, cmd="count 100 0", timeout=3)
    assert "was not over after 3 s and was stopped" in result["msg"]
    (task,) = small.ecs.describe_tasks(cluster=NAME, tasks=[result["failure"]["id"]])["tasks"]
    assert (task["desiredStatus"], task["stoppedReason"]) == ("STOPPED", "It was not over after 3 s")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"service": "nobody"}, ["no service nobody", "gatehouse.fargate.site"]),
        ({"container": "web"}, ["'web'", "has app"]),
        ({"task_definition": "nothing:3"}, ["nothing:3"]),
        ({"cmd": "say 'hello"}, ["say 'hello", "cannot be split"]),
        ({"cmd": ""}, ["empty"]),
    ],
)
def test_what_cannot_run_is_refused(small: SmallService, given: dict[str, str], words: list[str]) -> None:
    small.aws.forget_calls()
    message = small.attempt("ecs_task_run", **{"cluster": NAME, "service": NAME, "cmd": "count 1 0", **given})["msg"]
    assert [word for word in words if word not in message] == []
    assert small.aws.writes() == []


@pytest.mark.parametrize(
    "given",
    [{}, {"command": "say 'hello"}, {"command": {"say": "hello"}}, {"command": "say", "task_timeout": "soon"}],
    ids=["nothing", "open quote", "no words", "no time"],
)
def test_what_is_no_command_is_refused(small: SmallService, given: dict[str, object]) -> None:
    small.aws.forget_calls()
    run = small.play("run_task", *extra(**given))
    assert re.match(r"(command|task_timeout) is '", run.failure("small"))
    assert small.aws.calls() == []


class Gate:
    """The role ecs_service alone, with the command that goes before its rollouts."""

    def __init__(self, small: SmallService, folder: Path) -> None:
        self._small = small
        self._folder = folder
        self.image = small.image("one")

    def deploy(self, command: str, *options: str, **changes: object) -> PlaybookRun:
        arguments = self.arguments(command, **changes)
        return run_playbook([*arguments, *options], self._small.aws.environment)

    def arguments(self, command: str, **changes: object) -> list[str]:
        (self._folder / "gate.yml").write_text(GATE, encoding="utf-8")
        inventory = self._folder / "inventory.yml"
        host = {
            "stack_name": NAME,
            "stack_region": REGION,
            "stack_before_rollout": command,
            "ecs_service_image": self.image,
            "ecs_service_subnet_ids": [self._small.vpc()["subnet"]],
            "ecs_service_security_group_ids": [self._small.vpc()["group"]],
            "ecs_service_role_propagation": 0,
            **changes,
        }
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"small": host}}}), encoding="utf-8")
        return [str(self._folder / "gate.yml"), "-i", str(inventory)]


def test_the_gate_of_a_rollout(small: SmallService, tmp_path: Path) -> None:
    gate = Gate(small, tmp_path)
    before = small.service()

    small.aws.forget_calls()
    refused = gate.deploy("count 1 5")
    assert "exit code 5: count 1 5" in refused.failure("small")
    assert "  step 1" in refused.failure("small")
    assert (tasks_started(small), small.service()["taskDefinition"]) == (1, before["taskDefinition"])
    assert small.service()["deployments"] == before["deployments"]

    # The task definition is registered by now, and still the command has to succeed first.
    small.aws.forget_calls()
    checked = gate.deploy("count 1 0", "--check")
    assert (checked.failure("small"), tasks_started(small)) == ("", 0)
    (planned,) = results(checked, "Run the command with the new task definition")
    assert planned["changes"][0]["after"]["command"] == ["count", "1", "0"]

    small.aws.forget_calls()
    passed = gate.deploy("count 1 0")
    assert (passed.failure("small"), tasks_started(small)) == ("", 1)
    (ran,) = results(passed, "Run the command with the new task definition")
    assert ran["task_run"]["lines"] == ["mode none", "step 1"]
    assert small.service()["taskDefinition"] == ran["task_run"]["task_definition"]

    small.aws.forget_calls()
    again = gate.deploy("count 1 0")
    assert (again.failure("small"), again.changed(), tasks_started(small)) == ("", 0, 0)


def test_a_gate_that_is_no_command_is_refused_early(small: SmallService, tmp_path: Path) -> None:
    gate = Gate(small, tmp_path)
    small.aws.forget_calls()
    message = gate.deploy("say 'hello").failure("small")
    assert "stack_before_rollout (ecs_service_before_rollout) is 'say 'hello'" in message
    assert small.aws.writes() == []


def all_that_is_told(arguments: list[str], aws: LocalAws) -> str:
    """What a person sees of a playbook who wants to see everything."""
    environment = {**os.environ, **aws.environment, "ANSIBLE_STDOUT_CALLBACK": "default"}
    command = ["ansible-playbook", *arguments, "-vvv", "--diff"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


SECRET = {
    "ecs_service_sensitive_environment": {"MODE": "sparrow-of-a-variable"},
    "ecs_service_sensitive_values": ["sparrow/of a vault"],
}


@pytest.mark.parametrize("status", [0, 5])
def test_nothing_that_is_marked_is_shown_however_much_is_told(small: SmallService, tmp_path: Path, status: int) -> None:
    gate = Gate(small, tmp_path)
    before = tasks_started(small)
    # The program takes the number at the beginning of its last word for its exit code.
    command = f"count 1 '{status} sparrow/of a vault'"
    deploy = gate.arguments(command, **SECRET, ecs_service_stop_timeout=31 + status)
    inventory = ["-i", deploy[-1]]
    once = ["gatehouse.fargate.run_task", *inventory, *extra(command=["count", "1", f"{status} sparrow/of a vault"])]
    for arguments in ([*deploy, "--check"], deploy, [*once, "--check"], once):
        shown = all_that_is_told(arguments, small.aws)
        assert ("fatal:" in shown) is (status > 0 and "--check" not in arguments), shown
        assert [line for line in shown.splitlines() if "sparrow" in line] == []
        assert "--check" in arguments or "mode (sensitive value)" in shown
    assert tasks_started(small) == before + 2


def test_a_command_that_is_none_is_not_shown_when_it_may_hold_a_secret(small: SmallService, tmp_path: Path) -> None:
    gate = Gate(small, tmp_path)
    message = gate.deploy("login 'sparrow/of a vault", **SECRET).failure("small")
    assert "stack_before_rollout (ecs_service_before_rollout) is 'not shown'" in message
