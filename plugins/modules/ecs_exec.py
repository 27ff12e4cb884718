#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_exec
version_added: 0.1.0
short_description: Open a shell or run a command in a running container, after checking everything that takes
description:
  - Checks what a session of Amazon ECS Exec needs, on this machine and in the account, and fails with all that is wrong
    and what to do about each.
  - Then opens a shell in the terminal of the playbook, or runs a command and returns its output.
  - The session's token is handed to the Session Manager plugin in its environment, never as an argument.
  - Runs on the machine that has the terminal and the plugin, which is the controller.
author:
  - Gatehouse contributors (@gatehouse)
requirements:
  - The Session Manager plugin of AWS, newer than 1.2.497.0
options:
  cluster:
    description: Name or ARN of the cluster.
    type: str
    required: true
  service:
    description: Name of the service.
    type: str
    required: true
  task:
    description: Id of the task. The newest one that takes sessions by default.
    type: str
    default: ""
  container:
    description: Name of the container. By default the one behind the service's load balancer, else the first.
    type: str
  cmd:
    description:
      - Command to run without a person.
      - ECS Exec tells no exit code; use M(gatehouse.fargate.ecs_task_run) where it matters.
      - Empty opens O(shell) in the terminal.
    type: str
    default: ""
  shell:
    description: Program that a person gets.
    type: str
    default: /bin/sh
  timeout:
    description: Seconds after which O(cmd) is given up.
    type: int
    default: 600
  plugin:
    description: The Session Manager plugin, as name or path.
    type: str
    default: session-manager-plugin
  terminal:
    description: Device of the terminal. Found by itself when the module runs on this machine.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
"""

EXAMPLES = r"""
- name: Open a shell
  gatehouse.fargate.ecs_exec:
    cluster: hello-dev
    service: hello-dev

- name: See the processes
  gatehouse.fargate.ecs_exec:
    cluster: hello-dev
    service: hello-dev
    cmd: ps aux
  register: processes
"""

RETURN = r"""
session:
  description: What was entered, or would be in check mode.
  returned: success
  type: dict
  contains:
    task:
      description: Id of the task.
      type: str
    container:
      description: Name of the container.
      type: str
    command:
      description: What ran.
      type: str
stdout:
  description: What O(cmd) printed, with the plugin's own lines around it; empty after a shell.
  returned: success
  type: str
problems:
  description: What stands in the way.
  returned: when something does
  type: list
  elements: dict
  contains:
    problem:
      description: What is wrong.
      type: str
    remedy:
      description: What to do about it.
      type: str
"""

from functools import cache
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_api import find_out, open_session
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_checks import (
    Facts,
    identifier,
    problems,
    told,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_session import (
    Session,
    captured,
    hand_over,
    target_of,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

ARGUMENT_SPEC: dict[str, Any] = {
    "cluster": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "task": {"type": "str", "default": ""},
    "container": {"type": "str"},
    "cmd": {"type": "str", "default": ""},
    "shell": {"type": "str", "default": "/bin/sh"},
    "timeout": {"type": "int", "default": 600},
    "plugin": {"type": "str", "default": "session-manager-plugin"},
    "terminal": {"type": "str", "default": ""},
}


def check(module: AnsibleAWSModule, clients: Any) -> Facts:
    """Returns the facts when nothing stands in the way, else fails the module with everything that does."""
    facts = find_out(clients, module.params)
    found = problems(facts)
    if found:
        module.fail_json(msg=told(module.params["service"], found), problems=[problem.shown() for problem in found])
    return facts


def enter(module: AnsibleAWSModule, client: Any, facts: Facts, command: str) -> str:
    """Runs a session to its end; returns what a command printed."""
    session = opened(module, client, facts, command)
    if not module.params["cmd"]:
        code: int | None = hand_over(session, module.params["terminal"])
        output = ""
    else:
        code, output = captured(session, module.params["timeout"])
    if code is None:
        module.fail_json(msg=f"The command was not over after {module.params['timeout']} s: {command}", stdout=output)
    if code:
        module.fail_json(msg=f"{session.plugin} ended with code {code}: {output.strip() or 'see above'}", stdout=output)
    return output


def opened(module: AnsibleAWSModule, client: Any, facts: Facts, command: str) -> Session:
    answer = open_session(client, facts, command)
    # Should anything ever print it after all.
    module.no_log_values.add(answer["session"]["tokenValue"])
    return Session(
        plugin=module.params["plugin"],
        region=client.meta.region_name,
        profile=module.params["profile"] or "",
        target=target_of(answer, facts.state.get("runtimeId", "")),
        endpoint=client.meta.endpoint_url,
        token=answer["session"],
    )


def run(module: AnsibleAWSModule) -> Fields:
    clients = cache(lambda service: aws_client(module, service))
    facts = check(module, clients)
    command = module.params["cmd"] or module.params["shell"]
    session = {"task": identifier(facts.task), "container": facts.container["name"], "command": command}
    output = "" if module.check_mode else enter(module, clients("ecs"), facts, command)
    return {"changed": True, "session": session, "stdout": output}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = run(module)
    except PlanRefusedError as error:
        module.fail_json(msg=str(error))
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
