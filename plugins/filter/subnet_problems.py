# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: subnet_problems
version_added: 0.1.0
short_description: Say why a VPC cannot be divided as wanted
description:
  - Checks the range of a VPC and, where they are given, the ranges of its subnets. Needs no AWS.
author:
  - Gatehouse contributors (@gatehouse)
positional: zones, public, private
options:
  _input:
    description: Address range of the VPC.
    type: str
    required: true
  zones:
    description: Number of availability zones.
    type: int
    required: true
  public:
    description: Ranges of the public subnets.
    type: list
    elements: str
    default: []
  private:
    description: Ranges of the private subnets.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse ranges that cannot work
  ansible.builtin.assert:
    that: "{{ '10.0.0.0/16' | gatehouse.fargate.subnet_problems(2) | length == 0 }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem, empty when there is none.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.subnets import problems


def subnet_problems(
    cidr: object, zones: int, public: list[str] | None = None, private: list[str] | None = None
) -> list[str]:
    return problems(cidr, zones, public or [], private or [])


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"subnet_problems": subnet_problems}
