# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which availability zones there are, and which of them a network uses that names none.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

OFFERED = [
    {"Name": "state", "Values": ["available"]},
    {"Name": "zone-type", "Values": ["availability-zone"]},
]
TIERS = ("public_subnets", "private_subnets")


@AWSErrorHandler.common_error_handler("list the availability zones")
def read_zones(client: Any) -> list[str]:
    """Returns the names of the zones that the account may use in the region, sorted."""
    found = client.describe_availability_zones(Filters=OFFERED)["AvailabilityZones"]
    return sorted(zone["ZoneName"] for zone in found)


def with_zones(params: Fields, subnets: list[Fields], offered: Callable[[], list[str]]) -> Fields:
    """Returns the parameters with a zone for each subnet; one without stays where it is.

    The n-th public and the n-th private subnet share a zone. Zones are asked for only when there is a pair without one.
    """
    held = {subnet["cidr"]: subnet["availability_zone"] for subnet in subnets}
    tiers = [params[tier] or [] for tier in TIERS]
    pairs = [[one for one in pair if one] for pair in zip_longest(*tiers)]
    zones = [
        next(filter(None, (one["availability_zone"] or held.get(one["cidr"]) for one in pair)), "") for pair in pairs
    ]
    zones = fill(zones, offered) if "" in zones else zones
    placed = [
        [
            {**one, "availability_zone": one["availability_zone"] or held.get(one["cidr"]) or zone}
            for one, zone in zip(tier, zones, strict=False)
        ]
        for tier in tiers
    ]
    return {**params, **dict(zip(TIERS, placed, strict=True))}


def fill(zones: list[str], offered: Callable[[], list[str]]) -> list[str]:
    """Returns the zones with one of those offered, in order and each once, in place of each that is empty."""
    spare = [zone for zone in offered() if zone not in zones]
    missing = zones.count("")
    if len(spare) < missing:
        raise PlanRefusedError(
            f"the subnets need {missing} more availability zones and the region has {', '.join(spare) or 'none'} left "
            "for this account: declare fewer subnets, or name their zones."
        )
    return [zone or spare.pop(0) for zone in zones]
