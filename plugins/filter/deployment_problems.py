# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_problems
version_added: 0.1.0
short_description: Say why a service cannot be deployed with a declared strategy
description:
  - Checks what M(gatehouse.fargate.ecs_service) would refuse, before anything is created. Needs no AWS.
author:
  - Gatehouse contributors (@gatehouse)
options:
  _input:
    description: Options of the module that say how its traffic moves; none is needed.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse steps that cannot be
  ansible.builtin.assert:
    that: deployment | gatehouse.fargate.deployment_problems | length == 0
  vars:
    deployment: {strategy: CANARY, canary_configuration: {canary_percent: 10}}
"""

RETURN = r"""
_value:
  description: One sentence for each problem, empty when there is none.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import problems


def deployment_problems(deployment: dict[str, Any]) -> list[str]:
    return list(problems(deployment))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"deployment_problems": deployment_problems}
