# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: task_problems
version_added: 0.1.0
short_description: Say why Fargate cannot run a task
description:
  - Checks what M(gatehouse.fargate.ecs_task_definition) would refuse, before anything is created. Needs no AWS.
author:
  - Gatehouse contributors (@gatehouse)
options:
  _input:
    description: Options C(cpu), C(memory), C(ephemeral_storage), C(volumes) and C(containers) of the module.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a task that cannot run
  ansible.builtin.assert:
    that: task | gatehouse.fargate.task_problems | length == 0
  vars:
    task: {cpu: 512, memory: 1024, containers: [{name: app}]}
"""

RETURN = r"""
_value:
  description: One sentence for each problem, empty when there is none.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.fargate import task_problems as problems


def task_problems(task: dict[str, Any]) -> list[str]:
    return list(problems(task))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"task_problems": task_problems}
