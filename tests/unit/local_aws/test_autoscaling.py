# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Application Auto Scaling: what is kept, refused, and moved by new limits."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import build_network

NAMED = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/apps/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}
LISTED = {"ServiceNamespace": "ecs", "ResourceIds": ["service/apps/web"]}


@pytest.fixture
def ecs(account: Account) -> Any:
    client = account.client("ecs")
    client.create_cluster(clusterName="apps")
    client.register_task_definition(
        family="web",
        containerDefinitions=[{"name": "web", "image": "web:1"}],
        **{"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"},
    )
    subnets, _vpc = build_network(account)
    network = {"awsvpcConfiguration": {"subnets": subnets}}
    client.create_service(
        cluster="apps", serviceName="web", taskDefinition="web", desiredCount=1, launchType="FARGATE",
        networkConfiguration=network,
    )  # fmt: skip
    return client


@pytest.fixture
def scaling(ecs: Any, account: Account) -> Any:
    assert count(ecs) == 1
    client = account.client("application-autoscaling")
    client.register_scalable_target(**NAMED, MinCapacity=1, MaxCapacity=4, Tags={"a": "b"})
    return client


def tracking(metric: str, **more: Any) -> dict[str, Any]:
    specification = {"PredefinedMetricType": metric, **more}
    return {"TargetValue": 60.0, "PredefinedMetricSpecification": specification}


def count(ecs: Any) -> int:
    return int(ecs.describe_services(cluster="apps", services=["web"])["services"][0]["desiredCount"])


def test_a_target_is_kept_with_its_tags(scaling: Any) -> None:
    (target,) = scaling.describe_scalable_targets(**LISTED)["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    arn = target["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"c": "d"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d"}


def test_limits_move_the_count(ecs: Any, scaling: Any) -> None:
    scaling.register_scalable_target(**NAMED, MinCapacity=3)
    assert count(ecs) == 3
    scaling.register_scalable_target(**NAMED, MinCapacity=0, MaxCapacity=2)
    assert count(ecs) == 2


def test_what_is_refused(scaling: Any) -> None:
    with refused("ValidationException", "ECS service doesn't exist"):
        scaling.register_scalable_target(**{**NAMED, "ResourceId": "service/apps/other"}, MinCapacity=1, MaxCapacity=1)
    with refused("ValidationException", "Maximum capacity"):
        scaling.register_scalable_target(**NAMED, MinCapacity=5)
    for metric, label in (
        ("ALBRequestCountPerTarget", {"ResourceLabel": "app/web/1/targetgroup/web/2"}),
        ("ECSServiceAverageCPUUtilization", {"ResourceLabel": "app/web/1/targetgroup/web/2"}),
    ):
        with refused("ValidationException", "esource label"):
            scaling.put_scaling_policy(
                **NAMED, PolicyName="p", PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=tracking(metric, **label),
            )  # fmt: skip


def test_everything_goes_with_the_target(scaling: Any) -> None:
    scaling.put_scaling_policy(
        **NAMED, PolicyName="cpu", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking("ECSServiceAverageCPUUtilization"),
    )  # fmt: skip
    scaling.put_scheduled_action(
        **NAMED, ScheduledActionName="night", Schedule="cron(0 22 * * ? *)", ScalableTargetAction={"MaxCapacity": 1}
    )
    assert len(scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]) == 1
    assert len(scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]) == 1
    scaling.deregister_scalable_target(**NAMED)
    assert scaling.describe_scalable_targets(**LISTED)["ScalableTargets"] == []
    assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []
    assert scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"] == []
    with refused("ObjectNotFoundException", "No scalable target"):
        scaling.put_scheduled_action(**NAMED, ScheduledActionName="night", Schedule="rate(1 day)")
