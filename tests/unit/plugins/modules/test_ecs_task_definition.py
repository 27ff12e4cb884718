# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import errors, fargate
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import task_definitions as transformations
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    SENSITIVE,
    PlanRefusedError,
)
from ansible_collections.gatehouse.fargate.plugins.modules import ecs_task_definition as subject
from botocore.stub import ANY, Stubber

ROLE_VARS = Path(__file__).resolve().parents[4] / "roles" / "ecs_service" / "vars" / "main.yml"
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition/hello:3"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hello-AbCdEf"


def container(**fields: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(subject.CONTAINER),
        "name": "app",
        "image": "hello@sha256:1",
        "essential": True,
        "readonly_root_filesystem": False,
        "port": 3000,
        "environment": {"PORT": 3000, "EMPTY": "", "DEBUG": True},
        "secrets": {"DATABASE": SECRET},
        "linux_parameters": {"init_process_enabled": True, "capabilities": None, "tmpfs": None},
        "log_configuration": {
            "log_driver": "awslogs",
            "options": {"awslogs-group": "/hello", "awslogs-create-group": False},
            "secret_options": None,
        },
        **fields,
    }


def sidecar(**fields: Any) -> dict[str, Any]:
    return container(name="proxy", port=None, **fields)


def needs(name: str, condition: str) -> dict[str, Any]:
    return {"container_name": name, "condition": condition}


def waiting(name: str, condition: str = "HEALTHY") -> dict[str, Any]:
    return container(depends_on=[needs(name, condition)])


def limit(name: str, soft: int, hard: int) -> dict[str, Any]:
    return {"name": name, "soft_limit": soft, "hard_limit": hard}


def tmpfs(path: str, size: int) -> dict[str, Any]:
    mounts = [{"container_path": path, "size": size, "mount_options": None}]
    return {"init_process_enabled": True, "capabilities": None, "tmpfs": mounts}


def mount(volume: str, path: str) -> dict[str, Any]:
    return {"source_volume": volume, "container_path": path, "read_only": None}


def check(*command: str, **fields: Any) -> dict[str, Any]:
    return {**dict.fromkeys(("interval", "timeout", "retries", "start_period")), "command": list(command), **fields}


def desired(**fields: Any) -> dict[str, Any]:
    return {
        "family": "hello",
        "state": "present",
        "cpu": 512,
        "memory": 1024,
        "cpu_architecture": "X86_64",
        "operating_system_family": "LINUX",
        "execution_role_arn": "arn:aws:iam::123456789012:role/hello-execution",
        "task_role_arn": "arn:aws:iam::123456789012:role/hello-task",
        "ephemeral_storage": None,
        "volumes": None,
        "containers": [container()],
        "keep_revisions": None,
        "tags": {"gatehouse:stack": "hello"},
        "purge_tags": True,
        **fields,
    }


def as_aws_describes_it() -> dict[str, Any]:
    """What DescribeTaskDefinition answers for desired(): reordered, with the defaults AWS fills in."""
    return {
        "taskDefinitionArn": ARN,
        "family": "hello",
        "revision": 3,
        "status": "ACTIVE",
        "networkMode": "awsvpc",
        "cpu": "512",
        "memory": "1024",
        "requiresCompatibilities": ["FARGATE"],
        "compatibilities": ["EC2", "FARGATE"],
        "requiresAttributes": [{"name": "ecs.capability.execution-role-awslogs"}],
        "executionRoleArn": "arn:aws:iam::123456789012:role/hello-execution",
        "taskRoleArn": "arn:aws:iam::123456789012:role/hello-task",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "placementConstraints": [],
        "volumes": [],
        "enableFaultInjection": False,
        "containerDefinitions": [
            {
                "name": "app",
                "image": "hello@sha256:1",
                "cpu": 0,
                "essential": True,
                "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
                "environment": [
                    {"name": "DEBUG", "value": "true"},
                    {"name": "EMPTY", "value": ""},
                    {"name": "PORT", "value": "3000"},
                ],
                "secrets": [{"name": "DATABASE", "valueFrom": SECRET}],
                "mountPoints": [],
                "volumesFrom": [],
                "systemControls": [],
                "linuxParameters": {"initProcessEnabled": True},
                "readonlyRootFilesystem": False,
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-create-group": "false", "awslogs-group": "/hello"},
                    "secretOptions": [],
                },
            }
        ],
    }


