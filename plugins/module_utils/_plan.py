# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a plan consists of: changes, the state they lead to, and comparisons of what is with what is declared.

Pure data that needs no AWS library, for filters load it as well: see ``_runner`` for who carries plans out.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags

KNOWN_AFTER_APPLY = "(known after apply)"
SENSITIVE = "(sensitive value)"

State = Any
Fields = dict[str, Any]


class Action(StrEnum):
    """What a change does to one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One resource that has to change.

    ``before`` and ``after`` hold only what the change touches, ready to be shown: secrets are SENSITIVE.
    ``call`` is for ``apply`` alone and never shown; it may hold request parameters, secrets included.
    """

    action: Action
    resource: str
    name: str
    before: Fields = field(default_factory=dict)
    after: Fields = field(default_factory=dict)
    call: Any = field(default=None, repr=False)

    def shown(self) -> Fields:
        return {
            "action": self.action.value,
            "resource": self.resource,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True)
class Plan:
    """The changes to make, in order, and the state they lead to."""

    result: State
    changes: tuple[Change, ...] = ()


class PlanRefusedError(Exception):
    """The desired state cannot be reached; the message names the option, the value and the remedy."""


def is_known(value: Any) -> bool:
    """Tells whether an identifier handed on by another task exists yet."""
    return value not in (None, "", KNOWN_AFTER_APPLY)


def differences(current: Mapping[str, Any], desired: Mapping[str, Any]) -> tuple[Fields, Fields]:
    """Returns the fields of ``desired`` that ``current`` does not have, as they are and as they will be.

    A desired value of None means: not managed.
    """
    changed = [key for key, value in desired.items() if value is not None and current.get(key) != value]
    return {key: current.get(key) for key in changed}, {key: desired[key] for key in changed}


def tag_differences(
    current: Mapping[str, str], desired: Mapping[str, str] | None, purge: bool
) -> tuple[dict[str, str], list[str]]:
    """Returns the tags to set and the tag keys to remove; nothing when ``desired`` is None."""
    if desired is None:
        return {}, []
    to_set, to_remove = compare_aws_tags(dict(current), dict(desired), purge)
    return to_set, to_remove


def tags_after(current: Mapping[str, str], to_set: Mapping[str, str], to_remove: Iterable[str]) -> dict[str, str]:
    """Returns the tags once a tag change has been made."""
    removed = set(to_remove)
    return {key: value for key, value in {**current, **to_set}.items() if key not in removed}
