# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task reads and calls decides what its roles may do and which endpoints a closed network gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PARENT, LocalAws, run_playbook

Fields = dict[str, Any]
REGISTRY = "111122223333.dkr.ecr.ap-northeast-1.amazonaws.com"
DIGEST = "sha256:" + "0" * 64
SECRET = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:db-AbCdEf"
PARAMETER = "arn:aws:ssm:ap-northeast-1:111122223333:parameter/needs/agent"
BASE: Fields = {
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "stack_name": "needs",
    "stack_region": "ap-northeast-1",
    "stack_domain": f"needs.{PARENT}",
    "stack_parent_domain": PARENT,
    "ecs_service_image": f"{REGISTRY}/needs@{DIGEST}",
}
MORE: Fields = {
    "stack_secrets": {"DATABASE": f"{SECRET}:password::"},
    "stack_sidecars": [
        {
            "name": "agent",
            "image": f"{REGISTRY}/tools/agent@{DIGEST}",
            "essential": False,
            "aws_services": ["monitoring"],
            "secrets": {"SETTINGS": PARAMETER},
            "health_check": {"command": ["CMD", "/agent", "check"]},
            "tmpfs": [{"container_path": "/run", "size": 8}],
        }
    ],
    "ecs_service_depends_on": [{"container_name": "agent", "condition": "HEALTHY"}],
    "ecs_service_tmpfs": [{"container_path": "/tmp", "size": 16}],
    "ecs_service_ephemeral_storage": 30,
    "ecs_service_log_options": {"mode": "non-blocking"},
    "stack_autoscaling": {"min_capacity": 2, "max_capacity": 4, "cpu": 50},
    "stack_capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}],
    "ecs_service_alarms": ["errors"],
}


def planned(aws: LocalAws, folder: Path, variables: Fields) -> dict[tuple[str, str], Fields]:
    """Plans network and service on an empty account; returns what each resource would be."""
    roles = [{"role": f"gatehouse.fargate.{role}"} for role in ("network_endpoints", "ecs_service")]
    # What the network hands on is unknown in a plan, and so are its lists.
    given = {
        "ecs_service_subnet_ids": ["(known after apply)"],
        "ecs_service_security_group_ids": ["(known after apply)"],
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {**BASE, **given, **variables},
        "roles": roles,
    }
    playbook = folder / "needs.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    run = run_playbook([str(playbook), "-i", "localhost,", "--check"], aws.environment)
    assert run.failure("localhost") == ""
    results = [task["hosts"].get("localhost", {}) for one in run.report["plays"] for task in one["tasks"]]
    changes = [change for result in results for change in result.get("changes", [])]
    return {(change["resource"], change["name"]): change["after"] for change in changes}


@pytest.fixture(scope="module")
def plans(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fields, Fields]:
    folder = tmp_path_factory.mktemp("needs")
    local_aws.client("cloudwatch").put_metric_alarm(
        AlarmName="errors", Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    return planned(local_aws, folder, {}), planned(local_aws, folder, MORE)


def endpoints(plan: Fields) -> set[str]:
    return {name for resource, name in plan if resource == "vpc_endpoint"}


def permissions(plan: Fields) -> dict[str, list[str]]:
    """Returns action -> resources of the execution role."""
    found: dict[str, list[str]] = {}
    for statement in plan["iam_role", "needs-execution"]["policies"]["execution"]["Statement"]:
        actions, resources = (
            [one] if isinstance(one, str) else one for one in (statement["Action"], statement["Resource"])
        )
        found.update(dict.fromkeys(actions, resources))
    return found


def test_the_endpoints_are_those_that_the_task_calls(plans: tuple[Fields, Fields]) -> None:
    plain, more = map(endpoints, plans)
    assert more - plain == {"secretsmanager", "ssm", "monitoring"}
    assert {"ecr.api", "ecr.dkr", "logs"} <= plain <= more


def test_the_execution_role_may_read_what_the_task_needs(plans: tuple[Fields, Fields]) -> None:
    plain, more = map(permissions, plans)
    needed = {"secretsmanager:GetSecretValue": [SECRET], "ssm:GetParameters": [PARAMETER]}
    assert {action: more[action] for action in more.keys() - plain.keys()} == needed
    pulled = [arn.rpartition(":")[2] for arn in more["ecr:BatchGetImage"]]
    assert (plain["ecr:BatchGetImage"], pulled) == (
        more["ecr:BatchGetImage"][:1],
        ["repository/needs", "repository/tools/agent"],
    )


def test_the_task_definition_holds_both_containers(plans: tuple[Fields, Fields]) -> None:
    definition = plans[1]["ecs_task_definition", "needs"]
    assert definition["ephemeral_storage.size_in_gi_b"] == 30
    assert definition["containers.app.depends_on.agent"] == "HEALTHY"
    assert definition["containers.app.log_configuration.options.mode"] == "non-blocking"
    assert definition["containers.agent.essential"] is False
    for name, path in (("app", "/tmp"), ("agent", "/run")):
        assert definition[f"containers.{name}.readonly_root_filesystem"] is True
        assert definition[f"containers.{name}.linux_parameters.init_process_enabled"] is True
        assert f"containers.{name}.linux_parameters.tmpfs.{path}.size" in definition
        assert definition[f"containers.{name}.log_configuration.options.awslogs-stream-prefix"] == name


def test_the_service_begins_within_its_limits(plans: tuple[Fields, Fields]) -> None:
    service = plans[1]["ecs_service", "needs"]
    assert (service["desired_count"], service["alarms"]) == (2, ["errors"])
    assert [one["capacity_provider"] for one in service["capacity_provider_strategy"]] == ["FARGATE_SPOT"]
    assert plans[1]["ecs_cluster", "needs"]["capacity_providers"] == ["FARGATE", "FARGATE_SPOT"]
    target = plans[1]["scalable_target", "service/needs/needs"]
    assert (target["min_capacity"], target["max_capacity"]) == (2, 4)
    assert "scalable_target" not in {resource for resource, _name in plans[0]}
