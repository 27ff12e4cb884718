# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Alarms of deployments: made and removed with a switch, asked for only when there are some, missing ones refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import LocalAws, run_playbook
from stack import HOST, Stack

NAMES = [f"{HOST}-5xx", f"{HOST}-unhealthy"]


@pytest.fixture(scope="module")
def stack(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    made = Stack(tmp_path_factory.mktemp("stack"), own_aws)
    made.variables |= {"stack_login": False, "stack_users": {}, "stack_deployment_alarms": True}
    made.site()
    return made


def alarms(aws: LocalAws) -> dict[str, Any]:
    return {alarm["AlarmName"]: alarm for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def watched(aws: LocalAws) -> dict[str, Any]:
    (service,) = aws.client("ecs").describe_services(cluster=HOST, services=[HOST])["services"]
    return dict(service["deploymentConfiguration"]["alarms"])


def asked(aws: LocalAws) -> list[str]:
    """What CloudWatch was asked for."""
    return [call["action"] for call in aws.calls() if call["action"].startswith(("cloudwatch:", "monitoring:"))]


def test_the_alarms_measure_the_load_balancer_of_the_stack(stack: Stack, own_aws: LocalAws) -> None:
    elbv2 = own_aws.client("elbv2")
    (balancer,) = elbv2.describe_load_balancers(Names=[HOST])["LoadBalancers"]
    (group,) = elbv2.describe_target_groups(Names=[HOST])["TargetGroups"]
    made = alarms(own_aws)
    assert sorted(made) == NAMES
    whole = {"LoadBalancer": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]}
    own = {**whole, "TargetGroup": group["TargetGroupArn"].rpartition(":")[2]}
    dimensions = [{one["Name"]: one["Value"] for one in made[name]["Dimensions"]} for name in NAMES]
    assert dimensions == [whole, own]
    assert watched(own_aws) == {"alarmNames": NAMES, "enable": True, "rollback": True}
    assert stack.site("--check").changes() == set()


def test_a_name_that_leads_nowhere_is_refused_before_anything_else_is_asked(stack: Stack, own_aws: LocalAws) -> None:
    before = watched(own_aws)
    inventory = stack.plan_file.parent / "missing.yml"
    variables = {**stack.variables, "ecs_service_alarms": ["nobody"]}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {HOST: variables}}}), encoding="utf-8")
    own_aws.forget_calls()
    refused = run_playbook(["gatehouse.fargate.site", "-i", str(inventory)], own_aws.environment).failure(HOST)
    assert refused.startswith("ecs_service_alarms names nobody, and there is no such alarm in this account and region")
    assert "leave it out" in refused
    assert [call["action"] for call in own_aws.calls()] == ["sts:GetCallerIdentity", *asked(own_aws)]
    assert (len(asked(own_aws)), own_aws.writes(), watched(own_aws)) == (1, [], before)


def test_an_alarm_that_is_up_is_told(stack: Stack, own_aws: LocalAws) -> None:
    own_aws.client("cloudwatch").set_alarm_state(AlarmName=NAMES[0], StateValue="ALARM", StateReason="a test")
    warned = stack.site("--check").run.report
    assert f"Alarm {NAMES[0]} is in the state ALARM" in json.dumps(warned)


def test_what_is_switched_off_is_removed_and_then_asked_for_no_more(stack: Stack, own_aws: LocalAws) -> None:
    stack.variables["stack_deployment_alarms"] = False
    planned = stack.site("--check")
    deleted = {("delete", "cloudwatch_alarm", name) for name in NAMES}
    assert planned.changes() == {("update", "ecs_service", HOST), *deleted}
    assert stack.site().changes() == planned.changes()
    assert (alarms(own_aws), watched(own_aws)["enable"]) == ({}, False)
    own_aws.forget_calls()
    again = stack.site()
    assert (again.changes(), asked(own_aws)) == (set(), [])


def test_alarms_without_a_load_balancer_are_refused_early(own_aws: LocalAws, tmp_path: Path) -> None:
    given = {
        **{"stack_name": "alone", "stack_region": "ap-northeast-1", "stack_deployment_alarms": True},
        **{"ecs_service_image": "nginx", "ecs_service_subnet_ids": ["subnet-1"]},
        "ecs_service_security_group_ids": ["sg-1"],
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given}
    playbook = tmp_path / "alone.yml"
    playbook.write_text(yaml.safe_dump([{**play, "roles": ["gatehouse.fargate.ecs_service"]}]), encoding="utf-8")
    own_aws.forget_calls()
    refused = run_playbook([str(playbook), "-i", "localhost,"], own_aws.environment).failure("localhost")
    assert "stack_deployment_alarms (ecs_service_deployment_alarms) is true" in refused
    assert own_aws.calls() == []
