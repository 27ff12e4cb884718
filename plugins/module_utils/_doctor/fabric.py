# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""EC2's answers about a VPC in the form in which packets are judged; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import (
    ALL_PORTS,
    TCP,
    Acl,
    AclEntry,
    Fabric,
    Group,
    Network,
    Route,
    RouteTable,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_api import ROUTE_TARGETS
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import rules_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

DESTINATIONS = ("DestinationCidrBlock", "DestinationPrefixListId")
MORE_TARGETS = ("InstanceId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn")


def groups_of(raw: Iterable[Fields]) -> dict[str, Group]:
    return {one["GroupId"]: group_of(one) for one in raw}


def group_of(raw: Fields) -> Group:
    return Group(
        raw["GroupId"],
        raw["GroupName"],
        tuple(rules_of(raw.get("IpPermissions", []))),
        tuple(rules_of(raw.get("IpPermissionsEgress", []))),
    )


def ranges_of(raw: Iterable[Fields]) -> dict[str, str]:
    """Returns the address range of each subnet."""
    return {one["SubnetId"]: one["CidrBlock"] for one in raw}


def fabric_of(
    lists: Mapping[str, tuple[Network, ...]], acls: list[Fields], tables: list[Fields], subnets: list[Fields]
) -> Fabric:
    return Fabric(
        {link["SubnetId"]: acl_of(acl) for acl in acls for link in acl.get("Associations", [])},
        {**dict.fromkeys(ranges_of(subnets), main_table(tables)), **own_tables(tables)},
        lists,
    )


def acl_of(raw: Fields) -> Acl:
    entries = [one for one in raw.get("Entries", []) if one.get("CidrBlock") and one["Protocol"] in TCP]
    return Acl(
        raw["NetworkAclId"],
        tuple(entry_of(one) for one in entries if not one["Egress"]),
        tuple(entry_of(one) for one in entries if one["Egress"]),
    )


def entry_of(raw: Fields) -> AclEntry:
    ports = raw.get("PortRange", {})
    first, last = ports.get("From", ALL_PORTS[0]), ports.get("To", ALL_PORTS[1])
    return AclEntry(raw["RuleNumber"], raw["RuleAction"] == "allow", Network(raw["CidrBlock"]), first, last)


def main_table(tables: Iterable[Fields]) -> RouteTable:
    """Returns the table of subnets that have none of their own."""
    main = [one for one in tables if any(link.get("Main") for link in one.get("Associations", []))]
    return table_of(main[0]) if main else RouteTable("main")


def own_tables(tables: Iterable[Fields]) -> dict[str, RouteTable]:
    links = [(link["SubnetId"], one) for one in tables for link in one.get("Associations", []) if "SubnetId" in link]
    return {subnet: table_of(one) for subnet, one in links}


def table_of(raw: Fields) -> RouteTable:
    return RouteTable(raw["RouteTableId"], tuple(route_of(one) for one in raw.get("Routes", [])))


def route_of(raw: Fields) -> Route:
    destination = next((raw[key] for key in DESTINATIONS if raw.get(key)), "")
    target = next((raw[key] for key in (*ROUTE_TARGETS, *MORE_TARGETS) if raw.get(key)), "nowhere")
    return Route(destination, target, raw.get("State", "active") == "active")
