# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a network should look like, and which existing resource stands for which part of it; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.drafts import named
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_api import LIVE_NAT_STATES
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import is_owned, owner_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Table:
    """A route table: ``exit`` is ``internet``, the range of the subnet whose NAT gateway it uses, or empty."""

    part: str
    cidrs: tuple[str, ...]
    exit: str


def wanted_subnets(params: Fields) -> list[Fields]:
    """Returns the public subnets, then the private ones."""
    return [
        {
            "part": f"{tier}-{subnet['availability_zone']}",
            "cidr": subnet["cidr"],
            "availability_zone": subnet["availability_zone"],
            "map_public_ip": tier == "public",
            "resource_name_dns_a_record": params["resource_name_dns_a_record"],
        }
        for tier in ("public", "private")
        for subnet in params[f"{tier}_subnets"] or []
    ]


def nat_subnets(params: Fields) -> list[Fields]:
    """Returns the public subnets that hold a NAT gateway."""
    count = {"none": 0, "single": 1, "per_az": None}[params["nat"]]
    return list((params["public_subnets"] or [])[:count])


def wanted_tables(params: Fields) -> list[Table]:
    public = params["public_subnets"] or []
    private = params["private_subnets"] or []
    tables = [Table("public", _ranges(public), "internet")] if public else []
    return tables + private_tables(params, private) if private else tables


def private_tables(params: Fields, private: list[Fields]) -> list[Table]:
    exits = nat_subnets(params)
    first_exit = str(exits[0]["cidr"]) if exits else ""
    if params["nat"] != "per_az":
        return [Table("private", _ranges(private), first_exit)]
    nat_of_zone: dict[str, str] = {subnet["availability_zone"]: subnet["cidr"] for subnet in exits}
    zones = sorted({subnet["availability_zone"] for subnet in private})
    return [
        Table(
            f"private-{zone}",
            _ranges([subnet for subnet in private if subnet["availability_zone"] == zone]),
            nat_of_zone.get(zone, first_exit),
        )
        for zone in zones
    ]


def _ranges(subnets: list[Fields]) -> tuple[str, ...]:
    return tuple(subnet["cidr"] for subnet in subnets)


def is_ours(item: Fields, params: Fields) -> bool:
    """Tells by owner, or by name where there is none, whether something in the VPC is part of this network."""
    if owner_of(params["tags"]) and owner_of(item["tags"]):
        return is_owned(item["tags"], params["tags"])
    return str(item["tags"].get("Name", "")).startswith(f"{params['name']}-")


def match_tables(state: Fields, params: Fields) -> dict[str, Fields]:
    """Finds the table of each part by its name, else by the subnets under it: names may have been changed."""
    ours = [table for table in state["route_tables"] if is_ours(table, params)]
    matched: dict[str, Fields] = {}
    for wanted in wanted_tables(params):
        table = next((table for table in ours if named(table, f"{params['name']}-{wanted.part}")), None)
        if table:
            matched[wanted.part] = table
            ours.remove(table)
    for wanted in wanted_tables(params):
        table = next((table for table in ours if set(table["associations"]) & set(wanted.cidrs)), None)
        if table and wanted.part not in matched:
            matched[wanted.part] = table
            ours.remove(table)
    return matched


def find_nat_gateway(state: Fields, params: Fields, cidr: str) -> Fields | None:
    """Returns our working NAT gateway in a subnet."""
    return next(
        (
            nat
            for nat in state["nat_gateways"]
            if nat["cidr"] == cidr and nat["state"] in LIVE_NAT_STATES and is_ours(nat, params)
        ),
        None,
    )


def handy(state: Fields, params: Fields) -> Fields:
    """Returns the ids that others need, in the order of the declaration."""
    subnets = {subnet["cidr"]: subnet["id"] for subnet in state["subnets"]}
    tables = {part: table["id"] for part, table in match_tables(state, params).items()}
    return {
        **{
            f"{tier}_subnet_ids": [
                subnets[subnet["cidr"]] for subnet in params[f"{tier}_subnets"] or [] if subnet["cidr"] in subnets
            ]
            for tier in ("public", "private")
        },
        "availability_zones": [subnet["availability_zone"] for subnet in params["public_subnets"] or []],
        "public_route_table_id": tables.pop("public", ""),
        "private_route_table_ids": list(tables.values()),
    }
