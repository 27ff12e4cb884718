# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Deployments that fail, each in its own way, with real containers: what the failure card says, and how soon."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.pushing import compile_app, push_app
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import build_network
from conftest import ROOT, LocalAws, running_local_aws
from in_process import Modules, Task

SOURCE = ROOT / "molecule" / "service" / "app" / "main.c"
CLUSTER, GROUP, PORT = "verdicts", "/gatehouse/verdicts", 3000
SECRET = "s3cr3t-of-the-app"
# Two tasks that fail, one after the other, and the time in which the health of each is settled.
SOON = 60
pytestmark = pytest.mark.docker

Fields = dict[str, Any]


@dataclass(frozen=True)
class Ground:
    """What services stand on: a network, a load balancer, a cluster and an image."""

    aws: LocalAws
    account: Account
    subnets: list[str]
    vpc: str
    balancer: str
    image: str

    def target_group(self, name: str) -> str:
        elb = self.account.client("elbv2")
        group = elb.create_target_group(
            Name=name, Protocol="HTTP", Port=PORT, VpcId=self.vpc, TargetType="ip", HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        port = 8000 + len(elb.describe_target_groups()["TargetGroups"])
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        elb.create_listener(LoadBalancerArn=self.balancer, Port=port, Protocol="HTTP", DefaultActions=forward)
        return str(group)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("the app of these tests is compiled with gcc")
    with running_local_aws(tmp_path_factory.mktemp("verdict-aws")) as aws:
        if aws.environment["LOCAL_AWS_DOCKER"] != "true":
            pytest.skip("no Docker engine answers")
        account = Account(aws.environment["AWS_ENDPOINT_URL"], aws.environment["AWS_ACCESS_KEY_ID"])
        yield prepared(aws, account, compile_app(compiler, SOURCE, tmp_path_factory.mktemp("app")))


def prepared(aws: LocalAws, account: Account, program: bytes) -> Ground:
    subnets, vpc = build_network(account)
    balancer = account.client("elbv2").create_load_balancer(Name="verdicts", Subnets=subnets)["LoadBalancers"][0]
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=document)
    account.client("logs").create_log_group(logGroupName=GROUP)
    account.client("ecs").create_cluster(clusterName=CLUSTER)
    return Ground(aws, account, subnets, vpc, balancer["LoadBalancerArn"], push_app(account, program, "verdicts"))


