# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regions and Availability Zones: the zone letters that a new account sees in each region."""

from __future__ import annotations

from typing import Any

from ..hooks import Function, Params, Response, guard, patch, patch_action
from .api import backend, error, find, find_all, get_region, members, reply, text, viewing

LETTERS = {
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "us-east-1": "abcdef",
    "us-west-1": "ac",
    "us-west-2": "abcd",
    "ca-central-1": "abd",
}
DEFAULT_LETTERS = "abc"


def zone_names() -> list[str]:
    """The Availability Zones of the region that is being called."""
    region = get_region()
    return [region + letter for letter in LETTERS.get(region, DEFAULT_LETTERS)]


def install() -> None:
    actions = backend._ACTION_MAP
    patch(backend, "_init_defaults", _placing_default_subnets)
    patch(backend, "_zone_name_for_az_id", lambda _original: _zone_name)
    patch_action(actions, "CreateDefaultVpc", _placing_default_subnets)
    patch_action(actions, "DescribeAvailabilityZones", lambda _original: _describe_zones)
    patch_action(actions, "DescribeVpcEndpointServices", viewing(_correct_endpoint_services))
    guard(actions, "DescribeRegions", _check_regions)
    _move_default_subnets()


def _zone_name(zone_id: str) -> str | None:
    return next((name for name in zone_names() if backend._az_id_for_zone_name(name) == zone_id), None)


def _placing_default_subnets(original: Function) -> Function:
    def run(*args: Any) -> Any:
        result = original(*args)
        _move_default_subnets()
        return result

    return run


def _move_default_subnets() -> None:
    """ministack seeds the default VPC in zones a, b and c of every region."""
    defaults = [subnet for subnet in backend._subnets.values() if subnet.get("DefaultForAz")]
    for subnet, zone in zip(defaults, zone_names(), strict=False):
        subnet.update(AvailabilityZone=zone, AvailabilityZoneId=backend._az_id_for_zone_name(zone))
    for vpc in backend._vpcs.values():
        if vpc["IsDefault"]:
            vpc.setdefault("EnableDnsHostnames", True)


def _check_regions(params: Params) -> Response | None:
    known = {name for name, _status in backend._AWS_REGIONS}
    for name in members(params, "RegionName"):
        if name not in known:
            return error("InvalidParameterValue", f"Invalid region provided: {name}")
    return None


def _describe_zones(params: Params) -> Response:
    asked = {"zone name": members(params, "ZoneName"), "zone id": members(params, "ZoneId")}
    known = {"zone name": zone_names(), "zone id": [backend._az_id_for_zone_name(name) for name in zone_names()]}
    for what, values in asked.items():
        for value in values:
            if value not in known[what]:
                return error("InvalidParameterValue", f"Invalid availability {what}: [{value}]")
    chosen = [name for name in zone_names() if _is_asked_for(name, asked)]
    return reply(
        text(params, "Action"), f"<availabilityZoneInfo>{''.join(map(_zone_xml, chosen))}</availabilityZoneInfo>"
    )


def _is_asked_for(name: str, asked: dict[str, list[str]]) -> bool:
    if not any(asked.values()):
        return True
    return name in asked["zone name"] or backend._az_id_for_zone_name(name) in asked["zone id"]


def _zone_xml(name: str) -> str:
    region = get_region()
    return (
        f"<item><zoneName>{name}</zoneName><zoneState>available</zoneState><regionName>{region}</regionName>"
        f"<zoneId>{backend._az_id_for_zone_name(name)}</zoneId><groupName>{region}-zg-1</groupName>"
        f"<networkBorderGroup>{region}</networkBorderGroup><optInStatus>opt-in-not-required</optInStatus>"
        "<zoneType>availability-zone</zoneType></item>"
    )


def _correct_endpoint_services(root: Any) -> None:
    """Endpoint services exist in the region's zones, and S3 and DynamoDB gateways take a policy."""
    for service in find_all(root, "serviceDetailSet/item"):
        for policy in find_all(service, "vpcEndpointPolicySupported"):
            policy.text = "true"
        for zone_set in find_all(service, "availabilityZoneSet"):
            _replace_items(zone_set, zone_names())
        for name in find_all(service, "privateDnsName"):
            name.text = private_dns_name(find(service, "serviceName"))


def _replace_items(parent: Any, values: list[str]) -> None:
    template = find_all(parent, "item")[0]
    for item in list(parent):
        parent.remove(item)
    for value in values:
        item = template.makeelement(template.tag, {})
        item.text = value
        parent.append(item)


def private_dns_name(service_name: str) -> str:
    """com.amazonaws.<region>.ecr.api answers at api.ecr.<region>.amazonaws.com."""
    service = service_name.split(".", 3)[-1]
    return f"{'.'.join(reversed(service.split('.')))}.{get_region()}.amazonaws.com"
