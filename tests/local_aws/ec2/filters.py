# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of Describe calls: ministack ignores most of them and then answers with everything there is."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree

from ..hooks import Handler, Params, Response, patch_action
from .api import backend, edit, find, find_all


class View(NamedTuple):
    """Where a Describe answer keeps its items, and which path inside an item each filter compares."""

    container: str
    paths: dict[str, str]


VIEWS = {
    "DescribeVpcs": View(
        "vpcSet",
        {
            "isDefault": "isDefault",
            "cidr": "cidrBlock",
            "cidr-block": "cidrBlock",
            "dhcp-options-id": "dhcpOptionsId",
        },
    ),
    "DescribeSubnets": View(
        "subnetSet",
        {
            "availabilityZone": "availabilityZone",
            "availability-zone-id": "availabilityZoneId",
            "map-public-ip-on-launch": "mapPublicIpOnLaunch",
            "owner-id": "ownerId",
            "state": "state",
        },
    ),
    "DescribeRouteTables": View(
        "routeTableSet",
        {
            "route-table-id": "routeTableId",
            "owner-id": "ownerId",
            "association.gateway-id": "associationSet/item/gatewayId",
            "route.destination-cidr-block": "routeSet/item/destinationCidrBlock",
            "route.destination-prefix-list-id": "routeSet/item/destinationPrefixListId",
            "route.gateway-id": "routeSet/item/gatewayId",
            "route.nat-gateway-id": "routeSet/item/natGatewayId",
        },
    ),
    "DescribeAddresses": View(
        "addressesSet",
        {
            "allocation-id": "allocationId",
            "association-id": "associationId",
            "domain": "domain",
            "network-border-group": "networkBorderGroup",
            "network-interface-id": "networkInterfaceId",
            "public-ip": "publicIp",
        },
    ),
    "DescribeNatGateways": View("natGatewaySet", {"nat-gateway-id": "natGatewayId"}),
    "DescribeSecurityGroups": View(
        "securityGroupInfo",
        {
            "description": "groupDescription",
            "group-id": "groupId",
            "owner-id": "ownerId",
            "ip-permission.cidr": "ipPermissions/item/ipRanges/item/cidrIp",
            "ip-permission.group-id": "ipPermissions/item/groups/item/groupId",
            "ip-permission.prefix-list-id": "ipPermissions/item/prefixListIds/item/prefixListId",
            "egress.ip-permission.cidr": "ipPermissionsEgress/item/ipRanges/item/cidrIp",
            "egress.ip-permission.group-id": "ipPermissionsEgress/item/groups/item/groupId",
            "egress.ip-permission.prefix-list-id": "ipPermissionsEgress/item/prefixListIds/item/prefixListId",
        },
    ),
    "DescribeVpcEndpoints": View(
        "vpcEndpointSet",
        {
            "service-name": "serviceName",
            "vpc-endpoint-id": "vpcEndpointId",
            "vpc-endpoint-state": "state",
            "vpc-endpoint-type": "vpcEndpointType",
            "vpc-id": "vpcId",
        },
    ),
    "DescribeNetworkInterfaces": View(
        "networkInterfaceSet",
        {
            "availability-zone": "availabilityZone",
            "description": "description",
            "group-id": "groupSet/item/groupId",
            "interface-type": "interfaceType",
            "network-interface-id": "networkInterfaceId",
            "private-ip-address": "privateIpAddress",
            "status": "status",
            "subnet-id": "subnetId",
            "vpc-id": "vpcId",
        },
    ),
    "DescribeManagedPrefixLists": View(
        "prefixListSet",
        {"owner-id": "ownerId", "prefix-list-id": "prefixListId", "prefix-list-name": "prefixListName"},
    ),
    "DescribeAvailabilityZones": View(
        "availabilityZoneInfo",
        {
            "group-name": "groupName",
            "opt-in-status": "optInStatus",
            "region-name": "regionName",
            "state": "zoneState",
            "zone-id": "zoneId",
            "zone-name": "zoneName",
            "zone-type": "zoneType",
        },
    ),
    "DescribeRegions": View(
        "regionInfo", {"endpoint": "regionEndpoint", "opt-in-status": "optInStatus", "region-name": "regionName"}
    ),
    "DescribeNetworkAcls": View("networkAclSet", {"default": "default", "vpc-id": "vpcId"}),
}


def install() -> None:
    for action, view in VIEWS.items():
        patch_action(backend._ACTION_MAP, action, _filtering(view))


def _filtering(view: View) -> Callable[[Handler], Handler]:
    def wrap(original: Handler) -> Handler:
        def run(params: Params) -> Response:
            filters: dict[str, list[str]] = backend._parse_filters(params)
            return edit(original(params), lambda root: _prune(root, view, filters)) if filters else original(params)

        return run

    return wrap


def _prune(root: ElementTree.Element, view: View, filters: dict[str, list[str]]) -> None:
    for container in find_all(root, view.container):
        for item in list(container):
            if not all(_matches(item, view, name, wanted) for name, wanted in filters.items()):
                container.remove(item)


def _matches(item: ElementTree.Element, view: View, name: str, wanted: list[str]) -> bool:
    found = _values(item, view, name)
    return found is None or any(fnmatch.fnmatchcase(value, pattern) for value in found for pattern in wanted)


def _values(item: ElementTree.Element, view: View, name: str) -> list[str] | None:
    """What the item holds for a filter; None when ministack itself has applied that filter."""
    tags = find_all(item, "tagSet/item")
    if name.startswith("tag:"):
        return [find(tag, "value") for tag in tags if find(tag, "key") == name.removeprefix("tag:")]
    if name == "tag-key":
        return [find(tag, "key") for tag in tags]
    if name in view.paths:
        return [element.text or "" for element in find_all(item, view.paths[name])]
    return None
