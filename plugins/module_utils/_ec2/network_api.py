# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads a VPC with its subnets, gateways and route tables into plain data.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import OWNER_TAG, is_owned, owner_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

LIVE_NAT_STATES = ("pending", "available")
ROUTE_TARGETS = (
    "NatGatewayId",
    "GatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "EgressOnlyInternetGatewayId",
)


def read(client: Any, params: Fields) -> Fields:
    """Returns everything that belongs to the network; empty lists when there is no VPC."""
    vpc = read_vpc(client, params)
    vpc_id = vpc.get("id")
    subnets = read_subnets(client, vpc_id) if vpc_id else []
    ranges = {subnet["id"]: subnet["cidr"] for subnet in subnets}
    addresses = client.describe_addresses()["Addresses"]
    nat_gateways = read_nat_gateways(client, vpc_id, ranges) if vpc_id and may_have_nat(params, addresses) else []
    return {
        "vpc": vpc,
        "internet_gateway": read_internet_gateway(client, params, vpc_id),
        "subnets": subnets,
        "route_tables": read_route_tables(client, vpc_id, ranges) if vpc_id else [],
        "nat_gateways": nat_gateways,
        "addresses": our_addresses(addresses, params, nat_gateways),
    }


def identity_filter(params: Fields, part: str) -> list[Fields]:
    """Returns the filter that finds what is ours: the owner when there is one, else the Name."""
    owner = owner_of(params["tags"])
    if owner:
        return [{"Name": f"tag:{OWNER_TAG}", "Values": [owner]}]
    return [{"Name": "tag:Name", "Values": [f"{params['name']}-{part}"]}]


@AWSErrorHandler.common_error_handler("find the VPC")
def read_vpc(client: Any, params: Fields) -> Fields:
    found = _list(client, "describe_vpcs", "Vpcs", identity_filter(params, "vpc"))
    if len(found) > 1:
        ids = ", ".join(sorted(vpc["VpcId"] for vpc in found))
        raise PlanRefusedError(f"name {params['name']} stands for more than one VPC ({ids}): delete or retag one.")
    return _vpc(client, found[0]) if found else {}


def _vpc(client: Any, found: Fields) -> Fields:
    blocks = [block for block in found.get("CidrBlockAssociationSet", []) if _is_associated(block)]
    return {
        "id": found["VpcId"],
        "cidr": found["CidrBlock"],
        "more_cidrs": {
            block["CidrBlock"]: block["AssociationId"] for block in blocks if block["CidrBlock"] != found["CidrBlock"]
        },
        "enable_dns_support": _attribute(client, found["VpcId"], "enableDnsSupport"),
        "enable_dns_hostnames": _attribute(client, found["VpcId"], "enableDnsHostnames"),
        "tags": _tags(found),
    }


def _is_associated(block: Fields) -> bool:
    return block.get("CidrBlockState", {}).get("State") in ("associating", "associated")


def _attribute(client: Any, vpc_id: str, name: str) -> bool:
    answer = client.describe_vpc_attribute(VpcId=vpc_id, Attribute=name)
    return bool(answer[name[0].upper() + name[1:]]["Value"])


@AWSErrorHandler.common_error_handler("list the subnets")
def read_subnets(client: Any, vpc_id: str) -> list[Fields]:
    return [
        {
            "id": subnet["SubnetId"],
            "cidr": subnet["CidrBlock"],
            "availability_zone": subnet["AvailabilityZone"],
            "map_public_ip": subnet.get("MapPublicIpOnLaunch", False),
            "resource_name_dns_a_record": subnet.get("PrivateDnsNameOptionsOnLaunch", {}).get(
                "EnableResourceNameDnsARecord", False
            ),
            "tags": _tags(subnet),
        }
        for subnet in _list(client, "describe_subnets", "Subnets", _in_vpc(vpc_id))
    ]


@AWSErrorHandler.common_error_handler("find the internet gateway")
def read_internet_gateway(client: Any, params: Fields, vpc_id: str | None) -> Fields:
    """Returns the VPC's gateway, else a detached one of ours that waits to be attached again."""
    filters = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    attached = _list(client, "describe_internet_gateways", "InternetGateways", filters) if vpc_id else []
    if attached:
        return _internet_gateway(attached[0], vpc_id)
    ours = _list(client, "describe_internet_gateways", "InternetGateways", identity_filter(params, "igw"))
    detached = [gateway for gateway in ours if not gateway.get("Attachments")]
    return _internet_gateway(detached[0], None) if detached else {}


