# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers: pulled from the stand-in's registry, run by Docker, reached through the load balancer's login."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.pushing import compile_app, push_app
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    CHOSEN,
    TEMPORARY,
    Site,
    add_user,
    build_site,
    health,
    status_of,
    wait_for,
)

HERE = Path(__file__).resolve().parent
CTL = HERE.parents[1] / "local_aws" / "ctl.py"
CLUSTER, SERVICE, FAMILY, GROUP = "apps", "web", "web", "/ecs/web"
PORT = 3000
pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class World:
    """A stand-in of its own with Docker, and one site on it."""

    site: Site
    account: Account
    image: str

    @property
    def ecs(self) -> Any:
        return self.account.client("ecs")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("the app of these tests is compiled with gcc")
    folder = tmp_path_factory.mktemp("docker_aws")
    environment = start(folder)
    try:
        if environment["LOCAL_AWS_DOCKER"] != "true":
            pytest.skip("no Docker engine answers")
        account = Account(environment["AWS_ENDPOINT_URL"], environment["AWS_ACCESS_KEY_ID"])
        image = push_app(account, compile_app(compiler, HERE / "web.c", folder), "team/web")
        site = build_site(account, "hello.gatehouse.localhost", status_of(account.endpoint), PORT)
        prepare(account)
        yield World(site, account, image)
    finally:
        ctl("stop", folder)


def ctl(command: str, folder: Path, *more: str) -> str:
    environment = {**os.environ, "LOCAL_AWS_HTTPS_PORT": "0", "LOCAL_AWS_HTTP_PORT": "0"}
    arguments = [sys.executable, str(CTL), command, "--state", str(folder / "state"), *more]
    return subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def start(folder: Path) -> dict[str, str]:
    if not (os.environ.get("LOCAL_AWS_PYTHON") or (HERE.parents[2] / ".venv-local-aws").exists()):
        pytest.skip("the virtual environment of the local AWS does not exist")
    ctl("start", folder, "--port", "0")
    lines = (folder / "state" / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def prepare(account: Account) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=document)
    account.client("logs").create_log_group(logGroupName=GROUP)
    account.client("ecs").create_cluster(clusterName=CLUSTER)


def register(world: World, mode: str = "well", image: str | None = None) -> str:
    options = {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "web"}
    container = {
        "name": "web",
        "image": image or world.image,
        "essential": True,
        "user": "65532",
        "readonlyRootFilesystem": True,
        "environment": [{"name": "PORT", "value": str(PORT)}, {"name": "MODE", "value": mode}],
        "portMappings": [{"containerPort": PORT}],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch"}],
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    registered = world.ecs.register_task_definition(
        family=FAMILY,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=f"arn:aws:iam::{world.account.number}:role/execution",
        volumes=[{"name": "scratch"}],
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        containerDefinitions=[container],
    )
    return str(registered["taskDefinition"]["taskDefinitionArn"])


@pytest.fixture(scope="module")
def service(world: World) -> World:
    network = {"subnets": world.site.subnets}
    breaker = {"enable": True, "rollback": True}
    world.ecs.create_service(
        cluster=CLUSTER,
        serviceName=SERVICE,
        taskDefinition=register(world),
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration={"deploymentCircuitBreaker": breaker},
        loadBalancers=[{"targetGroupArn": world.site.group, "containerName": "web", "containerPort": PORT}],
    )
    assert latest(world)["status"] == "IN_PROGRESS"
    assert finished(world)["status"] == "SUCCESSFUL"
    return world


def latest(world: World) -> dict[str, Any]:
    listed = world.ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
    arns = [listed[0]["serviceDeploymentArn"]]
    found = world.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return dict(found[0])


def finished(world: World) -> dict[str, Any]:
    return dict(wait_for(lambda: latest(world) if "finishedAt" in latest(world) else None))


def update(world: World, definition: str) -> dict[str, Any]:
    world.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=definition)
    return finished(world)


def log_lines(world: World) -> list[str]:
    found = world.account.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    return [event["message"] for event in found]


def test_served_behind_the_login(service: World) -> None:
    add_user(service.site, "alice")
    page = service.site.visitor().sign_in(f"{service.site.url}/hello", "alice", TEMPORARY, CHOSEN)
    assert page.text.startswith("GET /hello HTTP/1.1")
    assert "x-amzn-oidc-identity:" in page.text.lower()


