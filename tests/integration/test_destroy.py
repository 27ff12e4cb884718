# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Half of a stack becomes a whole one or none; after destroy the account is what it was before the first deploy."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.finders import FINDERS
from conftest import PARENT, ROOT, LocalAws, PlaybookRun, run_playbook
from wrecking import DELETIONS, scan, stack_of, wreck

NAME = "leaver"
DOMAIN = f"{NAME}.{PARENT}"
# Kinds that vanish together; between them every kind of resource that there is.
ROUNDS: dict[str, tuple[str, ...]] = {
    "service-image-records-exits": (
        *(
            "scalable_target",
            "ecs_service",
            "alarm",
            "ecs_task_definition",
            "ecs_cluster",
            "log_group",
            "iam_role",
            "ecr_repository",
        ),
        *("login_domain", "dns_record", "vpc_endpoint", "nat_gateway", "elastic_ip"),
    ),
    "entrance-login-zone-network": (
        *("login_domain", "load_balancer", "target_group", "user_pool", "certificate", "log_bucket"),
        *("dns_record", "dns_zone", "vpc_endpoint", "nat_gateway", "elastic_ip", "security_group"),
        *("route_table", "subnet", "internet_gateway", "vpc"),
    ),
}
# Gone before the last destroy; the delegation then leads to a zone that does not exist.
HALF = ("login_domain", "ecs_service", "iam_role", "user_pool", "vpc_endpoint", "dns_record", "dns_zone")
SERVICES = (
    "acm",
    "alb",
    "application_autoscaling",
    "cloudwatch",
    "cloudwatch_logs",
    "cognito",
    "ec2",
    "ecr",
    "ecs",
    "iam",
    "route53",
    "s3",
)
# What AWS remembers of the dead, too: changes it made, states of alarms, ECS its revisions and services, NAT gateways
# for an hour.
HISTORY = (
    "route53.changes ",
    "cloudwatch.alarm_history ",
    "ecs.task_def",
    "ecs.services ",
    "ecs.tags ",
    "ecs.tasks ",
    "ec2.nat_gateways ",
)
DEAD = "'nat-"
MACHINES = {"x86_64": (62, "x86_64"), "aarch64": (183, "arm64")}