def current(**fields: Any) -> dict[str, Any]:
    return {
        "family": "hello",
        "arn": ARN,
        "revision": 3,
        "definition": transformations.normal_form(as_aws_describes_it()),
        "tags": {"gatehouse:stack": "hello"},
        **fields,
    }


def test_an_empty_account_gets_the_first_revision() -> None:
    (change,) = subject.plan({}, desired()).changes
    assert change.action.value == "create"
    assert change.after["containers.app.environment.PORT"] == "3000"
    assert change.after["containers.app.secrets.DATABASE"] == SENSITIVE


def test_what_aws_fills_in_is_no_difference() -> None:
    assert subject.plan(current(), desired()).changes == ()


ONE_CHANGE: list[tuple[str, dict[str, Any]]] = [
    ("cpu", desired(cpu=1024, memory=2048)),
    ("memory", desired(memory=2048)),
    ("runtime_platform.cpu_architecture", desired(cpu_architecture="ARM64")),
    ("execution_role_arn", desired(execution_role_arn=KNOWN_AFTER_APPLY)),
    ("task_role_arn", desired(task_role_arn="arn:aws:iam::123456789012:role/other")),
    ("ephemeral_storage.size_in_gi_b", desired(ephemeral_storage=40)),
    ("volumes.data", desired(volumes=["data"])),
    ("containers.app.image", desired(containers=[container(image=KNOWN_AFTER_APPLY)])),
    ("containers.app.environment.PORT", desired(containers=[container(environment={"PORT": 1, "EMPTY": ""})])),
    ("containers.app.environment.EMPTY", desired(containers=[container(environment={"PORT": 3000, "DEBUG": True})])),
    ("containers.app.secrets.DATABASE", desired(containers=[container(secrets={"DATABASE": SECRET + "2"})])),
    ("containers.app.secrets.DATABASE", desired(containers=[container(secrets=None)])),
    ("containers.app.command", desired(containers=[container(command=["serve"])])),
    ("containers.app.entry_point", desired(containers=[container(entry_point=["/app"])])),
    ("containers.app.user", desired(containers=[container(user="65532")])),
    ("containers.app.readonly_root_filesystem", desired(containers=[container(readonly_root_filesystem=True)])),
    ("containers.app.stop_timeout", desired(containers=[container(stop_timeout=60)])),
    ("containers.app.linux_parameters.init_process_enabled", desired(containers=[container(linux_parameters=None)])),
    ("containers.app.port_mappings.3000/tcp", desired(containers=[container(port=None)])),
    ("containers.app.ulimits.nofile.soft_limit", desired(containers=[container(ulimits=[
        {"name": "nofile", "soft_limit": 1, "hard_limit": 2}])])),
    ("containers.app.mount_points./data.source_volume", desired(volumes=["data"], containers=[container(mount_points=[
        {"container_path": "/data", "source_volume": "data", "read_only": None}])])),
    ("containers.app.health_check.command", desired(containers=[container(health_check={
        "command": ["CMD", "/app"], "interval": 30, "timeout": None, "retries": 3, "start_period": None})])),
    ("containers.app.log_configuration.options.awslogs-group", desired(containers=[container(log_configuration={
        "log_driver": "awslogs", "options": {"awslogs-group": "/x", "awslogs-create-group": False},
        "secret_options": None})])),
]  # fmt: skip


@pytest.mark.parametrize(("path", "params"), ONE_CHANGE, ids=[path for path, _params in ONE_CHANGE])
def test_one_change_makes_one_revision_and_shows_its_field(path: str, params: dict[str, Any]) -> None:
    (change,) = subject.plan(current(), params).changes
    assert change.action.value == "update"
    assert path in change.before.keys() | change.after.keys()
    assert not (change.before.keys() | change.after.keys()) & {"tags", "family"}


@pytest.mark.parametrize(
    "extra",
    [
        {"pidMode": "task"},
        {"proxyConfiguration": {"type": "APPMESH", "containerName": "envoy"}},
        {"volumes": [{"name": "stray", "host": {}}]},
        {"containerDefinitions": [*as_aws_describes_it()["containerDefinitions"], {"name": "stray", "image": "x"}]},
    ],
)
def test_what_was_never_declared_is_drift(extra: dict[str, Any]) -> None:
    stray = current(definition=transformations.normal_form({**as_aws_describes_it(), **extra}))
    assert len(subject.plan(stray, desired()).changes) == 1


