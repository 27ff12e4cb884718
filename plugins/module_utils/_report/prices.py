# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a stack costs in a month, from list prices; prices.json tells when they were read.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

# As AWS's own calculator has it: 365 days in 12 months.
HOURS = 730
CPU_UNITS = 1024
MIB = 1024


@cache
def price_table() -> dict[str, Any]:
    """Returns the prices of each region in USD, with the month in which they were read."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return found


def monthly_costs(facts: Mapping[str, Any], regions: Mapping[str, Any]) -> dict[str, float] | None:
    """Returns USD a month for each part of a stack, without traffic; None when its region has no prices.

    ``facts``: ``region``; ``zones``, ``nat_gateways``, ``interface_endpoints`` and ``alarms`` as numbers; ``tasks``,
    ``cpu`` in CPU units, ``memory`` in MiB and ``architecture`` of the service.
    """
    price = regions.get(facts["region"])
    if price is None:
        return None
    fargate = price["fargate"][facts["architecture"]]
    vcpus, gibs = int(facts["cpu"]) / CPU_UNITS, int(facts["memory"]) / MIB
    nats, zones = int(facts["nat_gateways"]), int(facts["zones"])
    return {
        "load_balancer": HOURS * (price["load_balancer_hour"] + price["capacity_unit_hour"]),
        # One for the load balancer in each zone, one for each NAT gateway.
        "addresses": HOURS * price["ipv4_hour"] * (zones + nats),
        "tasks": HOURS * int(facts["tasks"]) * (vcpus * fargate["vcpu_hour"] + gibs * fargate["gib_hour"]),
        "endpoints": HOURS * price["endpoint_zone_hour"] * int(facts["interface_endpoints"]) * zones,
        "nat_gateways": HOURS * price["nat_gateway_hour"] * nats,
        "dns_zone": price["zone_month"],
        "alarms": price["alarm_month"] * int(facts["alarms"]),
    }


def monthly_total(facts: Mapping[str, Any]) -> float | None:
    """Returns the sum in USD, rounded to cents."""
    costs = monthly_costs(facts, price_table()["regions"])
    return None if costs is None else round(sum(costs.values()), 2)
