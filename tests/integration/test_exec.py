# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A way into a running container: what it takes is checked one by one, then the terminal changes hands.

AWS's Session Manager plugin is not to be had here; an executable stands in for it that notes what it is given.
"""

from __future__ import annotations

import json
import os
import pty
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import LocalAws, PlaybookRun, run_playbook
from in_process import Modules
from small_service import REGION, SmallService, extra, results

NAME = "enter"
ACTIONS = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"]
PLUGIN = """#!/bin/sh
if [ "$1" = --version ]; then echo {version}; exit; fi
printf '%s\\n' "$@" > "{folder}/arguments"
printf '%s' "$AWS_SSM_START_SESSION_RESPONSE" > "{folder}/session"
echo "Starting session"
if [ -e "{folder}/person" ]; then printf 'ready> '; read line; echo "you said $line"; fi
"""


class Doors:
    """A service that takes sessions, and a plugin; everything about them can be broken."""

    def __init__(self, small: SmallService, folder: Path) -> None:
        self.small = small
        self.folder = folder
        self.plugin = folder / "session-manager-plugin"
        self.endpoint_id = ""
        self.write_plugin("1.2.707.0")

    def write_plugin(self, version: str) -> None:
        self.plugin.write_text(PLUGIN.format(version=version, folder=self.folder), encoding="utf-8")
        self.plugin.chmod(0o755)

    def allow(self, actions: list[str]) -> None:
        statement = {"Effect": "Allow", "Action": [f"ssmmessages:{action}" for action in actions], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.small.aws.client("iam").put_role_policy(
            RoleName=f"{NAME}-task", PolicyName="exec", PolicyDocument=document
        )

    def open_endpoint(self) -> str:
        place = self.small.vpc()
        answer = self.small.aws.client("ec2").create_vpc_endpoint(
            VpcId=place["id"],
            ServiceName=f"com.amazonaws.{REGION}.ssmmessages",
            VpcEndpointType="Interface",
            SubnetIds=[place["subnet"]],
            SecurityGroupIds=[place["group"]],
            PrivateDnsEnabled=True,
        )
        identifier = str(answer["VpcEndpoint"]["VpcEndpointId"])
        end = time.monotonic() + 60
        while self.endpoint(identifier)["State"] != "available":
            assert time.monotonic() < end
            time.sleep(0.5)
        return identifier

    def endpoint(self, identifier: str) -> dict[str, Any]:
        (found,) = self.small.aws.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[identifier])["VpcEndpoints"]
        return dict(found)

    def close_endpoint(self, identifier: str) -> None:
        ec2 = self.small.aws.client("ec2")
        ec2.delete_vpc_endpoints(VpcEndpointIds=[identifier])
        # As long as it goes, its names are taken.
        wanted = [{"Name": "vpc-endpoint-id", "Values": [identifier]}]
        while ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"]:
            time.sleep(0.2)

    def attempt(self, **options: Any) -> dict[str, Any]:
        wanted = {"cluster": NAME, "service": NAME, "cmd": "id", "plugin": str(self.plugin), **options}
        return self.small.attempt("ecs_exec", **wanted)

    def problems(self, **options: Any) -> list[str]:
        """What a run that changes nothing says is wrong."""
        self.small.aws.forget_calls()
        found = [item["problem"] for item in self.attempt(**options).get("problems", [])]
        assert not any(call["action"] == "ecs:ExecuteCommand" for call in self.small.aws.calls()) or not found
        return found


@pytest.fixture(scope="module")
def doors(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    if local_aws.environment["LOCAL_AWS_DOCKER"] != "true":
        pytest.skip("no Docker engine answers")
    folder = tmp_path_factory.mktemp(NAME)
    with pytest.MonkeyPatch.context() as monkeypatch:
        small = SmallService(NAME, folder, local_aws, Modules(local_aws, monkeypatch))
        small.found()
        found = Doors(small, folder)
        found.allow(ACTIONS)
        found.endpoint_id = found.open_endpoint()
        result = small.deploy(small.register(small.image("one")), enable_execute_command=True)
        assert result["failed"] is False
        yield found
    small.ecs.delete_service(cluster=NAME, service=NAME, force=True)


def test_a_command_runs_and_its_token_stays_secret(doors: Doors) -> None:
    run = doors.small.play("exec", "-vvv", *extra(command="ps aux", plugin=str(doors.plugin)))
    assert run.failure("small") == ""
    (shown,) = results(run, "Show what the command printed")
    assert shown["msg"] == ["Starting session"]
    (task,) = doors.small.tasks()
    arguments = (doors.folder / "arguments").read_text(encoding="utf-8").splitlines()
    target = f"ecs:{NAME}_{task['taskArn'].rsplit('/', 1)[1]}_{task['containers'][0]['runtimeId']}"
    assert arguments[:4] == ["AWS_SSM_START_SESSION_RESPONSE", REGION, "StartSession", ""]
    assert json.loads(arguments[4]) == {"Target": target}
    session = json.loads((doors.folder / "session").read_text(encoding="utf-8"))
    assert session["tokenValue"]
    assert session["tokenValue"] not in run.output + run.stderr + "".join(arguments)


def test_a_shell_gets_the_terminal_of_the_playbook(doors: Doors) -> None:
    inventory = doors.folder / "terminal.yml"
    host = {"stack_name": NAME, "stack_region": REGION}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"small": host}}}), encoding="utf-8")
    (doors.folder / "person").touch()
    command = ["ansible-playbook", "gatehouse.fargate.exec", "-i", str(inventory), "-e", f"plugin={doors.plugin}"]
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, {**os.environ, **doors.small.aws.environment})
    seen, typed = "", False
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            more = os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        seen += more
        if "ready> " in seen and not typed:
            # A key that as a signal would end the playbook.
            os.write(terminal, b"who\x03ami\n")
            typed = True
    _process, status = os.waitpid(process, 0)
    (doors.folder / "person").unlink()
    assert os.waitstatus_to_exitcode(status) == 0, seen
    assert "you said who\x03ami" in seen
    assert "failed=0" in seen


def test_a_check_opens_nothing(doors: Doors) -> None:
    doors.small.aws.forget_calls()
    run = doors.small.play("exec", "--check", *extra(command="id", plugin=str(doors.plugin)))
    assert run.failure("small") == ""
    assert not any(call["action"] == "ecs:ExecuteCommand" for call in doors.small.aws.calls())


def test_whatever_this_machine_lacks_is_named(doors: Doors) -> None:
    assert doors.problems(plugin="/nowhere/plugin") == ["/nowhere/plugin does not run on this machine"]
    doors.write_plugin("1.2.497.0")
    (old,) = doors.problems()
    doors.write_plugin("1.2.707.0")
    assert "1.2.497.0, which takes a session's token as an argument" in old
    (blind,) = doors.problems(cmd="")
    assert "needs a terminal" in blind


def test_each_permission_that_the_task_role_lacks_is_named(doors: Doors) -> None:
    doors.allow(ACTIONS[:2])
    (problem,) = doors.problems()
    doors.allow(ACTIONS)
    assert problem.endswith("may not ssmmessages:OpenControlChannel, ssmmessages:OpenDataChannel")
    assert doors.problems() == []


def test_a_network_without_a_way_is_named(doors: Doors) -> None:
    doors.close_endpoint(doors.endpoint_id)
    (problem,) = doors.problems()
    assert doors.small.vpc()["subnet"] in problem
    assert f"com.amazonaws.{REGION}.ssmmessages" in problem
    doors.endpoint_id = doors.open_endpoint()
    assert doors.problems() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"service": "nobody"}, ["no such service"]),
        ({"task": "0123"}, ["task is '0123'", NAME]),
        ({"container": "web"}, ["container is 'web'", "app"]),
    ],
)
def test_what_does_not_exist_is_named(doors: Doors, given: dict[str, str], words: list[str]) -> None:
    message = doors.attempt(**given)["msg"]
    assert [word for word in words if word not in message] == []


def test_a_task_that_takes_no_sessions_is_named_with_all_that_is_wrong(doors: Doors) -> None:
    small = doors.small
    closed = small.register(
        small.image("one"), readonly_root_filesystem=True, linux_parameters={"init_process_enabled": False}
    )
    assert small.deploy(closed, enable_execute_command=True)["failed"] is False
    agent, root, init = doors.problems()
    assert "agent in container app is STOPPED" in agent
    assert "read-only" in root
    assert "no init process" in init

    assert small.deploy(small.register(small.image("one")), enable_execute_command=False)["failed"] is False
    service, task = doors.problems()
    assert "off for the service" in service
    assert "was started while ECS Exec was off" in task

    small.deploy(small.service()["taskDefinition"], enable_execute_command=True, desired_count=0)
    assert doors.problems() == ["no task of the service runs"]


PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - ansible.builtin.include_role: {name: gatehouse.fargate.ecs_service, tasks_from: "{{ part }}"}
"""