def tiny_program(machine: int) -> bytes:
    """A static ELF file with nothing in it: enough to be an image, and nothing ever runs it."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    machine, architecture = MACHINES[os.uname().machine]
    app = tmp_path_factory.mktemp("app")
    (app / "out").mkdir()
    (app / ".dockerignore").write_text("out/\n", encoding="utf-8")
    (app / "main").write_text("the source\n", encoding="utf-8")
    program = app / "out" / "tiny"
    program.write_bytes(tiny_program(machine))
    program.chmod(0o755)
    return {
        "stack_name": NAME,
        "stack_region": "ap-northeast-1",
        "stack_parent_domain": PARENT,
        "stack_domain": DOMAIN,
        "stack_app_path": str(app),
        "stack_architecture": architecture,
        "stack_desired_count": 0,
        "stack_deployment_alarms": True,
        "stack_autoscaling": {"min_capacity": 0, "max_capacity": 1, "requests_per_target": 500},
        # The names of this test lead nowhere: the front door may stand on any port.
        "stack_smoke_test": False,
        "stack_force_delete": True,
        "stack_nat": "single",
        "network_endpoints_extra_services": ["logs"],
        "ecr_image_builder": "oci",
        "ecr_image_build_command": "true",
        "ecr_image_artifact": "out/tiny",
        "ecs_service_role_propagation": 0,
        "stack_users": {"alice": {"email": "alice@example.com", "temporary_password": "Welcome-to-Gatehouse-1"}},
    }


class Environment:
    """The inventory of the one environment, and what is run on it."""

    def __init__(self, aws: LocalAws, folder: Path, host: dict[str, Any]) -> None:
        self.aws, self.host = aws, host
        self.stack = stack_of(aws, NAME, DOMAIN)
        self.inventory = folder / "inventory.yml"
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {NAME: host}}}), encoding="utf-8")

    def arguments(self, playbook: str, **variables: Any) -> list[str]:
        return [f"gatehouse.fargate.{playbook}", "-i", str(self.inventory), "-e", json.dumps(variables)]

    def run(self, playbook: str, *options: str, **variables: Any) -> PlaybookRun:
        return run_playbook([*self.arguments(playbook, **variables), *options], self.aws.environment)

    def names(self) -> set[tuple[str, str]]:
        """What there is, by kind and name; names that AWS makes up are left out."""
        return {(found["kind"], "" if ":" in found["id"] else found["name"]) for found in scan(self.stack)}

    def state(self) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.aws.environment['AWS_ENDPOINT_URL']}/_local_aws/state") as answer:
            entries: dict[str, str] = json.load(answer)
        kept = {key: value for key, value in entries.items() if key.split(".")[0] in SERVICES}
        return {key: value for key, value in kept.items() if not key.startswith(HISTORY) and DEAD not in key}


@pytest.fixture(scope="module")
def environment(local_aws: LocalAws, host: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(local_aws, tmp_path_factory.mktemp("leaver"), host)


@pytest.fixture(scope="module")
def before(environment: Environment) -> dict[str, str]:
    """The account before the first deploy; every service is asked once, since the stand-in starts them when asked."""
    scan(environment.stack)
    return environment.state()


@pytest.fixture(scope="module")
def whole(environment: Environment, before: dict[str, str]) -> set[tuple[str, str]]:
    run = environment.run("site")
    assert run.failure(NAME) == ""
    assert run.status == 0, run.stderr
    assert environment.state() != before
    return environment.names()


def test_every_kind_is_deleted_once() -> None:
    assert {kind for kinds in ROUNDS.values() for kind in kinds} == set(FINDERS) == set(DELETIONS)


@pytest.mark.parametrize("name", ROUNDS)
def test_half_a_stack_becomes_whole(environment: Environment, whole: set[tuple[str, str]], name: str) -> None:
    assert wreck(environment.aws, environment.stack, ROUNDS[name]) == set(ROUNDS[name])
    run = environment.run("site")
    assert run.failure(NAME) == ""
    assert run.status == 0, run.stderr
    assert environment.names() == whole


@pytest.mark.parametrize(
    ("options", "variables", "words"),
    [
        ([], {}, ["-e confirm=leaver"]),
        ([], {"confirm": "another"}, ["another", NAME, "--limit"]),
        ([], {"confirm": NAME, "stack_deletion_protection": True}, ["stack_deletion_protection", "false"]),
        ([], {"confirm": NAME, "stack_force_delete": False}, ["stack_force_delete", "images in leaver"]),
    ],
    ids=["no-name", "wrong-name", "protected", "not-empty"],
)
def test_a_refusal_removes_nothing(
    environment: Environment, whole: set[tuple[str, str]], options: list[str], variables: Any, words: list[str]
) -> None:
    environment.aws.forget_calls()
    run = environment.run("destroy", *options, **variables)
    assert run.status != 0
    assert [word for word in words if word not in run.failure(NAME)] == [], run.failure(NAME)
    assert environment.aws.writes() == []
    assert environment.names() == whole


@pytest.mark.usefixtures("whole")
def test_a_check_shows_everything_and_removes_nothing(environment: Environment) -> None:
    environment.aws.forget_calls()
    run = environment.run("destroy", "--check")
    assert run.status == 0, run.stderr
    shown = listed(run)
    assert [
        found["name"] for found in scan(environment.stack) if not any(found["name"] in line for line in shown)
    ] == []
    assert f"delegation of {DOMAIN} in {PARENT}" in shown
    assert environment.aws.writes() == []


def listed(run: PlaybookRun) -> list[str]:
    tasks = [task for play in run.report["plays"] for task in play["tasks"]]
    (shown,) = [task for task in tasks if task["task"]["name"] == "Show what will be removed"]
    lines: list[str] = shown["hosts"][NAME]["msg"]
    return lines


def test_an_interrupted_destroy_of_half_a_stack_is_finished_by_the_next(
    environment: Environment, whole: set[tuple[str, str]], before: dict[str, str]
) -> None:
    assert wreck(environment.aws, environment.stack, HALF) == set(HALF)
    interrupt(environment, "elasticloadbalancing:DeleteLoadBalancer")
    left = environment.names()
    assert set() < left < whole
    run = environment.run("destroy", confirm=NAME)
    assert run.failure(NAME) == ""
    assert run.status == 0, run.stderr
    assert scan(environment.stack) == []
    assert difference(before, environment.state()) == {}


def interrupt(environment: Environment, action: str) -> None:
    """Starts a destroy and kills it as soon as AWS has been sent a certain request."""
    environment.aws.forget_calls()
    command = ["ansible-playbook", *environment.arguments("destroy", confirm=NAME)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment.aws.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while action not in environment.aws.writes():
        assert process.poll() is None, "destroy ended before it could be interrupted"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def difference(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    keys = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    return {key: (before.get(key), after.get(key)) for key in keys}


@pytest.mark.usefixtures("before")
def test_nothing_is_removed_when_nothing_is_there(environment: Environment) -> None:
    run = environment.run("destroy", confirm=NAME)
    assert run.status == 0, run.stderr
    assert listed(run) == [f"{NAME}: there is nothing to remove"]
    assert run.changed() == 0


def test_what_may_belong_to_somebody_else_is_not_removed(environment: Environment, before: dict[str, str]) -> None:
    """A log group of the stack's name without its tag."""
    logs = environment.aws.client("logs")
    logs.create_log_group(logGroupName=f"/gatehouse/{NAME}")
    run = environment.run("destroy", confirm=NAME)
    assert f"/gatehouse/{NAME}" in run.failure(NAME)
    assert "gatehouse:stack=leaver" in run.failure(NAME)
    logs.delete_log_group(logGroupName=f"/gatehouse/{NAME}")
    assert difference(before, environment.state()) == {}
