#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_task_run
version_added: 0.1.0
short_description: Run a command as a task on AWS Fargate and return its exit code
description:
  - Starts one task, shows its log as it comes, waits for its end, and fails when the command's exit code is not 0.
  - The task has the image, the environment, the secrets and the roles of a task definition, and the network of a
    service or the one that is given.
  - Every run starts a task. Interrupting the run does not stop it.
author:
  - Gatehouse contributors (@gatehouse)
options:
  cluster:
    description: Name or ARN of the cluster.
    type: str
    required: true
  service:
    description: Service whose settings the task has, unless others are given.
    type: str
    default: ""
  task_definition:
    description: Family, family and revision, or ARN of the task definition. The service's own by default.
    type: str
    default: ""
  container:
    description:
      - Container of the task definition that runs the command.
      - By default the one behind the service's load balancer, else the first.
    type: str
  cmd:
    description:
      - The command, split into words as a shell would, but run by none. Words with spaces need quotes.
      - It takes the place of the image's C(CMD) and is handed to the image's C(ENTRYPOINT), which AWS cannot
        replace for one task.
      - AWS keeps it in clear text, in what it tells of the task and in CloudTrail; prefer secrets of the task
        definition. Of what O(sensitive_variables) and O(sensitive_values) name, results show nothing.
    type: str
  argv:
    description: The same as a list of words.
    type: list
    elements: str
  subnets:
    description: Ids of the subnets.
    type: list
    elements: str
    default: []
  security_groups:
    description: Ids of the security groups.
    type: list
    elements: str
    default: []
  assign_public_ip:
    description: Whether the task gets a public address. As the service by default.
    type: bool
  platform_version:
    description: Platform version of Fargate. As the service by default.
    type: str
    default: ""
  unless_deployed:
    description:
      - Whether to run nothing when O(service) has O(task_definition) already.
      - For commands that go before a rollout, so that a run without one stays without a task.
    type: bool
    default: false
  sensitive_variables:
    description:
      - Names of environment variables of the task definition whose values are masked in log lines and in the command.
      - Values of its secrets are known to the container alone. What the container logs of them is shown as it is.
    type: list
    elements: str
    default: []
  sensitive_values:
    description: More that is masked there, such as what a vault put into O(cmd).
    type: list
    elements: str
    default: []
  tags:
    description: Tags of the task, beside those of its task definition.
    type: dict
    default: {}
  timeout:
    description: Seconds after which the task is stopped and counts as failed.
    type: int
    default: 3600
  live_output:
    description: Whether to show the log while the module waits, when it runs on this machine.
    type: bool
    default: true
  progress_path:
    description: File that gains the log's lines while the module waits. O(live_output) sets it by itself.
    type: path
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
attributes:
  idempotent:
    description: A second run with the same options changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Migrate the database
  gatehouse.fargate.ecs_task_run:
    cluster: hello-dev
    service: hello-dev
    cmd: /app migrate --to latest

- name: Migrate with the next release before the service has it
  gatehouse.fargate.ecs_task_run:
    cluster: hello-dev
    service: hello-dev
    task_definition: "{{ registered.task_definition.arn }}"
    argv: [/app, migrate]
"""

RETURN = r"""
task_run:
  description: The task and what became of it, or what would run in check mode.
  returned: success
  type: dict
  contains:
    id:
      description: Id of the task, or C((known after apply)); empty when none was run because of O(unless_deployed).
      type: str
    task_definition:
      description: ARN or name of its task definition.
      type: str
    container:
      description: Container that ran the command.
      type: str
    command:
      description: The words of the command, masked.
      type: list
      elements: str
    exit_code:
      description: Exit code of the command.
      type: int
    log_group:
      description: Log group of the container, empty when it does not log to CloudWatch Logs.
      type: str
    log_stream:
      description: Log stream of the container.
      type: str
    lines:
      description: The last 30 lines of the log, masked.
      type: list
      elements: str
rc:
  description: Exit code of the command, empty when it was never run.
  returned: when the task failed
  type: int
failure:
  description: The task in the same form as RV(task_run), with C(status), C(reason), C(stop_code) and C(stopped_reason).
  returned: when the task failed
  type: dict
changes:
  description: What was run, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(create).
      type: str
    resource:
      description: V(ecs_task).
      type: str
    name:
      description: Task definition and command.
      type: str
    before:
      description: Nothing.
      type: dict
    after:
      description: Task definition, container and command.
      type: dict
