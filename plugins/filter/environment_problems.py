# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_problems
version_added: 0.1.0
short_description: Find environments of an inventory that would get in each other's way
description:
  - Finds two environments with one domain, with one stack name in a region of an account, and an image that comes from
    an environment with another architecture.
  - Hosts without C(stack_name) are no environments.
author:
  - Gatehouse contributors (@gatehouse)
positional: hostvars
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse environments that share a name
  ansible.builtin.assert:
    that: groups.all | gatehouse.fargate.environment_problems(hostvars) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each problem, which names both environments, the variable, its value and the remedy.
  type: list
  elements: str
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.environments import environment_of, problems


def environment_problems(names: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    return problems(environment_of(str(name), hostvars[name]) for name in names)


class FilterModule:
    """Makes the filter known."""

    def filters(self) -> dict[str, Any]:
        return {"environment_problems": environment_problems}
