#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_task_definition
version_added: 0.1.0
short_description: Manage the task definition of an AWS Fargate task
description:
  - Registers a new revision when, and only when, the latest active revision means something else than what is declared.
  - What AWS fills in by itself is no difference, and neither is the order of environment variables or secrets.
  - Values that AWS would reject are refused before anything is sent.
author:
  - Gatehouse contributors (@gatehouse)
options:
  family:
    description: Name that all revisions share.
    type: str
    required: true
  state:
    description:
      - Whether the family should have an active revision.
      - V(absent) deregisters every active revision. Tasks that run keep running.
    type: str
    choices: [present, absent]
    default: present
  cpu:
    description: CPU units of the whole task; 1024 are one vCPU.
    type: int
    default: 512
  memory:
    description: Memory of the whole task in MiB. Fargate offers certain values for each O(cpu).
    type: int
    default: 1024
  cpu_architecture:
    description: Processor that the images are built for.
    type: str
    choices: [X86_64, ARM64]
    default: X86_64
  operating_system_family:
    description: Operating system of the task.
    type: str
    choices: [LINUX]
    default: LINUX
  execution_role_arn:
    description: Role with which ECS pulls images, reads secrets and writes logs.
    type: str
  task_role_arn:
    description: Role that the containers have.
    type: str
  ephemeral_storage:
    description: Disk space in GiB, V(21) to V(200). AWS gives 20 when left out.
    type: int
  volumes:
    description: Names of empty volumes that containers can mount.
    type: list
    elements: str
  containers:
    description: The containers of the task. Required when O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the container.
        type: str
        required: true
      image:
        description: Image, best with its digest.
        type: str
        required: true
      essential:
        description: Whether the task stops when this container stops.
        type: bool
        default: true
      cpu:
        description: CPU units reserved for this container.
        type: int
      memory:
        description: Memory in MiB at which the container is killed.
        type: int
      memory_reservation:
        description: Memory in MiB reserved for this container.
        type: int
      port:
        description: TCP port that the container listens on.
        type: int
      environment:
        description: Environment variables, shown in diffs and results.
        type: dict
      sensitive_environment:
        description:
          - Environment variables whose values are never shown.
          - AWS stores them in the task definition in clear text; prefer O(containers[].secrets).
        type: dict
      secrets:
        description: Environment variables, each with the ARN of a secret or parameter that holds its value.
        type: dict
      command:
        description: Arguments to the entry point.
        type: list
        elements: str
      entry_point:
        description: Program to start in place of the image's own.
        type: list
        elements: str
      working_directory:
        description: Directory in which the program starts.
        type: str
      user:
        description: User, or user and group as C(user:group), that runs the program.
        type: str
      readonly_root_filesystem:
        description:
          - Whether the image is mounted read-only.
          - ECS Exec does not work with it.
        type: bool
        default: false
      start_timeout:
        description: Seconds until ECS gives up on a dependency.
        type: int
      stop_timeout:
        description: Seconds between SIGTERM and SIGKILL, V(2) to V(120). AWS takes 30 when left out.
        type: int
      docker_labels:
        description: Labels of the container.
        type: dict
      depends_on:
        description: Containers that must have reached a condition before this one starts.
        type: list
        elements: dict
        suboptions:
          container_name:
            description: The other container.
            type: str
            required: true
          condition:
            description: What the other container must have reached.
            type: str
            choices: [START, COMPLETE, SUCCESS, HEALTHY]
            required: true
      health_check:
        description: Command that tells whether the container is healthy.
        type: dict
        suboptions:
          command:
            description: V(CMD) followed by a program and its arguments, or V(CMD-SHELL) followed by a shell command.
            type: list
            elements: str
            required: true
          interval:
            description: Seconds between two checks.
            type: int
          timeout:
            description: Seconds until a check has failed.
            type: int
          retries:
            description: Failed checks in a row that make the container unhealthy.
            type: int
          start_period:
            description: Seconds after the start in which failures do not count.
            type: int
      linux_parameters:
        description: What the kernel gives to the container.
        type: dict
        suboptions:
          init_process_enabled:
            description: Whether an init process forwards signals and reaps zombies. ECS Exec needs it.
            type: bool
          capabilities:
            description: Kernel capabilities to add and to drop.
            type: dict
            suboptions:
              add:
                description: Capabilities to add.
                type: list
                elements: str
              drop:
                description: Capabilities to drop.
                type: list
                elements: str
          tmpfs:
            description: File systems in memory.
            type: list
            elements: dict
            suboptions:
              container_path:
                description: Where it is mounted.
                type: str
                required: true
              size:
                description: Size in MiB.
                type: int
                required: true
              mount_options:
                description: Mount options.
                type: list
                elements: str
      log_configuration:
        description: Where the container's output goes.
        type: dict
        suboptions:
          log_driver:
            description: The log driver; Fargate has these three.
            type: str
            choices: [awslogs, awsfirelens, splunk]
            default: awslogs
          options:
            description: Options of the log driver.
            type: dict
          secret_options:
            description: Options of the log driver, each with the ARN of a secret or parameter that holds its value.
            type: dict
      mount_points:
        description: Volumes of the task that this container sees.
        type: list
        elements: dict
        suboptions:
          source_volume:
            description: One of O(volumes).
            type: str
            required: true
          container_path:
            description: Where it is mounted.
            type: str
            required: true
          read_only:
            description: Whether the container may not write to it.
            type: bool
      ulimits:
        description: Resource limits.
        type: list
        elements: dict
        suboptions:
          name:
            description: The limit, for example V(nofile).
            type: str
            required: true
          soft_limit:
            description: The limit a process starts with.
            type: int
            required: true
          hard_limit:
            description: The limit a process may raise itself to.
            type: int
            required: true
  keep_revisions:
    description:
      - Number of newest active revisions to keep. Older ones are deregistered.
      - Leave unset to keep all.
    type: int
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Register the app
  gatehouse.fargate.ecs_task_definition:
    family: hello-dev
    cpu: 512
    memory: 1024
    execution_role_arn: arn:aws:iam::123456789012:role/gatehouse/hello-dev-execution
    containers:
      - name: app
        image: 123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/hello-dev@sha256:0123
        port: 3000
        environment:
          PORT: 3000
        secrets:
          DATABASE_URL: arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:hello-dev-database-AbCdEf
        linux_parameters:
          init_process_enabled: true
        log_configuration:
          options:
            awslogs-group: /gatehouse/hello-dev
            awslogs-region: ap-northeast-1
            awslogs-stream-prefix: app
