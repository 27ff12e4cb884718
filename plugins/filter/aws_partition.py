# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_partition
version_added: 0.1.0
short_description: Tell the AWS partition of a region
description:
  - Looks the region up in botocore's own data, without a request to AWS.
author:
  - Gatehouse contributors (@gatehouse)
options:
  _input:
    description: A region.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write an ARN that is right in China as well
  ansible.builtin.debug:
    msg: "arn:{{ 'cn-north-1' | gatehouse.fargate.aws_partition }}:s3:::my-bucket"
"""

RETURN = r"""
_value:
  description: The partition, such as V(aws) or V(aws-cn); empty for a region that botocore does not know.
  type: str
"""

import json
import pkgutil
from functools import cache
from typing import Any

from ansible.errors import AnsibleFilterError


@cache
def partitions() -> dict[str, str]:
    """Returns the partition of every region, from the file in which botocore lists them.

    Every task that asks does so in a new process: to import botocore's session there and load its endpoints took 0.4 s.
    """
    listed = json.loads(pkgutil.get_data("botocore", "data/partitions.json") or "{}")
    return {
        region: partition["id"]
        for partition in listed["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    }


def aws_partition(region: str) -> str:
    try:
        return partitions().get(str(region), "")
    except ImportError as error:
        raise AnsibleFilterError("aws_partition needs the Python package botocore") from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"aws_partition": aws_partition}
