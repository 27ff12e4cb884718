# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: scaling_problems
version_added: 0.1.0
short_description: Say why a service cannot be scaled as declared
description:
  - Checks what M(gatehouse.fargate.application_autoscaling) would refuse, before anything is created. Needs no AWS.
author:
  - Gatehouse contributors (@gatehouse)
options:
  _input:
    description: Options of the module that say how the service is scaled.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse limits that cannot be
  ansible.builtin.assert:
    that: scaling | gatehouse.fargate.scaling_problems | length == 0
  vars:
    scaling: {min_capacity: 1, max_capacity: 4, cpu: 60}
"""

RETURN = r"""
_value:
  description: One sentence for each problem, empty when there is none.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._autoscaling.scaling import problems


def scaling_problems(scaling: dict[str, Any]) -> list[str]:
    return list(problems(scaling))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"scaling_problems": scaling_problems}
