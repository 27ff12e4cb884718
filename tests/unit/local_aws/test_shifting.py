# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deployments that shift traffic, without Docker: whose weights move, what is shown and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import build_network

CONTAINER = {"name": "web", "image": "web:1", "portMappings": [{"containerPort": 3000}]}
TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
Fields = dict[str, Any]


@dataclass
class World:
    """Two target groups, a rule that forwards to both, and a role for ECS."""

    account: Account
    subnets: list[str]
    groups: list[str]
    rule: str
    role: str

    def service(self, strategy: str, *, advanced: Fields | None = None, **configuration: Any) -> Fields:
        own = {
            "alternateTargetGroupArn": self.groups[1],
            "productionListenerRule": self.rule,
            "roleArn": self.role,
            **(advanced or {}),
        }
        balancer = {"targetGroupArn": self.groups[0], "containerName": "web", "containerPort": 3000}
        return {
            "cluster": "apps",
            "taskDefinition": "web",
            "desiredCount": 1,
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": self.subnets}},
            "loadBalancers": [{**balancer, "advancedConfiguration": own}],
            "deploymentConfiguration": {"strategy": strategy, **configuration},
        }

    def create(self, strategy: str, **changes: Any) -> Fields:
        wanted = {"serviceName": "web", "launchType": "FARGATE", **self.service(strategy, **changes)}
        return dict(self.account.client("ecs").create_service(**wanted)["service"])

    def weights(self) -> list[int]:
        (rule,) = self.account.client("elbv2").describe_rules(RuleArns=[self.rule])["Rules"]
        groups = rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        held = {one["TargetGroupArn"]: one["Weight"] for one in groups}
        return [held[group] for group in self.groups]


@pytest.fixture
def world(account: Account) -> World:
    ecs, elb = account.client("ecs"), account.client("elbv2")
    ecs.create_cluster(clusterName="apps")
    ecs.register_task_definition(
        family="web", containerDefinitions=[CONTAINER], requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
        cpu="256", memory="512",
    )  # fmt: skip
    subnets, vpc = build_network(account)
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    groups = [
        elb.create_target_group(Name=name, Protocol="HTTP", Port=3000, VpcId=vpc, TargetType="ip")["TargetGroups"][0]
        for name in ("blue", "green")
    ]
    arns = [str(one["TargetGroupArn"]) for one in groups]
    nothing = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    listener = elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=nothing)
    both = [{"TargetGroupArn": arns[0], "Weight": 100}, {"TargetGroupArn": arns[1], "Weight": 0}]
    rule = elb.create_rule(
        ListenerArn=listener["Listeners"][0]["ListenerArn"],
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": both}}],
    )["Rules"][0]["RuleArn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    role = account.client("iam").create_role(RoleName="shift", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return World(account, subnets, arns, rule, role)


def test_each_deployment_takes_the_group_without_traffic(world: World) -> None:
    ecs = world.account.client("ecs")
    world.create("BLUE_GREEN", bakeTimeInMinutes=0)
    assert world.weights() == [0, 100]
    ecs.update_service(cluster="apps", service="web", forceNewDeployment=True)
    assert world.weights() == [100, 0]
    ecs.update_service(cluster="apps", service="web", forceNewDeployment=True)
    assert world.weights() == [0, 100]


def test_its_record_tells_what_the_service_does_not(world: World) -> None:
    ecs = world.account.client("ecs")
    assert "rolloutState" not in world.create("LINEAR", bakeTimeInMinutes=0)["deployments"][0]
    (service,) = ecs.describe_services(cluster="apps", services=["web"])["services"]
    assert "rolloutState" not in service["deployments"][0]
    (record,) = ecs.list_service_deployments(cluster="apps", service="web")["serviceDeployments"]
    described = ecs.describe_service_deployments(serviceDeploymentArns=[record["serviceDeploymentArn"]])
    (deployment,) = described["serviceDeployments"]
    assert (deployment["status"], deployment["lifecycleStage"]) == ("SUCCESSFUL", "CLEAN_UP")
    (revision,) = ecs.describe_service_revisions(serviceRevisionArns=[deployment["targetServiceRevision"]["arn"]])[
        "serviceRevisions"
    ]
    assert revision["resolvedConfiguration"]["loadBalancers"][0]["targetGroupArn"] == world.groups[1]


def test_a_rolling_deployment_stays_in_its_group_and_moves_nothing(world: World) -> None:
    ecs = world.account.client("ecs")
    world.create("ROLLING", advanced={})
    assert world.weights() == [100, 0]
    (service,) = ecs.describe_services(cluster="apps", services=["web"])["services"]
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize(
    ("strategy", "changes", "words"),
    [
        ("BLUE_GREEN", {}, "bakeTimeInMinutes must be between 0 and 1440"),
        ("BLUE_GREEN", {"bakeTimeInMinutes": 1441}, "bakeTimeInMinutes must be between 0 and 1440"),
        (
            "CANARY",
            {"bakeTimeInMinutes": 0, "deploymentCircuitBreaker": {"enable": True, "rollback": True}},
            "circuit breaker is not supported",
        ),
        ("LINEAR", {"bakeTimeInMinutes": 0, "advanced": {"roleArn": ""}}, "must have roleArn"),
        (
            "LINEAR",
            {"bakeTimeInMinutes": 0, "advanced": {"roleArn": "arn:aws:iam::111122223333:role/none"}},
            "could not assume the role",
        ),
    ],
)
def test_what_cannot_be_shifted_is_refused(world: World, strategy: str, changes: Fields, words: str) -> None:
    with refused("InvalidParameterException", words):
        world.create(strategy, **changes)


def test_a_rule_that_forwards_to_one_group_is_refused(world: World) -> None:
    elb = world.account.client("elbv2")
    elb.modify_rule(RuleArn=world.rule, Actions=[{"Type": "forward", "TargetGroupArn": world.groups[0]}])
    with refused("InvalidParameterException", "must forward to both target groups"):
        world.create("BLUE_GREEN", bakeTimeInMinutes=0)