def test_sensitive_values_never_show() -> None:
    params = desired(containers=[container(environment={"PORT": 3000}, sensitive_environment={"TOKEN": "new-token"})])
    described = as_aws_describes_it()
    described["containerDefinitions"][0]["environment"].append({"name": "TOKEN", "value": "old-token"})
    (change,) = subject.plan(current(definition=transformations.normal_form(described)), params).changes
    path = "containers.app.environment.TOKEN"
    assert (change.before[path], change.after[path]) == (SENSITIVE, transformations.SENSITIVE_CHANGED)
    assert "-token" not in str(change.shown())
    assert {"name": "TOKEN", "value": "new-token"} in change.call["containerDefinitions"][0]["environment"]


def test_a_variable_that_becomes_a_secret_does_not_show_its_old_value() -> None:
    described = as_aws_describes_it()
    described["containerDefinitions"][0]["environment"].append({"name": "DATABASE", "value": "postgres://pw"})
    (change,) = subject.plan(current(definition=transformations.normal_form(described)), desired()).changes
    assert "postgres" not in str(change.shown())


def test_changed_tags_need_no_revision() -> None:
    (change,) = subject.plan(current(tags={"stray": "1"}), desired()).changes
    assert (change.resource, change.before["tags"]) == ("ecs_task_definition", {"stray": "1"})


@pytest.mark.parametrize(
    ("keep", "params", "deregistered"),
    [
        (3, {}, []),
        (2, {}, ["hello:1"]),
        (2, {"memory": 2048}, ["hello:1", "hello:2"]),
        (1, {"memory": 2048}, ["hello:1", "hello:2", "hello:3"]),
    ],
)
def test_surplus_revisions_go(keep: int, params: dict[str, Any], deregistered: list[str]) -> None:
    planned = subject.plan(current(active_revisions=[1, 2, 3]), desired(keep_revisions=keep, **params))
    assert [change.name for change in planned.changes if change.action.value == "delete"] == deregistered


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (desired(cpu=300), "cpu is 300: Fargate offers 256, 512, 1024, 2048, 4096, 8192, 16384 CPU units"),
        (desired(memory=512), "memory is 512: with cpu 512 Fargate offers 1024, 2048, 3072, 4096 MiB"),
        (desired(ephemeral_storage=20), "ephemeral_storage is 20"),
        (desired(containers=[]), "containers lists 0"),
        (desired(containers=[container(), container()]), "app appears more than once"),
        (desired(containers=[container(essential=False)]), "needs at least one"),
        (desired(containers=[container(port=0)]), "port of container app is 0"),
        (desired(containers=[container(stop_timeout=121)]), "stop_timeout of container app is 121"),
        (desired(containers=[container(secrets={"PORT": SECRET})]), "PORT appears more than once"),
        (desired(keep_revisions=0), "keep at least 1"),
        (desired(containers=[container(), sidecar(start_timeout=121)]), "start_timeout of container proxy is 121"),
        (desired(containers=[container(), sidecar(cpu=513)]), "reserve 513 CPU units, but cpu of the task is 512"),
        (
            desired(containers=[container(memory=700), sidecar(memory_reservation=400)]),
            "reserve 1100 MiB, but memory of the task is 1024",
        ),
        (desired(containers=[container(memory=2048, memory_reservation=1)]), "memory of container app is 2048, but"),
        (desired(containers=[container(memory=256, memory_reservation=256)]), "take less than memory, 256"),
        (desired(containers=[waiting("other")]), "depends_on of container app names other: the task has app"),
        (desired(containers=[waiting("proxy"), sidecar()]), "give proxy a health_check"),
        (desired(containers=[waiting("proxy", "COMPLETE"), sidecar()]), "set essential=false on proxy"),
        (
            desired(containers=[waiting("proxy", "START"), sidecar(depends_on=[needs("app", "START")])]),
            "depends_on goes in a circle: app -> proxy -> app",
        ),
        (desired(containers=[container(ulimits=[limit("nproc", 1, 2)])]), "ulimits of container app names nproc"),
        (desired(containers=[container(ulimits=[limit("nofile", 3, 2)])]), "must not exceed the hard_limit 2"),
        (desired(containers=[container(linux_parameters=tmpfs("/tmp", 0))]), "/tmp with 0 MiB"),
        (desired(containers=[container(linux_parameters=tmpfs("tmp", 1))]), "give a path that starts with /"),
        (
            desired(
                volumes=["data"],
                containers=[container(linux_parameters=tmpfs("/data", 1), mount_points=[mount("data", "/data")])],
            ),
            "tmpfs and mount_points of container app: /data appears more than once",
        ),
        (desired(containers=[container(mount_points=[mount("data", "/data")])]), "add it to volumes, which has none"),
        (desired(containers=[container(health_check=check("/app"))]), "begin it with CMD or CMD-SHELL"),
        (
            desired(containers=[container(health_check=check("CMD", "x", interval=4))]),
            "health_check.interval of .*4",
        ),
    ],
)
def test_what_fargate_cannot_run_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, params)