def test_target_is_the_container(service: World) -> None:
    elb = service.account.client("elbv2")
    assert health(elb, service.site.group) == "healthy"
    described = elb.describe_target_health(TargetGroupArn=service.site.group)["TargetHealthDescriptions"]
    tasks = service.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    task = service.ecs.describe_tasks(cluster=CLUSTER, tasks=tasks)["tasks"][0]
    details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    assert [one["Target"]["Id"] for one in described] == [details["privateIPv4Address"]]


def test_container_is_started_as_defined(service: World) -> None:
    lines = wait_for(lambda: log_lines(service))
    # Process 1 is the init that the definition asks for.
    assert any(line.startswith("user 65532, process ") and not line.endswith(" 1") for line in lines)
    assert "root read-only, scratch writable" in lines


def test_digest_is_on_the_revision(service: World) -> None:
    arn = latest(service)["targetServiceRevision"]["arn"]
    revision = service.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]
    assert revision["containerImages"][0]["imageDigest"] == service.image.partition("@")[2]


def test_new_revision_replaces_the_task(service: World) -> None:
    before = service.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    assert update(service, register(service))["status"] == "SUCCESSFUL"
    wait_for(lambda: len(service.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]) == 1)
    assert service.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"] != before


@pytest.mark.parametrize("fault", ["crash", "sick", "missing image"])
def test_circuit_breaker_goes_back(service: World, fault: str) -> None:
    good = service.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["taskDefinition"]
    missing = service.image.rpartition(":")[0] + ":" + "0" * 64 if fault == "missing image" else None
    deployment = update(service, register(service, fault, missing))
    assert deployment["status"] == "ROLLBACK_SUCCESSFUL"
    assert deployment["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    found = service.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    assert found["taskDefinition"] == good
    assert service.site.visitor().get(f"{service.site.url}/healthz").status == 200


def test_deleting_the_service_stops_the_container(service: World) -> None:
    answer = service.ecs.delete_service(cluster=CLUSTER, service=SERVICE, force=True)
    assert answer["service"]["status"] == "DRAINING"
    elb = service.account.client("elbv2")
    wait_for(lambda: not elb.describe_target_health(TargetGroupArn=service.site.group)["TargetHealthDescriptions"])
    assert "stopping" in wait_for(lambda: [line for line in log_lines(service) if line == "stopping"])


def run_together(world: World, first: str) -> dict[str, Any]:
    """Runs a task whose app asks its sidecar on loopback, which is healthy some time after another container ended."""
    check = {"command": ["CMD", "/web", "check"], "interval": 5}
    common = {"image": world.image, "linuxParameters": {"initProcessEnabled": True}}
    definitions = [
        {**common, "name": "app", "command": ["check"], "environment": environment("well"),
         "dependsOn": [{"containerName": "sidecar", "condition": "HEALTHY"}]},
        {**common, "name": "sidecar", "essential": False, "environment": environment("well"), "healthCheck": check,
         "dependsOn": [{"containerName": "first", "condition": "SUCCESS"}]},
        {**common, "name": "first", "essential": False, "environment": environment(first)},
    ]  # fmt: skip
    world.ecs.register_task_definition(
        family="together", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        containerDefinitions=definitions,
    )  # fmt: skip
    network = {"awsvpcConfiguration": {"subnets": world.site.subnets}}
    (task,) = world.ecs.run_task(
        cluster=CLUSTER, taskDefinition="together", launchType="FARGATE", networkConfiguration=network
    )["tasks"]
    return dict(wait_for(lambda: stopped(world, task["taskArn"])))


def environment(mode: str) -> list[dict[str, str]]:
    return [{"name": "PORT", "value": str(PORT)}, {"name": "MODE", "value": mode}]


def stopped(world: World, task: str) -> dict[str, Any] | None:
    (found,) = world.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
    return found if found["lastStatus"] == "STOPPED" else None


def test_containers_wait_for_each_other_and_share_an_address(world: World) -> None:
    task = run_together(world, "once")
    codes = {one["name"]: one.get("exitCode") for one in task["containers"]}
    assert (codes["first"], codes["app"]) == (0, 0)
    assert task["stopCode"] == "EssentialContainerExited"


def test_a_dependency_that_fails_keeps_the_task_from_starting(world: World) -> None:
    task = run_together(world, "crash")
    assert task["stopCode"] == "TaskFailedToStart"
    assert "first did not reach SUCCESS" in task["stoppedReason"]