def test_an_audit_log_of_sessions_is_switched_on_and_goes_with_the_stack(local_aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    host = {"stack_name": "audited", "stack_region": REGION, "stack_exec": True, "stack_exec_log": True}
    group = "/gatehouse/audited/exec"
    logs, ecs, iam = (local_aws.client(service) for service in ("logs", "ecs", "iam"))

    def play(part: str, **changes: object) -> PlaybookRun:
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"small": {**host, **changes}}}}), encoding="utf-8")
        arguments = [str(tmp_path / "play.yml"), "-i", str(inventory), "-e", f"part={part}"]
        return run_playbook(arguments, local_aws.environment)

    def logging() -> dict[str, Any]:
        (cluster,) = ecs.describe_clusters(clusters=["audited"], include=["CONFIGURATIONS"])["clusters"]
        return dict(cluster["configuration"]["executeCommandConfiguration"])

    assert play("foundation").failure("small") == ""
    assert logging()["logging"] == "OVERRIDE"
    assert logging()["logConfiguration"]["cloudWatchLogGroupName"] == group
    assert play("foundation").changed() == 0
    policy = iam.get_role_policy(RoleName="audited-task", PolicyName="exec-log")["PolicyDocument"]
    assert policy["Statement"][1]["Resource"].endswith(f":log-group:{group}:*")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 30

    assert play("foundation", stack_exec_log=False).failure("small") == ""
    assert logging()["logging"] == "DEFAULT"
    assert iam.list_role_policies(RoleName="audited-task")["PolicyNames"] == ["exec"]

    assert "stack_exec_log" in play("preflight", stack_exec=False).failure("small")
    assert play("absent").failure("small") == ""
    assert logs.describe_log_groups(logGroupNamePrefix="/gatehouse/audited")["logGroups"] == []
