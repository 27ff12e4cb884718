#!/usr/bin/python
# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_doctor_info
version_added: 0.1.0
short_description: Explain whether packets and permissions of a Gatehouse stack find their way
description:
  - Reads what an account says of a stack and judges each link that a request or a task needs. From clients to the load
    balancer, to the login, to the tasks, from the tasks to each AWS service, and the permissions of the roles.
  - Every broken link names the rule, route or policy that breaks it and what to change.
  - It only reads. AWS's managed policy C(ReadOnlyAccess) is enough. What the caller may not read is told as
    not checked.
  - Permissions are judged by IAM's own simulator, packets by the rules of AWS for security groups, network ACLs and
    routes. A network ACL that denies less than a hundredth of what has to pass is taken to mean it.
  - VPC Reachability Analyzer is not used, since each of its analyses creates resources and costs money.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  domain:
    description: Domain of the stack.
    type: str
    required: true
  parent_domain:
    description: Domain whose zone leads to that of the stack. Looked at if the zone is in this account.
    type: str
    default: ""
  https_cidrs:
    description: Address ranges of the clients that have to reach port 443. IPv6 ranges are passed over.
    type: list
    elements: str
    default: [0.0.0.0/0]
  http_cidrs:
    description: Address ranges of the clients that have to reach port 80. IPv6 ranges are passed over.
    type: list
    elements: str
    default: [0.0.0.0/0]
  nat:
    description: Whether the tasks reach what has no endpoint through a NAT gateway.
    type: bool
    default: false
  login:
    description: Whether the load balancer has to ask for a login.
    type: bool
    default: true
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
- name: Why does hello-dev not answer?
  gatehouse.fargate.stack_doctor_info:
    name: hello-dev
    domain: hello.example.com
    region: ap-northeast-1
  register: doctor

- name: Show it
  ansible.builtin.debug:
    msg: "{{ doctor.report }}"
"""

RETURN = r"""
links:
  description: The links, in the order of a request. One that is broken in several places has an entry for each.
  returned: always
  type: list
  elements: dict
  contains:
    from:
      description: Where the link begins.
      type: str
      sample: load balancer
    to:
      description: Where it leads.
      type: str
      sample: tasks:3000
    ok:
      description: Whether it is whole, or none if that could not be judged.
      type: bool
      sample: false
    broken_at:
      description: The rule, route, policy or resource that breaks it, or why it could not be judged.
      type: str
      sample: "sg-0b1 (hello-dev-service): no inbound rule lets TCP 3000 in from sg-0a1 (hello-dev-alb)"
    remedy:
      description: What to change.
      type: str
      sample: "add an inbound rule to sg-0b1: TCP 3000 from sg-0a1 (hello-dev-alb)"
report:
  description:
    - The same for people, C(broken) with what is wrong at which place and what to do, C(not checked) with the reason,
      C(ok) with the ends of healthy links, and a C(summary).
  returned: always
  type: dict
  sample:
    ok: {client: "load balancer:443, load balancer:80"}
    summary: hello-dev has 2 links, all of them fine
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, clients_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.account import gather
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.links import judge, links_of, report
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.oracle import Oracle
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import Declared
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import BotoCoreError, ClientError
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import Stack

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "domain": {"type": "str", "required": True},
    "parent_domain": {"type": "str", "default": ""},
    "https_cidrs": {"type": "list", "elements": "str", "default": ["0.0.0.0/0"]},
    "http_cidrs": {"type": "list", "elements": "str", "default": ["0.0.0.0/0"]},
    "nat": {"type": "bool", "default": False},
    "login": {"type": "bool", "default": True},
}


def examine(module: AnsibleAWSModule) -> list[Fields]:
    params = module.params
    client = clients_of(lambda service, region: aws_client(module, service, region=region), module.region)
    caller = client("sts").get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    stack = Stack(params["name"], params["domain"], module.region, partition, "", client)
    declared = Declared(
        name=params["name"],
        domain=params["domain"],
        parent_domain=params["parent_domain"],
        region=module.region,
        partition=partition,
        account=caller["Account"],
        https_cidrs=tuple(params["https_cidrs"]),
        http_cidrs=tuple(params["http_cidrs"]),
        nat=params["nat"],
        login=params["login"],
    )
    return judge(links_of(gather(stack, declared), Oracle(client("iam"))))


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        links = examine(module)
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Failed to examine the stack")
    else:
        module.exit_json(changed=False, links=links, report=report(module.params["name"], links))


if __name__ == "__main__":
    main()
