# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_plan
version_added: 0.1.0
short_description: Put environments into the order of a rollout
description:
  - A wave is a group of the inventory. The environments of a wave run at the same time, except that one whose image
    comes from another of its wave runs after that.
  - Environments that say nothing about their image and share source and architecture get the image of the first of
    them.
author:
  - Gatehouse contributors (@gatehouse)
positional: hostvars, waves, limit
options:
  _input:
    description: Names of all hosts. Those without C(stack_name) are no environments.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  waves:
    description: Groups of the inventory, in order.
    type: list
    elements: str
    required: true
  limit:
    description: Environments to roll out now. The others only count as those that build images. By default all.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show the order
  ansible.builtin.debug:
    msg: "{{ (groups.all | gatehouse.fargate.rollout_plan(hostvars, ['dev', 'production'])).batches }}"
"""

RETURN = r"""
_value:
  description: The order.
  type: dict
  contains:
    problems:
      description: One sentence for each thing that makes a rollout impossible.
      type: list
      elements: str
    sources:
      description: Which environment builds the image, for each environment that gets it from another without saying so.
      type: dict
    batches:
      description: Dictionaries with C(wave), C(hosts) and C(first), which is true for the batch that opens its wave.
      type: list
      elements: dict
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.environments import (
    batches,
    environment_of,
    order_problems,
    sources,
    wave_problems,
)


def rollout_plan(
    names: Iterable[str], hostvars: Mapping[str, Any], waves: Sequence[str], limit: Sequence[str] | None = None
) -> dict[str, Any]:
    environments = [one for name in names if (one := environment_of(str(name), hostvars[name])).stack_name]
    found = wave_problems(environments, waves)
    if found:
        return {"problems": found, "sources": {}, "batches": []}
    taken = sources(environments, waves)
    now = [one for one in environments if limit is None or one.name in limit]
    return {
        "problems": order_problems(environments, waves, taken),
        "sources": taken,
        "batches": [{**asdict(batch), "hosts": list(batch.hosts)} for batch in batches(now, waves, taken)],
    }


class FilterModule:
    """Makes the filter known."""

    def filters(self) -> dict[str, Any]:
        return {"rollout_plan": rollout_plan}
