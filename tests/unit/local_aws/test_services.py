# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ECS without Docker: what is filled in, followed and refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import build_network

FARGATE = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
CONTAINER = {"name": "web", "image": "web:1", "portMappings": [{"containerPort": 3000}]}
LISTENER = {"Port": 80, "Protocol": "HTTP"}


@pytest.fixture
def ecs(account: Account) -> Any:
    client = account.client("ecs")
    client.create_cluster(clusterName="apps")
    return client


def register(ecs: Any, **change: Any) -> dict[str, Any]:
    wanted = {"family": "web", "containerDefinitions": [CONTAINER], **FARGATE, **change}
    return dict(ecs.register_task_definition(**wanted)["taskDefinition"])


def create(ecs: Any, account: Account, **change: Any) -> dict[str, Any]:
    subnets, _vpc = build_network(account)
    wanted = {
        "cluster": "apps",
        "serviceName": "web",
        "taskDefinition": "web",
        "desiredCount": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}},
        **change,
    }
    return dict(ecs.create_service(**wanted)["service"])


def find(ecs: Any) -> dict[str, Any]:
    return dict(ecs.describe_services(cluster="apps", services=["web"])["services"][0])


def test_container_defaults(ecs: Any) -> None:
    container = register(ecs)["containerDefinitions"][0]
    assert container["portMappings"] == [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}]
    assert container["environment"] == container["mountPoints"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": "256", "memory": "4096"}, "No Fargate configuration"),
        ({"cpu": "300"}, "No Fargate configuration"),
        ({"networkMode": "bridge"}, "awsvpc"),
        ({"containerDefinitions": [{**CONTAINER, "logConfiguration": {"logDriver": "awslogs"}}]}, "execution role"),
    ],
)
def test_task_definition_that_is_refused(ecs: Any, change: dict[str, Any], words: str) -> None:
    with refused("ClientException", words):
        register(ecs, **change)


def test_family_means_its_latest_active_revision(ecs: Any) -> None:
    first, second = register(ecs), register(ecs)
    ecs.deregister_task_definition(taskDefinition=second["taskDefinitionArn"])
    found = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    assert found["taskDefinitionArn"] == first["taskDefinitionArn"]


def test_service_is_complete_and_followed(ecs: Any, account: Account) -> None:
    register(ecs)
    create(ecs, account, propagateTags="SERVICE", enableECSManagedTags=True)
    service = find(ecs)
    assert (service["propagateTags"], service["enableECSManagedTags"]) == ("SERVICE", True)
    assert service["availabilityZoneRebalancing"] == "ENABLED"
    assert service["deploymentConfiguration"]["maximumPercent"] == 200
    assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"]
    register(ecs)
    ecs.update_service(cluster="apps", service="web", taskDefinition="web")
    listed = ecs.list_service_deployments(cluster="apps", service="web")["serviceDeployments"]
    assert [one["status"] for one in listed] == ["SUCCESSFUL", "SUCCESSFUL"]
    assert listed[0]["serviceDeploymentArn"] == find(ecs)["currentServiceDeployment"]
    arns = [listed[0]["serviceDeploymentArn"], "arn:missing"]
    described = ecs.describe_service_deployments(serviceDeploymentArns=arns)
    found = described["serviceDeployments"][0]
    assert found["sourceServiceRevisions"][0]["arn"] != found["targetServiceRevision"]["arn"]
    assert [one["reason"] for one in described["failures"]] == ["MISSING"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cluster": "missing"}, "ClusterNotFoundException"),
        ({"taskDefinition": "missing"}, "ClientException"),
        (
            {"loadBalancers": [{"targetGroupArn": "arn:x", "containerName": "web", "containerPort": 1}]},
            "InvalidParameterException",
        ),
    ],
)
def test_service_that_is_refused(ecs: Any, account: Account, change: dict[str, Any], code: str) -> None:
    register(ecs)
    with refused(code):
        create(ecs, account, **change)


