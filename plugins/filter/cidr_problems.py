# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cidr_problems
version_added: 0.1.0
short_description: Say which of some address ranges are none
description:
  - Checks a list of IPv4 and IPv6 address ranges.
author:
  - Gatehouse contributors (@gatehouse)
options:
  _input:
    description: Address ranges.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what is no address range
  ansible.builtin.assert:
    that: "{{ ['203.0.113.0/24'] | gatehouse.fargate.cidr_problems | length == 0 }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem, empty when there is none.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.subnets import range_problems


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"cidr_problems": range_problems}