"""

import shlex
from typing import Any
from uuid import uuid4

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import TaskDefinitionErrors
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.masking import forms, secret_values
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.release_api import read_service
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.task_api import (
    Log,
    TaskNotStartedError,
    follow,
    identifier,
    start,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.task_runs import (
    container_of,
    failure,
    log_of,
    problem,
    refuse_incomplete,
    run_request,
    settings,
    shown,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    is_known,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "cluster": {"type": "str", "required": True},
    "service": {"type": "str", "default": ""},
    "task_definition": {"type": "str", "default": ""},
    "container": {"type": "str"},
    "cmd": {"type": "str"},
    "argv": {"type": "list", "elements": "str"},
    "subnets": {"type": "list", "elements": "str", "default": []},
    "security_groups": {"type": "list", "elements": "str", "default": []},
    "assign_public_ip": {"type": "bool"},
    "platform_version": {"type": "str", "default": ""},
    "unless_deployed": {"type": "bool", "default": False},
    "sensitive_variables": {"type": "list", "elements": "str", "default": []},
    "sensitive_values": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "tags": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 3600},
    "live_output": {"type": "bool", "default": True},
    "progress_path": {"type": "path"},
}

NO_DEFINITION: Fields = {"definition": {}, "deployed": False}


def describe(client: Any, params: Fields) -> Fields:
    """Returns the settings that the task will have, as far as they are known yet."""
    wanted = params["service"] and is_known(params["cluster"])
    service = read_service(client, params["cluster"], params["service"]) if wanted else {}
    planned = {**settings(service, params), "secrets": forms(params["sensitive_values"])}
    definition = read_definition(client, planned["task_definition"]) if is_known(planned["task_definition"]) else {}
    if not definition:
        return {**planned, **NO_DEFINITION, "container": params["container"] or KNOWN_AFTER_APPLY}
    container = container_of(definition, params["container"], service)
    return {
        **planned,
        "task_definition": definition["taskDefinitionArn"],
        "container": container["name"],
        "definition": container,
        "secrets": forms([*params["sensitive_values"], *secret_values(definition, params["sensitive_variables"])]),
        "deployed": definition["taskDefinitionArn"] == service.get("taskDefinition"),
    }


@TaskDefinitionErrors.list_error_handler("describe the task definition", {})
def read_definition(client: Any, name: str) -> Fields:
    return dict(client.describe_task_definition(taskDefinition=name)["taskDefinition"])


def plan(current: Fields, params: Fields) -> Plan:
    planned = {**current, "command": words(params)}
    refuse_incomplete(planned, params)
    if not planned["definition"] and is_known(planned["task_definition"]):
        raise PlanRefusedError(f"task_definition is {planned['task_definition']}, and there is none of this name.")
    told = shown(planned)
    if params["unless_deployed"] and planned["deployed"]:
        return Plan({"id": "", **told})
    name = f"{planned['task_definition'].rsplit('/', 1)[-1]} {shlex.join(told['command'])}"
    return Plan({"id": KNOWN_AFTER_APPLY, **told}, (Change(Action.CREATE, "ecs_task", name, after=told, call=planned),))


def words(params: Fields) -> list[str]:
    try:
        return params["argv"] if params["argv"] is not None else shlex.split(params["cmd"])
    except ValueError as error:
        raise PlanRefusedError(f"cmd is '{params['cmd']}', which cannot be split into words: {error}.") from error


def apply(module: AnsibleAWSModule, client: Any, planned: Fields) -> Fields:
    """Runs the task to its end; fails the module when the command does not succeed."""
    params = module.params
    try:
        task = start(client, run_request(params, planned, str(uuid4())))
    except TaskNotStartedError as error:
        module.fail_json(msg=str(error))
    place = log_of(planned["definition"], identifier(task))
    log = Log(aws_client(module, "logs", region=place["region"]) if place else None, place, planned["secrets"])
    with Progress(params["progress_path"], "waiting for the task") as progress:
        ended = follow(client, task, planned["container"], log, progress, params["timeout"])
    trouble, lines = problem(ended, params["timeout"]), list(log.last)
    stream = {"log_group": place.get("group", ""), "log_stream": place.get("stream", ""), "lines": lines}
    if trouble:
        message = failure(planned, ended, trouble, lines)
        module.fail_json(msg=message, rc=ended["exit_code"], failure={**ended, **shown(planned), **stream})
    return {"id": ended["id"], **shown(planned), "exit_code": ended["exit_code"], **stream}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("cmd", "argv")],
        required_one_of=[("cmd", "argv")],
        supports_check_mode=True,
    )
    client = aws_client(module, "ecs")
    ran: Fields = {}
    run(
        module,
        "task_run",
        describe=lambda: ran or describe(client, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: ran.update(apply(module, client, planned.changes[0].call)),
    )


if __name__ == "__main__":
    main()
