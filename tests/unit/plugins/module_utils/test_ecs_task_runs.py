# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of RunTask, and what becomes of the answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import masking, task_api, task_runs
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import PlanRefusedError

GIVEN: dict[str, Any] = {
    "cluster": "hello",
    "service": "hello",
    "task_definition": "",
    "subnets": [],
    "security_groups": [],
    "assign_public_ip": None,
    "platform_version": "",
    "tags": {},
}
NETWORK = {"subnets": ["subnet-2", "subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}
SERVICE: dict[str, Any] = {
    "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/hello:7",
    "networkConfiguration": {"awsvpcConfiguration": NETWORK},
    "platformVersion": "1.4.0",
    "loadBalancers": [{"containerName": "app"}],
}
DEFINITION = {
    "taskDefinitionArn": SERVICE["taskDefinition"],
    "containerDefinitions": [{"name": "proxy"}, {"name": "app"}],
}
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]


def request(service: dict[str, Any], **given: Any) -> dict[str, Any]:
    params = {**GIVEN, **given}
    planned = {**task_runs.settings(service, params), "container": "app", "command": ["migrate"]}
    return task_runs.run_request(params, planned, "token")


def test_a_task_has_the_settings_of_the_service() -> None:
    made = request(SERVICE)
    assert made["taskDefinition"] == SERVICE["taskDefinition"]
    assert made["networkConfiguration"]["awsvpcConfiguration"] == {**NETWORK, "subnets": ["subnet-1", "subnet-2"]}
    assert (made["platformVersion"], made["launchType"]) == ("1.4.0", "FARGATE")
    assert made["overrides"] == {"containerOverrides": [{"name": "app", "command": ["migrate"]}]}
    assert made["clientToken"] == "token"


def test_what_is_given_counts_more() -> None:
    made = request(
        SERVICE, task_definition="hello:8", subnets=["subnet-9"], security_groups=["sg-9"], assign_public_ip=False
    )
    assert made["taskDefinition"] == "hello:8"
    assert made["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-9"],
        "securityGroups": ["sg-9"],
        "assignPublicIp": "DISABLED",
    }


def test_the_strategy_of_the_service_takes_the_place_of_a_launch_type() -> None:
    made = request({**SERVICE, "capacityProviderStrategy": SPOT})
    assert made["capacityProviderStrategy"] == SPOT
    assert "launchType" not in made


def test_the_container_is_that_of_the_load_balancer_unless_named() -> None:
    assert task_runs.container_of(DEFINITION, None, SERVICE)["name"] == "app"
    assert task_runs.container_of(DEFINITION, None, {})["name"] == "proxy"
    assert task_runs.container_of(DEFINITION, "proxy", SERVICE)["name"] == "proxy"
    with pytest.raises(PlanRefusedError, match=r"'web'.*hello:7 has proxy, app"):
        task_runs.container_of(DEFINITION, "web", SERVICE)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({"exit_code": 0}, ""),
        ({"exit_code": 3}, "exit code 3"),
        ({"reason": "CannotPullContainerError: x"}, "never ran the command: CannotPullContainerError"),
        ({"stopped_reason": "ResourceInitializationError: y"}, "never ran the command: ResourceInit"),
        ({"stop_code": "SpotInterruption"}, "never ran the command: SpotInterruption"),
        ({"status": "RUNNING", "exit_code": None}, "was not over after 60 s and was stopped"),
    ],
)
def test_only_a_zero_is_a_success(ended: dict[str, Any], words: str) -> None:
    nothing = {"status": "STOPPED", "exit_code": None, "reason": "", "stop_code": "", "stopped_reason": ""}
    trouble = task_runs.problem({**nothing, **ended}, 60)
    assert words in trouble if words else trouble == ""


@pytest.mark.parametrize(
    "container",
    [
        {},
        {"logConfiguration": {"logDriver": "awsfirelens", "options": {"awslogs-stream-prefix": "app"}}},
        {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}},
    ],
)
def test_a_log_without_a_known_stream_is_not_looked_for(container: dict[str, Any]) -> None:
    assert task_runs.log_of({"name": "app", **container}, "0123") == {}


class Pages:
    """Logs that answer as AWS does: the token of the end comes twice."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages = list(pages)

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        at = int(request.get("nextToken", "0"))
        page = self.pages[at] if at < len(self.pages) else []
        following = at + 1 if at < len(self.pages) else at
        return {"events": [{"message": line} for line in page], "nextForwardToken": str(following)}


def test_a_log_is_read_page_by_page_and_then_as_it_grows() -> None:
    logs = Pages(["one"], ["two", "three"])
    log = task_api.Log(logs, {"group": "g", "stream": "s"}, set())
    assert log.new_lines() == ["one", "two", "three"]
    assert log.new_lines() == []
    logs.pages.append(["four"])
    assert log.new_lines() == ["four"]
    assert list(log.last) == ["one", "two", "three", "four"]


class Refusing:
    """ECS that takes the request and places no task."""

    def run_task(self, **_request: Any) -> dict[str, Any]:
        return {"tasks": [], "failures": [{"reason": "RESOURCE:ENI", "detail": "no addresses are left"}]}


def test_a_task_that_was_not_placed_is_told_with_its_reason() -> None:
    with pytest.raises(task_api.TaskNotStartedError, match=r"RESOURCE:ENI no addresses are left"):
        task_api.start(Refusing(), {})


def test_nothing_marked_is_shown_of_a_command() -> None:
    planned: dict[str, Any] = {"task_definition": "hello:7", "container": "app", "command": ["login", "--token=a/b c"]}
    planned["secrets"] = masking.forms(["a/b c"])
    assert task_runs.shown(planned)["command"] == ["login", "--token=(sensitive value)"]
    ended = {"id": "1", "status": "STOPPED", "exit_code": 1}
    assert "a/b" not in task_runs.failure(planned, ended, "ended with exit code 1", [])


def test_values_are_masked_in_every_form_in_which_a_log_has_them() -> None:
    definition = {
        "containerDefinitions": [
            {"environment": [{"name": "KEY", "value": "first\nsecond"}, {"name": "MODE", "value": "calm"}]},
            {"name": "proxy", "environment": [{"name": "URL", "value": "p@ss"}]},
        ]
    }
    secrets = masking.forms(masking.secret_values(definition, ["KEY", "URL", "NONE"]))
    lines = ["read first", "and second", "postgres://u:p%40ss@db in mode calm"]
    hidden = "(sensitive value)"
    assert masking.masked(lines, secrets) == [
        f"read {hidden}",
        f"and {hidden}",
        f"postgres://u:{hidden}@db in mode calm",
    ]
