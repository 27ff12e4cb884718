# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VPCs, subnets and internet gateways: AWS's refusals and the attributes that ministack drops."""

from __future__ import annotations

import ipaddress
from typing import Any

from ministack.services import alb

from ..hooks import Function, Handler, Params, Response, guard, patch, patch_action
from .api import (
    backend,
    bool_text,
    edit,
    error,
    find_all,
    first_missing,
    flag,
    id_in,
    text,
    viewing,
)
from .interfaces import interfaces_in
from .zones import zone_names

METRICS = "EnableNetworkAddressUsageMetrics"
RESERVED_ADDRESSES = 5
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def install() -> None:
    actions = backend._ACTION_MAP
    patch(backend, "_subnet_fields_xml", _counting_addresses)
    patch_action(actions, "CreateVpc", _seeding_default_group)
    patch_action(actions, "ModifyVpcAttribute", _storing_metrics)
    patch_action(actions, "DescribeVpcAttribute", _showing_metrics)
    patch_action(actions, "ModifySubnetAttribute", _storing_dns64)
    patch_action(actions, "CreateVpc", viewing(_show_pending))
    guard(actions, "CreateVpc", _check_create_vpc)
    guard(actions, "DeleteVpc", _check_delete_vpc)
    guard(actions, "CreateSubnet", _check_create_subnet)
    guard(actions, "DeleteSubnet", _check_delete_subnet)
    guard(actions, "AttachInternetGateway", _check_attach_gateway)
    guard(actions, "DetachInternetGateway", _check_detach_gateway)
    guard(actions, "DeleteInternetGateway", _check_delete_gateway)


def missing_vpc(params: Params) -> Response | None:
    """The not-found error for a VpcId parameter."""
    return first_missing([text(params, "VpcId")], backend._vpcs, "InvalidVpcID.NotFound", "vpc")


def in_use(kind: str, resource_id: str) -> Response:
    return error("DependencyViolation", f"The {kind} '{resource_id}' has dependencies and cannot be deleted.")


def _network(params: Params) -> Network | None:
    """The CidrBlock parameter, with host bits cleared as AWS does."""
    cidr = text(params, "CidrBlock")
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None
    if "/" not in cidr:
        return None
    params["CidrBlock"] = [str(network)]
    return network


def _bad_cidr(params: Params) -> Response:
    return error("InvalidParameterValue", f"Value ({text(params, 'CidrBlock')}) for parameter cidrBlock is invalid.")


def _check_create_vpc(params: Params) -> Response | None:
    network = _network(params)
    if network is None:
        return _bad_cidr(params)
    if not 16 <= network.prefixlen <= 28:
        return error("InvalidVpc.Range", f"The CIDR '{network}' is invalid.")
    return None


