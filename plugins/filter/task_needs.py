# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: task_needs
version_added: 0.1.0
short_description: Tell what a Fargate task needs of AWS
description:
  - Derives from the secrets and sidecars of a task which AWS services it calls and what its roles must be allowed
    to read.
  - The roles C(network_endpoints) and C(ecs_service) both use it, so that endpoints and permissions fit together.
author:
  - Gatehouse contributors (@gatehouse)
positional: sidecars, exec, region
options:
  _input:
    description: Environment variables of the app, each with the ARN of a Secrets Manager secret or an SSM parameter.
    type: dict
    required: true
  sidecars:
    description: Containers beside the app, of which C(image), C(secrets) and C(aws_services) count.
    type: list
    elements: dict
    required: true
  exec:
    description: Whether ECS Exec may open a shell.
    type: bool
    required: true
  region:
    description: Region of the task.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the endpoints that a closed network needs
  ansible.builtin.debug:
    msg: "{{ (stack_secrets | gatehouse.fargate.task_needs([], true, 'eu-west-1')).services }}"
"""

RETURN = r"""
_value:
  description: What the task needs.
  type: dict
  contains:
    services:
      description: AWS services that the task calls, by the names of their endpoints.
      type: list
      elements: str
      sample: [ecr.api, ecr.dkr, logs, ssmmessages]
    secret_arns:
      description: Secrets of Secrets Manager that are read.
      type: list
      elements: str
    parameter_arns:
      description: Parameters of the SSM Parameter Store that are read.
      type: list
      elements: str
    repository_arns:
      description: ECR repositories from which sidecars are pulled.
      type: list
      elements: str
    unreachable_images:
      description: Images of sidecars that a network without a way out cannot pull.
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.filter.aws_partition import aws_partition
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.needs import needs


def task_needs(secrets: dict[str, str], sidecars: list[dict[str, Any]], exec: bool, region: str) -> dict[str, Any]:
    return needs(secrets, sidecars, exec, region, aws_partition(region))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"task_needs": task_needs}