def _internet_gateway(gateway: Fields, vpc_id: str | None) -> Fields:
    return {"id": gateway["InternetGatewayId"], "vpc_id": vpc_id or "", "tags": _tags(gateway)}


@AWSErrorHandler.common_error_handler("list the route tables")
def read_route_tables(client: Any, vpc_id: str, ranges: dict[str, str]) -> list[Fields]:
    """Returns all tables but the main one, which belongs to the VPC."""
    tables = _list(client, "describe_route_tables", "RouteTables", _in_vpc(vpc_id))
    return [
        _route_table(table, ranges)
        for table in tables
        if not any(link.get("Main") for link in table.get("Associations", []))
    ]


def _route_table(table: Fields, ranges: dict[str, str]) -> Fields:
    links = {
        ranges[link["SubnetId"]]: link["RouteTableAssociationId"]
        for link in table.get("Associations", [])
        if link.get("SubnetId") in ranges
    }
    return {
        "id": table["RouteTableId"],
        "routes": {
            route["DestinationCidrBlock"]: _target(route) for route in table.get("Routes", []) if _is_set_by_hand(route)
        },
        "subnets": list(links),
        "associations": links,
        "tags": _tags(table),
    }


def _is_set_by_hand(route: Fields) -> bool:
    """Local routes come with the table, propagated ones and those to prefix lists from other resources."""
    by_hand = route.get("Origin", "CreateRoute") == "CreateRoute" and "DestinationCidrBlock" in route
    return by_hand and route.get("GatewayId") != "local"


def _target(route: Fields) -> str:
    return next((str(route[key]) for key in ROUTE_TARGETS if route.get(key)), "")


@AWSErrorHandler.common_error_handler("list the NAT gateways")
def read_nat_gateways(client: Any, vpc_id: str, ranges: dict[str, str]) -> list[Fields]:
    filters = [*_in_vpc(vpc_id), {"Name": "state", "Values": [*LIVE_NAT_STATES, "deleting"]}]
    found = _list(client, "describe_nat_gateways", "NatGateways", filters)
    return [
        {
            "id": nat["NatGatewayId"],
            "cidr": ranges.get(nat["SubnetId"], ""),
            "state": nat["State"],
            "allocation_id": _first_address(nat).get("AllocationId", ""),
            "public_ip": _first_address(nat).get("PublicIp", ""),
            "tags": _tags(nat),
        }
        for nat in sorted(found, key=lambda nat: str(nat["NatGatewayId"]))
    ]


def _first_address(nat: Fields) -> Fields:
    addresses: list[Fields] = nat.get("NatGatewayAddresses", [])
    return addresses[0] if addresses else {}


@AWSErrorHandler.common_error_handler("list the elastic IP addresses")
def may_have_nat(params: Fields, addresses: list[Fields]) -> bool:
    """Tells whether there is any point in asking for NAT gateways: each of ours holds an address of ours."""
    is_expected = params["state"] == "absent" or params["nat"] != "none"
    return is_expected or any(_is_our_spare(_tags(address), params) for address in addresses)


def our_addresses(addresses: list[Fields], params: Fields, nat_gateways: list[Fields]) -> list[Fields]:
    """Returns the addresses of the VPC's NAT gateways, and ours that are free again."""
    in_nat = {nat["allocation_id"] for nat in nat_gateways}
    return [
        {
            "id": address["AllocationId"],
            "public_ip": address["PublicIp"],
            "in_use": bool(address.get("AssociationId")),
            "tags": _tags(address),
        }
        for address in addresses
        if address["AllocationId"] in in_nat or _is_our_spare(_tags(address), params)
    ]


def _is_our_spare(tags: dict[str, str], params: Fields) -> bool:
    """Other parts of a stack may have addresses with the same owner, so the name counts too."""
    is_ours = is_owned(tags, params["tags"]) or not owner_of(params["tags"])
    return is_ours and tags.get("Name", "").startswith(f"{params['name']}-nat-")


def _in_vpc(vpc_id: str) -> list[Fields]:
    return [{"Name": "vpc-id", "Values": [vpc_id]}]


def _list(client: Any, operation: str, key: str, filters: list[Fields]) -> list[Fields]:
    pages = client.get_paginator(operation).paginate(Filters=filters)
    found: list[Fields] = pages.build_full_result().get(key, [])
    return found


def _tags(resource: Fields) -> dict[str, str]:
    tags: dict[str, str] = boto3_tag_list_to_ansible_dict(resource.get("Tags", []))
    return tags
