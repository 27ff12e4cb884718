#!/usr/bin/python
# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_resources_info
version_added: 0.1.0
short_description: List everything that belongs to a Gatehouse stack
description:
  - Looks for every kind of resource that Gatehouse makes, by the tag C(gatehouse:stack) and by the names it gives, and
    asks the account's tagging index for anything else that carries the tag.
  - Before a stack is removed this is the list of what will go; an empty list afterwards proves that nothing stayed.
  - A resource of the stack's name that carries another stack's tag belongs to that one and is not listed.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  domain:
    description: Domain of the stack. Without it, zone, records, certificates and the login's domain are not looked for.
    type: str
    default: ""
  log_bucket:
    description: Name of the load balancer's log bucket. Without it the name that Gatehouse gives.
    type: str
    default: ""
  kinds:
    description: Kinds to look for. Without any, all of them, and whatever else carries the tag.
    type: list
    elements: str
    choices:
      - certificate
      - dns_record
      - dns_zone
      - ecr_repository
      - ecs_cluster
      - ecs_service
      - ecs_task_definition
      - elastic_ip
      - iam_role
      - internet_gateway
      - load_balancer
      - log_bucket
      - log_group
      - login_domain
      - nat_gateway
      - route_table
      - alarm
      - scalable_target
      - security_group
      - subnet
      - target_group
      - user_pool
      - vpc
      - vpc_endpoint
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Runs without changing anything and returns what would change.
    support: full
  diff_mode:
    description: Shows the affected fields before and after, secrets masked.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: What does the stack hello-dev consist of?
  gatehouse.fargate.stack_resources_info:
    name: hello-dev
    domain: hello.example.com
    region: ap-northeast-1
  register: stack

- name: Show it
  ansible.builtin.debug:
    msg: "{{ stack.resources | map(attribute='name') }}"
"""

RETURN = r"""
resources:
  description: The resources, in the order in which they can be removed.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of resource, one of O(kinds), or the name of an AWS service.
      type: str
      sample: load_balancer
    name:
      description: Name of the resource, its id when it has none.
      type: str
      sample: hello-dev
    id:
      description: ARN or id. Of a record the id of its zone, of a login domain that of its user pool.
      type: str
      sample: vpc-0123456789abcdef0
    found_by:
      description:
        - Whether it carries the stack's V(tag), has its V(name) and no owner, is in its V(zone), or is of another kind
          and known to the account's tagging V(index), which takes minutes to forget what was deleted.
      type: str
      sample: tag
    foreign:
      description: Whether Gatehouse cannot have made it as it is; the tag is missing, or it is an unknown record.
      type: bool
      sample: false
    protected:
      description: Whether AWS protects it from deletion.
      type: bool
      sample: false
    holds:
      description: What is in a repository or a bucket that is not empty.
      type: str
      sample: images
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, clients_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import BotoCoreError, ClientError
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.finders import FINDERS
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import OWNER_TAG, Stack, others

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "domain": {"type": "str", "default": ""},
    "log_bucket": {"type": "str", "default": ""},
    "kinds": {"type": "list", "elements": "str", "default": [], "choices": sorted(FINDERS)},
}


def connect(module: AnsibleAWSModule) -> Stack:
    params = module.params
    client = clients_of(lambda service, region: aws_client(module, service, region=region), module.region)
    caller = client("sts").get_caller_identity()
    bucket = params["log_bucket"] or f"{params['name']}-alb-logs-{caller['Account']}-{module.region}"
    partition = caller["Arn"].split(":")[1]
    return Stack(params["name"], params["domain"], module.region, partition, bucket, client)


def find(stack: Stack, kinds: list[str]) -> list[Fields]:
    found = [one for kind, finder in FINDERS.items() if not kinds or kind in kinds for one in finder(stack)]
    return found if kinds else [*others(tagged(stack), found), *found]


def tagged(stack: Stack) -> list[str]:
    pages = stack.client("resourcegroupstaggingapi").get_paginator("get_resources")
    answer = pages.paginate(TagFilters=[{"Key": OWNER_TAG, "Values": [stack.name]}])
    return [one["ResourceARN"] for page in answer for one in page["ResourceTagMappingList"]]


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        found = find(connect(module), module.params["kinds"])
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Failed to list the resources of the stack")
    else:
        module.exit_json(changed=False, resources=found)


if __name__ == "__main__":
    main()
