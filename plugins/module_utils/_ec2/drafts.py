# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Collects the changes of a plan that spans many EC2 resources.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Step, tag_calls
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    tag_differences,
    tags_after,
)


class Draft:
    """The changes so far, in the order in which they have to be made."""

    def __init__(self, params: Fields) -> None:
        self._params = params
        self.changes: list[Change] = []

    def tags(self, part: str) -> dict[str, str]:
        """Returns the tags that the resource called ``<name>-<part>`` has to carry."""
        return {**(self._params["tags"] or {}), "Name": f"{self._params['name']}-{part}"}

    def create(self, resource: str, fields: Fields, steps: Iterable[Step]) -> Fields:
        """Adds a new resource; returns it as it will be."""
        created = {"id": KNOWN_AFTER_APPLY, **fields}
        self._add(Action.CREATE, resource, created["tags"]["Name"], {}, created, steps)
        return created

    def update(self, resource: str, item: Fields, wanted: Fields, part: str, steps: Iterable[Step]) -> None:
        """Adds what differs, tags included, and brings ``item`` up to date."""
        before = {key: item[key] for key, value in wanted.items() if item[key] != value}
        after = {key: wanted[key] for key in before}
        tags = self.tags(part)
        purge = self._params["purge_tags"] and self._params["tags"] is not None
        to_set, to_remove = tag_differences(item["tags"], tags, purge)
        if to_set or to_remove:
            before["tags"], after["tags"] = item["tags"], tags_after(item["tags"], to_set, to_remove)
        if not after:
            return
        all_steps = (*steps, *tag_calls(item["id"], to_set, to_remove))
        self._add(Action.UPDATE, resource, tags["Name"], before, after, all_steps)
        item.update(after)

    def delete(self, resource: str, item: Fields, steps: Iterable[Step]) -> None:
        self._add(Action.DELETE, resource, item["tags"].get("Name", item["id"]), item, {}, steps)

    def _add(
        self, action: Action, resource: str, name: str, before: Fields, after: Fields, steps: Iterable[Step]
    ) -> None:
        change = Change(action, resource, name, dict(before), dict(after), tuple(steps))
        earlier = [old for old in self.changes if (old.action, old.resource, old.name) == (action, resource, name)]
        if action is Action.UPDATE and earlier:
            self.changes[self.changes.index(earlier[0])] = _merged(earlier[0], change)
        else:
            self.changes.append(change)


def _merged(old: Change, new: Change) -> Change:
    """One resource has one entry, whichever parts of the plan touch it."""
    before, after = {**new.before, **old.before}, {**old.after, **new.after}
    return Change(old.action, old.resource, old.name, before, after, (*old.call, *new.call))


def named(item: Any, name: str) -> bool:
    """Tells whether a resource carries this Name tag."""
    return bool(item["tags"].get("Name") == name)