def test_target_group_must_be_reachable(ecs: Any, account: Account) -> None:
    register(ecs)
    elb, (subnets, vpc) = account.client("elbv2"), build_network(account)
    made = elb.create_target_group(Name="web", Protocol="HTTP", Port=3000, VpcId=vpc, TargetType="ip")
    group = made["TargetGroups"][0]["TargetGroupArn"]
    wanted = {"targetGroupArn": group, "containerName": "web", "containerPort": 3000}
    with refused("InvalidParameterException", "does not have an associated load balancer"):
        create(ecs, account, loadBalancers=[wanted])
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    elb.create_listener(LoadBalancerArn=balancer, DefaultActions=forward, **LISTENER)
    for change, words in (({"containerName": "other"}, "does not exist"), ({"containerPort": 1}, "container port 1")):
        with refused("InvalidParameterException", words):
            create(ecs, account, loadBalancers=[{**wanted, **change}])
    create(ecs, account, loadBalancers=[wanted])
    assert [one["rolloutState"] for one in find(ecs)["deployments"]] == ["COMPLETED"]


def test_cluster_with_services_stays(ecs: Any, account: Account) -> None:
    register(ecs)
    create(ecs, account)
    with refused("ClusterContainsServicesException"):
        ecs.delete_cluster(cluster="apps")
    with refused("InvalidParameterException"):
        create(ecs, account)
    assert ecs.delete_service(cluster="apps", service="web", force=True)["service"]["status"] == "DRAINING"
    assert find(ecs)["status"] == "INACTIVE"
    with refused("ServiceNotActiveException"):
        ecs.update_service(cluster="apps", service="web", desiredCount=2)
    ecs.delete_cluster(cluster="apps")


def test_history_comes_in_pages_and_is_described_in_batches(ecs: Any, account: Account) -> None:
    arns = [register(ecs)["taskDefinitionArn"] for _number in range(3)]
    create(ecs, account, desiredCount=0, taskDefinition=arns[0])
    for arn in arns[1:]:
        ecs.update_service(cluster="apps", service="web", taskDefinition=arn)
    whole = ecs.list_service_deployments(cluster="apps", service="web")["serviceDeployments"]
    first = ecs.list_service_deployments(cluster="apps", service="web", maxResults=2)
    rest = ecs.list_service_deployments(cluster="apps", service="web", maxResults=2, nextToken=first["nextToken"])
    assert first["serviceDeployments"] + rest["serviceDeployments"] == whole
    assert "nextToken" not in rest
    for call, name in (
        (ecs.describe_service_deployments, "serviceDeploymentArns"),
        (ecs.describe_service_revisions, "serviceRevisionArns"),
    ):
        with refused("InvalidParameterException", "at most 20"):
            call(**{name: ["arn:aws:ecs:x"] * 21})


@pytest.mark.parametrize(
    ("change", "started"),
    [
        ({"platformVersion": "1.3.0"}, 1),
        ({"platformVersion": "1.4.0"}, 0),
        ({"healthCheckGracePeriodSeconds": 5}, 0),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}, 0),
        ({"forceNewDeployment": True}, 1),
    ],
)
def test_an_update_starts_a_deployment_or_not(ecs: Any, account: Account, change: dict[str, Any], started: int) -> None:
    register(ecs)
    create(ecs, account, platformVersion="1.4.0")
    ecs.update_service(cluster="apps", service="web", **change)
    deployments = ecs.list_service_deployments(cluster="apps", service="web")["serviceDeployments"]
    assert len(deployments) == 1 + started


def test_another_network_starts_a_deployment(ecs: Any, account: Account) -> None:
    register(ecs)
    create(ecs, account)
    network = find(ecs)["networkConfiguration"]
    ecs.update_service(cluster="apps", service="web", networkConfiguration=network)
    network["awsvpcConfiguration"]["assignPublicIp"] = "ENABLED"
    ecs.update_service(cluster="apps", service="web", networkConfiguration=network)
    assert len(ecs.list_service_deployments(cluster="apps", service="web")["serviceDeployments"]) == 2


def test_a_service_without_strategy_is_back_at_its_launch_type(ecs: Any, account: Account) -> None:
    register(ecs)
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    create(ecs, account)
    for wanted, launch_type in ((strategy, None), ([], "FARGATE")):
        ecs.update_service(cluster="apps", service="web", capacityProviderStrategy=wanted, forceNewDeployment=True)
        assert find(ecs).get("launchType") == launch_type
        assert [one["capacityProvider"] for one in find(ecs).get("capacityProviderStrategy") or []] == (
            ["FARGATE_SPOT"] if wanted else []
        )
