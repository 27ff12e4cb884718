# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who owns a resource: its tag says to which stack it belongs.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Plan, PlanRefusedError, State

OWNER_TAG = "gatehouse:stack"


def owner_of(tags: Mapping[str, str] | None) -> str:
    """Returns the stack that tags name, empty when they name none."""
    return str((tags or {}).get(OWNER_TAG, ""))


def is_owned(current: Mapping[str, str], desired: Mapping[str, str] | None) -> bool:
    """Tells whether a resource carries the owner of the desired tags."""
    owner = owner_of(desired)
    return bool(owner) and owner_of(current) == owner


def refuse_foreign(what: str, current: Mapping[str, str], params: Mapping[str, Any]) -> None:
    """Refuses to touch a resource of the same name that belongs to somebody else."""
    owner = owner_of(params["tags"])
    if not owner or params["adopt"] or is_owned(current, params["tags"]):
        return
    holder = f"carries the tag {OWNER_TAG}={owner_of(current)}" if owner_of(current) else f"carries no tag {OWNER_TAG}"
    raise PlanRefusedError(
        f"{what} exists and {holder}: nothing of it was changed. Choose another name, or set adopt=true "
        f"(stack_adopt in the inventory) to make it part of the stack {owner}."
    )


def guarded(what: str, params: Mapping[str, Any], plan: Callable[[State], Plan]) -> Callable[[State], Plan]:
    """Returns a plan step that refuses to touch a resource of somebody else, whatever the plan would be."""

    def plan_own(current: State) -> Plan:
        if current:
            refuse_foreign(what, current["tags"], params)
        return plan(current)

    return plan_own