def test_absent_deregisters_every_active_revision() -> None:
    changes = subject.plan(current(active_revisions=[2, 3]), desired(state="absent")).changes
    assert [change.name for change in changes] == ["hello:2", "hello:3"]
    assert subject.plan({}, desired(state="absent")).changes == ()


@pytest.fixture
def client() -> Any:
    return boto3.client("ecs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.mark.parametrize("params", [params for _path, params in ONE_CHANGE], ids=[path for path, _params in ONE_CHANGE])
def test_every_request_satisfies_the_api_model(client: Any, params: dict[str, Any]) -> None:
    (change,) = subject.plan({}, params).changes
    with Stubber(client) as stub:
        stub.add_response("register_task_definition", {}, copy.deepcopy(change.call))
        subject.apply(client, subject.plan({}, params))
        stub.assert_no_pending_responses()


def test_registering_again_after_describing_makes_no_revision(client: Any) -> None:
    with Stubber(client) as stub:
        answer = {"taskDefinition": as_aws_describes_it(), "tags": [{"key": "gatehouse:stack", "value": "hello"}]}
        stub.add_response("describe_task_definition", answer, {"taskDefinition": "hello", "include": ["TAGS"]})
        assert subject.plan(subject.describe(client, desired()), desired()).changes == ()


def test_revisions_of_families_with_the_same_prefix_are_not_ours(client: Any) -> None:
    arns = [
        f"arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}" for name in ("hello:2", "hello-dev:9", "hello:10")
    ]
    with Stubber(client) as stub:
        stub.add_response("list_task_definitions", {"taskDefinitionArns": arns})
        assert subject.list_active_revisions(client, "hello") == [2, 10]


@pytest.mark.parametrize(("keep", "asked"), [(4, False), (3, True), (None, False)])
def test_revisions_are_listed_only_when_there_can_be_too_many(keep: int | None, asked: bool) -> None:
    client = boto3.client("ecs", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("describe_task_definition", {"taskDefinition": as_aws_describes_it(), "tags": []})
        if asked:
            arn = "arn:aws:ecs:eu-west-1:111122223333:task-definition/hello:7"
            stub.add_response("list_task_definitions", {"taskDefinitionArns": [arn]})
        found = subject.describe(client, desired(keep_revisions=keep))
        stub.assert_no_pending_responses()
    assert ("active_revisions" in found) is asked


def test_a_missing_family_is_told_from_other_client_errors(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("describe_task_definition", "ClientException", "Unable to describe task definition.")
        assert subject.describe(client, desired()) == {}
        stub.add_client_error("describe_task_definition", "ClientException", "Something else.")
        with pytest.raises(Exception, match=r"Failed to describe the task definition: .*Something else"):
            subject.describe(client, desired())


def test_registration_waits_for_a_role_that_is_not_known_everywhere(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Stubber(client) as stub:
        stub.add_client_error("register_task_definition", "ClientException", "Role is not valid")
        stub.add_response("register_task_definition", {}, {"family": "hello", "containerDefinitions": ANY})
        errors.when_usable(client.register_task_definition)(family="hello", containerDefinitions=[])
        stub.assert_no_pending_responses()
    assert slept == [2]


def test_the_role_refuses_the_same_sizes_as_the_module() -> None:
    declared = yaml.safe_load(ROLE_VARS.read_text(encoding="utf-8"))["__ecs_service_memory_by_cpu"]
    for cpu, memory in declared.items():
        listed = memory if isinstance(memory, list) else ranged(memory)
        assert tuple(listed) == fargate.MEMORY_BY_CPU[cpu]
    assert declared.keys() == fargate.MEMORY_BY_CPU.keys()


def ranged(template: str) -> range:
    """Evaluates the one form that the role uses: {{ range(a, b, c) | list }}."""
    start, stop, step = (int(part) for part in template[template.index("(") + 1 : template.index(")")].split(","))
    return range(start, stop, step)
