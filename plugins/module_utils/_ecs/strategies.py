# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Capacity provider strategies, which clusters and services share.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

CAPACITY_PROVIDER: dict[str, Any] = {
    "capacity_provider": {"type": "str", "required": True},
    "weight": {"type": "int", "default": 1},
    "base": {"type": "int", "default": 0},
}


def described_strategy(items: list[Fields] | None) -> list[Fields]:
    return [
        {
            "capacity_provider": item["capacityProvider"],
            "weight": item.get("weight", 0),
            "base": item.get("base", 0),
        }
        for item in sorted(items or [], key=lambda item: item["capacityProvider"])
    ]


def requested_strategy(items: list[Fields]) -> list[Fields]:
    return [
        {"capacityProvider": item["capacity_provider"], "weight": item["weight"], "base": item["base"]}
        for item in items
    ]


def ordered_strategy(items: list[Fields] | None) -> list[Fields]:
    """Returns the declared strategy in the order in which a described one comes."""
    return sorted(items or [], key=lambda item: item["capacity_provider"])