def _seeding_default_group(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        vpc_id = id_in(response, "vpc-")
        if vpc_id:
            _allow_itself(backend._vpcs[vpc_id]["DefaultSecurityGroupId"])
        return response

    return run


def _allow_itself(group_id: str) -> None:
    """Members of a VPC's default group may talk to each other."""
    rule: dict[str, Any] = {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
    backend._security_groups[group_id]["IpPermissions"] = [{**rule, "UserIdGroupPairs": [{"GroupId": group_id}]}]


def _show_pending(root: Any) -> None:
    for state in find_all(root, "vpc/state"):
        state.text = "pending"


def _check_delete_vpc(params: Params) -> Response | None:
    vpc_id = text(params, "VpcId")
    tables = (table for table in backend._route_tables.values() if table["VpcId"] == vpc_id)
    has_own_table = any(not any(link.get("Main") for link in table["Associations"]) for table in tables)
    has_endpoint = any(endpoint["VpcId"] == vpc_id for endpoint in backend._vpc_endpoints.values())
    return in_use("vpc", vpc_id) if has_own_table or has_endpoint else None


def _storing_metrics(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        attributes = ("EnableDnsSupport", "EnableDnsHostnames", METRICS)
        given = [name for name in attributes if flag(params, f"{name}.Value") is not None]
        if len(given) > 1:
            return error("InvalidParameterCombination", "Only one attribute can be modified at a time")
        response = original(params)
        if response[0] == 200 and METRICS in given:
            backend._vpcs[text(params, "VpcId")][METRICS] = flag(params, f"{METRICS}.Value")
        return response

    return run


def _showing_metrics(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        def show(root: Any) -> None:
            vpc = backend._vpcs[text(params, "VpcId")]
            for value in find_all(root, "enableNetworkAddressUsageMetrics/value"):
                value.text = bool_text(vpc.get(METRICS))

        return edit(original(params), show)

    return run


def _check_create_subnet(params: Params) -> Response | None:
    missing = missing_vpc(params)
    if missing:
        return missing
    zone = text(params, "AvailabilityZone")
    if zone and zone not in zone_names():
        return error(
            "InvalidParameterValue",
            f"Value ({zone}) for parameter availabilityZone is invalid. "
            f"Subnets can currently only be created in the following availability zones: {', '.join(zone_names())}.",
        )
    network = _network(params)
    return _bad_cidr(params) if network is None else _misplaced(network, text(params, "VpcId"))


def _misplaced(network: Network, vpc_id: str) -> Response | None:
    if not _inside(network, ipaddress.ip_network(backend._vpcs[vpc_id]["CidrBlock"])) or network.prefixlen > 28:
        return error("InvalidSubnet.Range", f"The CIDR '{network}' is invalid.")
    others = (subnet["CidrBlock"] for subnet in backend._subnets.values() if subnet["VpcId"] == vpc_id)
    if any(network.overlaps(ipaddress.ip_network(other)) for other in others):
        return error("InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet")
    return None


def _inside(network: Network, outer: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return network.subnet_of(outer)
    return False


def _check_delete_subnet(params: Params) -> Response | None:
    subnet_id = text(params, "SubnetId")
    balanced = any(subnet_id in balancer.get("Subnets", []) for balancer in alb._lbs.values())
    return in_use("subnet", subnet_id) if balanced or interfaces_in(subnet_id) else None


def _counting_addresses(original: Function) -> Function:
    """The free addresses of a subnet follow from its size and its interfaces; ministack always says 251."""

    def run(subnet: dict[str, Any], tag: str = "item") -> str:
        total = ipaddress.ip_network(subnet["CidrBlock"]).num_addresses
        subnet["AvailableIpAddressCount"] = total - RESERVED_ADDRESSES - interfaces_in(subnet["SubnetId"])
        return str(original(subnet, tag=tag))

    return run


def _storing_dns64(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        value = flag(params, "EnableDns64.Value")
        if response[0] == 200 and value is not None:
            backend._subnets[text(params, "SubnetId")]["EnableDns64"] = value
        return response

    return run


def has_internet_gateway(vpc_id: str) -> bool:
    gateways = backend._internet_gateways.values()
    return any(link.get("VpcId") == vpc_id for gateway in gateways for link in gateway["Attachments"])


def _check_attach_gateway(params: Params) -> Response | None:
    missing = missing_vpc(params)
    if missing:
        return missing
    vpc_id = text(params, "VpcId")
    gateway = backend._internet_gateways.get(text(params, "InternetGatewayId"))
    if gateway and not gateway["Attachments"] and has_internet_gateway(vpc_id):
        return error("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")
    return None


def _check_detach_gateway(params: Params) -> Response | None:
    gateway_id, vpc_id = text(params, "InternetGatewayId"), text(params, "VpcId")
    gateway = backend._internet_gateways.get(gateway_id)
    if gateway is None:
        return first_missing(
            [gateway_id], backend._internet_gateways, "InvalidInternetGatewayID.NotFound", "internetGateway"
        )
    if not any(link["VpcId"] == vpc_id for link in gateway["Attachments"]):
        return error("Gateway.NotAttached", f"resource {gateway_id} is not attached to network {vpc_id}")
    if _has_public_nat(vpc_id):
        return error(
            "DependencyViolation",
            f"Network {vpc_id} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway.",
        )
    return None


def _has_public_nat(vpc_id: str) -> bool:
    nats = backend._nat_gateways.values()
    return any(nat["VpcId"] == vpc_id and nat["State"] != "deleted" and nat.get("PublicIp") for nat in nats)


def _check_delete_gateway(params: Params) -> Response | None:
    gateway_id = text(params, "InternetGatewayId")
    gateway = backend._internet_gateways.get(gateway_id)
    return in_use("internetGateway", gateway_id) if gateway and gateway["Attachments"] else None
