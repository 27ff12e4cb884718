#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_releases_info
version_added: 0.1.0
short_description: List the releases of an Amazon ECS service
description:
  - A release is an active revision of the task definition of a service.
  - Everything is read from what AWS keeps by itself. The task definition tells the image, and when and by whom it was
    registered; the service deployments of the last 90 days tell how it went.
  - Lists the 50 newest.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the service.
    type: str
    required: true
  cluster:
    description: Name or ARN of its cluster.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
attributes:
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: See what the service can go back to
  gatehouse.fargate.ecs_releases_info:
    name: hello-dev
    cluster: hello-dev
  register: found

- name: Show the good ones
  ansible.builtin.debug:
    msg: "{{ found.releases | selectattr('verdict', 'in', ['succeeded', 'served']) | map(attribute='name') }}"
"""

RETURN = r"""
releases:
  description: The releases, newest first; none when there is no such service.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Family and revision of the task definition, which is the release's name.
      type: str
      sample: hello-dev:7
    revision:
      description: Number of the revision.
      type: int
    task_definition:
      description: ARN of the task definition.
      type: str
    digest:
      description: Digest of the image behind the load balancer, or of the first container; empty when unknown.
      type: str
    images:
      description: Images of all containers.
      type: list
      elements: str
    missing_images:
      description: Those that an ECR repository of this account and region does not hold any more.
      type: list
      elements: str
    registered_at:
      description: When the task definition was registered.
      type: str
    registered_by:
      description: ARN of the principal that registered it, as ECS recorded it.
      type: str
    deployed_at:
      description: When its last deployment ended or, while that is under way, began; empty when ECS knows of none.
      type: str
    verdict:
      description:
        - V(succeeded), V(failed), V(stopped) or V(in_progress) is how its last deployment stands.
        - V(served) means that a later deployment started from it and that ECS has forgotten its own.
        - V(unknown) means that ECS knows of no deployment.
      type: str
    reason:
      description: What ECS says about the verdict.
      type: str
    current:
      description: Whether the service is to run it now.
      type: bool
lines:
  description: The same as people read it, the current release marked.
  returned: success
  type: list
  elements: str
  sample:
    - "* hello-dev:7  sha256:0123  2026-11-22T13:34:00+00:00  succeeded  user/alice"
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.release_api import read_releases, read_service
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.releases import table

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    ecs, ecr = aws_client(module, "ecs"), aws_client(module, "ecr")
    try:
        service = read_service(ecs, module.params["cluster"], module.params["name"])
        found = read_releases(ecs, ecr, service) if service else []
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    module.exit_json(changed=False, releases=found, lines=table(found))


if __name__ == "__main__":
    main()