"""

RETURN = r"""
task_definition:
  description: The latest active revision as it is now, or as it will be in check mode; empty when there is none.
  returned: always
  type: dict
  contains:
    family:
      description: Name that all revisions share.
      type: str
    arn:
      description: ARN of the revision.
      type: str
      sample: arn:aws:ecs:ap-northeast-1:123456789012:task-definition/hello-dev:7
    revision:
      description: Number of the revision, or C((known after apply)).
      type: raw
    definition:
      description: Every field that differs from AWS's default, as path and value.
      type: dict
      sample:
        cpu: "512"
        containers.app.environment.PORT: "3000"
    active_revisions:
      description: >-
        Numbers of the active revisions, oldest first; only with O(state=absent), or when there may be more than
        O(keep_revisions).
      type: list
      elements: int
    tags:
      description: Tags of the revision.
      type: dict
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
    before:
      description: The affected fields as they were, secrets masked.
      type: dict
    after:
      description: The affected fields as they are to be, secrets masked.
      type: dict
unchanged:
  description: The other resources that the module manages, which are as declared.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import TaskDefinitionErrors, when_usable
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.fargate import refuse_impossible_task
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_dict, as_list, change_tags
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.task_definitions import (
    normal_form,
    registration,
    sensitive_paths,
    shown_difference,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

HEALTH_CHECK: dict[str, Any] = {
    "command": {"type": "list", "elements": "str", "required": True},
    "interval": {"type": "int"},
    "timeout": {"type": "int"},
    "retries": {"type": "int"},
    "start_period": {"type": "int"},
}
LINUX_PARAMETERS: dict[str, Any] = {
    "init_process_enabled": {"type": "bool"},
    "capabilities": {
        "type": "dict",
        "options": {
            "add": {"type": "list", "elements": "str"},
            "drop": {"type": "list", "elements": "str"},
        },
    },
    "tmpfs": {
        "type": "list",
        "elements": "dict",
        "options": {
            "container_path": {"type": "str", "required": True},
            "size": {"type": "int", "required": True},
            "mount_options": {"type": "list", "elements": "str"},
        },
    },
}
LOG_CONFIGURATION: dict[str, Any] = {
    "log_driver": {"type": "str", "choices": ["awslogs", "awsfirelens", "splunk"], "default": "awslogs"},
    "options": {"type": "dict"},
    "secret_options": {"type": "dict", "no_log": False},
}
CONTAINER: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "essential": {"type": "bool", "default": True},
    "cpu": {"type": "int"},
    "memory": {"type": "int"},
    "memory_reservation": {"type": "int"},
    "port": {"type": "int"},
    "environment": {"type": "dict"},
    "sensitive_environment": {"type": "dict", "no_log": True},
    "secrets": {"type": "dict", "no_log": False},
    "command": {"type": "list", "elements": "str"},
    "entry_point": {"type": "list", "elements": "str"},
    "working_directory": {"type": "str"},
    "user": {"type": "str"},
    "readonly_root_filesystem": {"type": "bool", "default": False},
    "start_timeout": {"type": "int"},
    "stop_timeout": {"type": "int"},
    "docker_labels": {"type": "dict"},
    "depends_on": {
        "type": "list",
        "elements": "dict",
        "options": {
            "container_name": {"type": "str", "required": True},
            "condition": {"type": "str", "choices": ["START", "COMPLETE", "SUCCESS", "HEALTHY"], "required": True},
        },
    },
    "health_check": {"type": "dict", "options": HEALTH_CHECK},
    "linux_parameters": {"type": "dict", "options": LINUX_PARAMETERS},
    "log_configuration": {"type": "dict", "options": LOG_CONFIGURATION},
    "mount_points": {
        "type": "list",
        "elements": "dict",
        "options": {
            "source_volume": {"type": "str", "required": True},
            "container_path": {"type": "str", "required": True},
            "read_only": {"type": "bool"},
        },
    },
    "ulimits": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "soft_limit": {"type": "int", "required": True},
            "hard_limit": {"type": "int", "required": True},
        },
    },
}
ARGUMENT_SPEC: dict[str, Any] = {
    "family": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "cpu": {"type": "int", "default": 512},
    "memory": {"type": "int", "default": 1024},
    "cpu_architecture": {"type": "str", "choices": ["X86_64", "ARM64"], "default": "X86_64"},
    "operating_system_family": {"type": "str", "choices": ["LINUX"], "default": "LINUX"},
    "execution_role_arn": {"type": "str"},
    "task_role_arn": {"type": "str"},
    "ephemeral_storage": {"type": "int"},
    "volumes": {"type": "list", "elements": "str"},
    "containers": {"type": "list", "elements": "dict", "options": CONTAINER},
    "keep_revisions": {"type": "int"},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "ecs_task_definition"
REVISION = "ecs_task_definition_revision"


def describe(client: Any, params: Fields) -> Fields:
    found = describe_latest(client, params["family"])
    keep = params["keep_revisions"]
    # Revisions are numbered from 1, so a low number tells that there cannot be too many.
    if found and (params["state"] == "absent" or (keep is not None and found["revision"] >= keep)):
        found["active_revisions"] = list_active_revisions(client, params["family"])
    return found


@TaskDefinitionErrors.list_error_handler("describe the task definition", {})
def describe_latest(client: Any, family: str) -> Fields:
    answer = client.describe_task_definition(taskDefinition=family, include=["TAGS"])
    found = answer["taskDefinition"]
    if found["status"] != "ACTIVE":
        return {}
    return {
        "family": family,
        "arn": found["taskDefinitionArn"],
        "revision": found["revision"],
        "definition": normal_form(found),
        "tags": as_dict(answer.get("tags")),
    }


@TaskDefinitionErrors.common_error_handler("list the revisions of the task definition")
def list_active_revisions(client: Any, family: str) -> list[int]:
    pages = client.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE")
    names = [arn.rsplit("/", 1)[1].rsplit(":", 1) for page in pages for arn in page["taskDefinitionArns"]]
    return sorted(int(revision) for name, revision in names if name == family)


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    refuse_impossible_task(params)
    if params["keep_revisions"] is not None and params["keep_revisions"] < 1:
        raise PlanRefusedError(f"keep_revisions is {params['keep_revisions']}: keep at least 1, or leave it out.")
    request = registration(params)
    desired = normal_form(request)
    before, after = shown_difference(current.get("definition", {}), desired, sensitive_paths(params))
    if before or after:
        return plan_revision(current, params, request, (before, after))
    return plan_tags(current, params)


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current:
        return Plan({})
    revisions = current["active_revisions"]
    return Plan({}, deregistrations(params["family"], revisions))


def plan_revision(current: Fields, params: Fields, request: Fields, difference: tuple[Fields, Fields]) -> Plan:
    before, after = difference
    family, tags = params["family"], desired_tags(current, params)
    result = {
        "family": family,
        "arn": KNOWN_AFTER_APPLY,
        "revision": KNOWN_AFTER_APPLY,
        "definition": normal_form(request),
        "tags": tags,
    }
    if current:
        before, after = {"revision": current["revision"], **before}, {"revision": KNOWN_AFTER_APPLY, **after}
    else:
        after = {"family": family, **after, "tags": tags}
    action = Action.UPDATE if current else Action.CREATE
    changes = [Change(action, RESOURCE, family, before, after, call={**request, "tags": as_list(tags)})]
    surplus = surplus_revisions(current, params, registered=1)
    return Plan(result, (*changes, *deregistrations(family, surplus)))


def plan_tags(current: Fields, params: Fields) -> Plan:
    changes = []
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    after = {"tags": tags_after(current["tags"], to_set, to_remove)}
    if to_set or to_remove:
        before, call = {"tags": current["tags"]}, (current["arn"], to_set, to_remove)
        changes.append(Change(Action.UPDATE, RESOURCE, params["family"], before, after, call=call))
    surplus = surplus_revisions(current, params, registered=0)
    return Plan({**current, **after}, (*changes, *deregistrations(params["family"], surplus)))


def desired_tags(current: Fields, params: Fields) -> dict[str, str]:
    present = current.get("tags", {})
    return tags_after(present, *tag_differences(present, params["tags"], params["purge_tags"]))


def surplus_revisions(current: Fields, params: Fields, registered: int) -> list[int]:
    """Returns the oldest active revisions that are too many once ``registered`` new ones exist."""
    keep, active = params["keep_revisions"], current.get("active_revisions", [])
    return [] if keep is None else active[: max(0, len(active) + registered - keep)]


def deregistrations(family: str, revisions: list[int]) -> tuple[Change, ...]:
    """A revision that goes is a resource of its own beside the family that stays."""
    return tuple(
        Change(Action.DELETE, REVISION, f"{family}:{revision}", before={"revision": revision}) for revision in revisions
    )


@TaskDefinitionErrors.common_error_handler("change the task definition")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            client.deregister_task_definition(taskDefinition=change.name)
        elif isinstance(change.call, dict):
            when_usable(client.register_task_definition)(**change.call)
        else:
            change_tags(client, *change.call)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["containers"])],
        supports_check_mode=True,
    )
    client = aws_client(module, "ecs")
    run(
        module,
        "task_definition",
        describe=lambda: describe(client, module.params),
        plan=guarded(
            f"task definition {module.params['family']}", module.params, lambda current: plan(current, module.params)
        ),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
