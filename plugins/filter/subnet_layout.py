# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: subnet_layout
version_added: 0.1.0
short_description: Carve the address range of a VPC into public and private subnets
description:
  - Divides the range into equal parts in order, the public subnets first, one of each for every availability zone.
  - A V(/16) becomes subnets of V(/20). Smaller ranges are divided as finely as a load balancer allows.
author:
  - Gatehouse contributors (@gatehouse)
positional: zones, public, private
options:
  _input:
    description: Address range of the VPC.
    type: str
    required: true
  zones:
    description: Availability zones.
    type: list
    elements: str
    required: true
  public:
    description: Ranges of the public subnets, to be taken as they are.
    type: list
    elements: str
    default: []
  private:
    description: Ranges of the private subnets, to be taken as they are.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the subnets
  ansible.builtin.debug:
    msg: "{{ '10.0.0.0/16' | gatehouse.fargate.subnet_layout(['ap-northeast-1a', 'ap-northeast-1c']) }}"
"""

RETURN = r"""
_value:
  description: Lists of C(cidr) and C(availability_zone) under V(public) and V(private).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.subnets import layout


def subnet_layout(
    cidr: str, zones: list[str], public: list[str] | None = None, private: list[str] | None = None
) -> dict[str, Any]:
    try:
        return dict(layout(cidr, zones, public or [], private or []))
    except ValueError as error:
        raise AnsibleFilterError(f"subnet_layout: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"subnet_layout": subnet_layout}