@pytest.fixture
def modules(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Modules:
    return Modules(ground.aws, monkeypatch)


def definition(ground: Ground, name: str, mode: str, **changes: Any) -> Task:
    options = {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "app"}
    container = {
        "name": "app",
        "image": ground.image,
        "port": PORT,
        "environment": {"PORT": PORT, "MODE": mode},
        "sensitive_environment": {"API_KEY": SECRET},
        "log_configuration": {"options": options},
    }
    role = changes.pop("execution_role_arn", f"arn:aws:iam::{ground.account.number}:role/execution")
    return Task(
        "ecs_task_definition",
        {"family": name, "cpu": 256, "memory": 512, "execution_role_arn": role, "containers": [container | changes]},
    )


def service(ground: Ground, name: str, task_definition: str, **changes: Any) -> Task:
    return Task(
        "ecs_service",
        {
            "name": name,
            "cluster": CLUSTER,
            "task_definition": task_definition,
            "subnets": ground.subnets,
            "security_groups": ["sg-0123456789abcdef0"],
            "circuit_breaker": {"failed_tasks": 3},
            "sensitive_variables": ["API_KEY"],
            "wait_timeout": 120,
            **changes,
        },
    )


def behind(group: str) -> Fields:
    return {"load_balancers": [{"target_group_arn": group, "container_name": "app", "container_port": PORT}]}


def deploy(modules: Modules, ground: Ground, name: str, mode: str, **changes: Any) -> Fields:
    """Registers a release and runs it; returns what the module says."""
    own = changes.pop("service", {})
    registered = modules.run(definition(ground, name, mode, **changes))["task_definition"]["arn"]
    return modules.attempt(service(ground, name, registered, **own))


def active(ground: Ground, name: str) -> list[Fields]:
    found = ground.account.client("ecs").describe_services(cluster=CLUSTER, services=[name])["services"]
    return [dict(one) for one in found if one["status"] == "ACTIVE"]


@pytest.mark.parametrize(
    ("mode", "changes", "code", "said"),
    [
        pytest.param("crash", {}, "container_exited", "exit code 3", id="crash"),
        pytest.param("hungry", {"memory": 32}, "out_of_memory", "more than its 32 MiB", id="out of memory"),
        pytest.param("well", {"image": "missing"}, "image_missing", "does not hold", id="image missing"),
        pytest.param("well", {"image": "foreign"}, "architecture_mismatch", "not built for X86_64", id="architecture"),
        pytest.param("well", {"command": [], "entry_point": ["/nothing"]}, "start_command", "/nothing", id="command"),
        pytest.param(
            "well",
            {"secrets": {"KEY": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:none-AbCdEf"}},
            "secret_missing",
            "ecs_service_secrets",
            id="secret missing",
        ),
        pytest.param(
            "well",
            {"execution_role_arn": "arn:aws:iam::111122223333:role/none"},
            "role_not_assumable",
            "may not assume the role arn:aws:iam::111122223333:role/none",
            id="role not assumable",
        ),
    ],
)
def test_what_never_starts_is_told_and_removed(
    modules: Modules, ground: Ground, tmp_path: Path, mode: str, changes: Fields, code: str, said: str
) -> None:
    name = code.replace("_", "-")
    if changes.get("image"):
        changes = changes | {"image": image(ground, changes["image"], tmp_path)}
    began = time.monotonic()
    failed = deploy(modules, ground, name, mode, **changes)
    assert (failed["failed"], failed["failure"]["code"]) == (True, code), failed["msg"]
    assert said in failed["msg"]
    assert time.monotonic() - began < SOON
    assert active(ground, name) == []
    assert SECRET not in json.dumps(failed)


def image(ground: Ground, kind: str, folder: Path) -> str:
    """Returns the name of an image that cannot run."""
    if kind == "missing":
        return f"{ground.image.rpartition(':')[0]}:{'0' * 64}"
    program = bytearray(compile_app("gcc", SOURCE, folder))
    # The machine in the header of the ELF file: 183 is AArch64.
    program[18:20] = (183).to_bytes(2, "little")
    return push_app(ground.account, bytes(program), "foreign")


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        pytest.param("lost", "health_path_missing", "answers 404 to the health check GET /healthz", id="404"),
        pytest.param("sick", "health_check_refused", "answers 500", id="500"),
        pytest.param("deaf", "wrong_port", "Its log speaks of port 3001", id="wrong port"),
    ],
)
def test_what_never_gets_healthy_is_told(modules: Modules, ground: Ground, mode: str, code: str, said: str) -> None:
    name = code.replace("_", "-")
    failed = deploy(modules, ground, name, mode, service=behind(ground.target_group(name)))
    assert (failed["failed"], failed["failure"]["code"]) == (True, code), failed["msg"]
    assert said in failed["msg"]
    assert active(ground, name) == []


def test_a_failed_release_is_rolled_back_although_ecs_would_go_on(modules: Modules, ground: Ground) -> None:
    never = {**behind(ground.target_group("back")), "circuit_breaker": {"enable": False}}
    good = deploy(modules, ground, "back", "well", service=never)
    assert not good["failed"], good["msg"]
    began = time.monotonic()
    failed = deploy(modules, ground, "back", "crash", service=never)
    assert time.monotonic() - began < SOON
    assert failed["failure"]["code"] == "container_exited", failed["msg"]
    assert "The service runs back:1 again, 1 of 1 tasks." in failed["msg"]
    (left,) = active(ground, "back")
    assert left["taskDefinition"] == good["service"]["task_definition"]
    states = {one["taskDefinition"]: one["rolloutState"] for one in left["deployments"]}
    assert states[left["taskDefinition"]] == "COMPLETED"


def test_the_card_holds_the_last_lines_without_secrets(modules: Modules, ground: Ground) -> None:
    failed = deploy(modules, ground, "card", "crash")
    seen = failed["failure"]["evidence"]
    assert seen["log_lines"] == [
        *(f"line {number}" for number in range(12, 41)),
        "cannot log in with (sensitive value)",
    ]
    assert len(seen["log_lines"]) == 30
    assert SECRET not in json.dumps(failed)
    assert {one["exit_code"] for task in seen["stopped_tasks"] for one in task["containers"]} == {3}
    assert "    | line 40\n    | cannot log in with (sensitive value)" in failed["msg"]


def test_what_happens_is_told_and_nothing_is_silent_for_long(modules: Modules, ground: Ground, tmp_path: Path) -> None:
    told = tmp_path / "told"
    own = {**behind(ground.target_group("told")), "progress_path": str(told)}
    good = deploy(modules, ground, "told", "well", service=own)
    assert not good["failed"], good["msg"]
    lines = told.read_text(encoding="utf-8").splitlines()
    said = "\n".join(lines)
    assert "is RUNNING: placed in" in said
    # Between two looks a target can become healthy and the deployment complete.
    assert " is healthy" in said or ", healthy " in lines[-1]
    assert "The deployment is complete; task" in said
    moments = [0, *(int(line.split(" s  ")[0]) for line in lines)]
    assert max(later - earlier for earlier, later in pairwise(moments)) <= 10


def test_an_alarm_takes_the_release_back_and_is_named(modules: Modules, ground: Ground) -> None:
    cloudwatch = modules.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    own = {**behind(ground.target_group("alarm")), "alarms": ["errors"]}
    assert not deploy(modules, ground, "alarm", "well", service=own)["failed"]
    goes_off = Thread(target=raise_when_deploying, args=(ground.account.client("ecs"), cloudwatch))
    goes_off.start()
    failed = deploy(modules, ground, "alarm", "well", service=own, stop_timeout=31)
    goes_off.join()
    assert failed["failure"]["code"] == "alarm", failed["msg"]
    assert failed["failure"]["evidence"]["alarms"] == ["errors"]
    assert "  Alarm:   errors went into the state ALARM" in failed["msg"]
    assert "The service runs alarm:1 again, 1 of 1 tasks." in failed["msg"]
    # An alarm that is up when a deployment starts does not count for it.
    mended = deploy(modules, ground, "alarm", "well", service=own, stop_timeout=32)
    assert not mended["failed"], mended["msg"]


def raise_when_deploying(ecs: Any, cloudwatch: Any) -> None:
    for _half in range(2 * SOON):
        going = ecs.list_service_deployments(cluster=CLUSTER, service="alarm", status=["IN_PROGRESS"])
        if going["serviceDeployments"]:
            cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
            return
        time.sleep(0.5)
