#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: account_info
version_added: 0.1.0
short_description: Tell whose account this is and what the region offers it
description:
  - Asks AWS for the account of the credentials and for the availability zones that it has in the region.
  - Both questions need working credentials, so this is also the check that there are some.
author:
  - Gatehouse contributors (@gatehouse)
options:
  availability_zones:
    description: Whether to ask for the availability zones.
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
- name: Ask AWS who we are
  gatehouse.fargate.account_info:
    region: eu-west-1
  register: asked

- name: Show the account
  ansible.builtin.debug:
    msg: "{{ asked.account.id }}"
"""

RETURN = r"""
account:
  description: The account and its share of the region.
  returned: success
  type: dict
  contains:
    id:
      description: Number of the account.
      type: str
      sample: "111122223333"
    arn:
      description: Who asks, the ARN of a user or of an assumed role.
      type: str
    partition:
      description: Partition of the account, like V(aws) or V(aws-cn).
      type: str
    availability_zones:
      description:
        - Names of the available availability zones of the region, sorted; local and wavelength zones are none.
        - Empty unless O(availability_zones).
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.zones import read_zones

ARGUMENT_SPEC: dict[str, Any] = {"availability_zones": {"type": "bool", "default": True}}


@AWSErrorHandler.common_error_handler("find out the account")
def read_caller(client: Any) -> dict[str, str]:
    caller = client.get_caller_identity()
    return {"id": caller["Account"], "arn": caller["Arn"], "partition": caller["Arn"].split(":")[1]}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        caller = read_caller(aws_client(module, "sts"))
        zones = read_zones(aws_client(module, "ec2")) if module.params["availability_zones"] else []
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    module.exit_json(changed=False, account={**caller, "availability_zones": zones})


if __name__ == "__main__":
    main()
