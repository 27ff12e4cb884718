# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic IP addresses and NAT gateways: how the two are tied together."""

from __future__ import annotations

import time
from typing import Any

from .. import provisioning
from ..hooks import Handler, Params, Response, guard, patch_action
from .api import (
    add_text,
    backend,
    derived_id,
    edit,
    error,
    find,
    find_all,
    first_missing,
    get_region,
    id_in,
    members,
    set_text,
    text,
    viewing,
)
from .interfaces import drop_interface, private_ip, put_interface
from .vpcs import has_internet_gateway

SLOW_STATES = {"pending": "ec2.nat_gateway", "deleting": "ec2.nat_gateway_deletion"}
ADDRESS_STATES = {"pending": "associating", "available": "succeeded"}


def install() -> None:
    actions = backend._ACTION_MAP
    patch_action(actions, "AllocateAddress", viewing(_show_address))
    patch_action(actions, "DescribeAddresses", viewing(_show_addresses))
    patch_action(actions, "CreateNatGateway", _tying_address)
    patch_action(actions, "DescribeNatGateways", viewing(_show_nats))
    patch_action(actions, "DeleteNatGateway", _deleting)
    guard(actions, "CreateNatGateway", _check_create_nat)
    guard(actions, "DescribeNatGateways", _missing_nats)
    guard(actions, "DescribeAddresses", _missing_addresses)
    guard(actions, "ReleaseAddress", _check_release)


def _missing_nats(params: Params) -> Response | None:
    for nat_id in members(params, "NatGatewayId"):
        if nat_id not in backend._nat_gateways:
            return error("NatGatewayNotFound", f"NatGateway {nat_id} was not found")
    return None


def _missing_addresses(params: Params) -> Response | None:
    allocations = members(params, "AllocationId")
    return first_missing(allocations, backend._addresses, "InvalidAllocationID.NotFound", "allocation")


def _check_release(params: Params) -> Response | None:
    address = backend._addresses.get(text(params, "AllocationId"), {})
    if address.get("AssociationId"):
        return error("InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")
    return None


def _check_create_nat(params: Params) -> Response | None:
    missing = first_missing([text(params, "SubnetId")], backend._subnets, "InvalidSubnetID.NotFound", "subnet")
    return missing or _repeated(params) or _check_allocation(params)


def _repeated(params: Params) -> Response | None:
    """A request with a known ClientToken answers the gateway that the first one made."""
    token = text(params, "ClientToken")
    made = [nat for nat in backend._nat_gateways.values() if token and nat.get("ClientToken") == token]
    return _created(made[0]["NatGatewayId"]) if made else None


def _created(nat_id: str) -> Response:
    """The answer of CreateNatGateway is one item of DescribeNatGateways, still pending."""
    status, headers, body = backend._ACTION_MAP["DescribeNatGateways"]({"NatGatewayId.1": [nat_id]})
    answer = body.decode().replace("DescribeNatGatewaysResponse", "CreateNatGatewayResponse")
    answer = answer.replace("natGatewaySet>", "natGateway>")
    return edit((status, headers, answer.encode()), _unwrap_item)


def _unwrap_item(root: Any) -> None:
    nat = find_all(root, "natGateway")[0]
    item = find_all(nat, "item")[0]
    nat.remove(item)
    nat.extend(field for field in item if "failure" not in field.tag)
    set_text(nat, "state", "pending")


def _check_allocation(params: Params) -> Response | None:
    allocation = text(params, "AllocationId")
    if text(params, "ConnectivityType") == "private":
        return None
    if not allocation:
        return error("MissingParameter", "The request must contain the parameter AllocationId")
    if allocation not in backend._addresses:
        return error("InvalidAllocationID.NotFound", f"The allocation ID '{allocation}' does not exist")
    if backend._addresses[allocation].get("AssociationId"):
        return error("Resource.AlreadyAssociated", f"Elastic IP address [{allocation}] is already associated")
    return None


def _tying_address(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        nat_id = id_in(response, "nat-")
        if nat_id is None:
            return response
        nat = backend._nat_gateways[nat_id]
        has_way_out = nat["ConnectivityType"] == "private" or has_internet_gateway(nat["VpcId"])
        nat.update(
            ClientToken=text(params, "ClientToken"),
            State="pending",
            Next="available" if has_way_out else "failed",
            Since=time.time(),
        )
        if has_way_out:
            _tie(nat)
        return _created(nat_id)

    return run


def _tie(nat: dict[str, Any]) -> None:
    nat_id = nat["NatGatewayId"]
    nat["InterfaceId"] = derived_id("eni-", nat_id)
    description = f"Interface for NAT Gateway {nat_id}"
    put_interface(nat["InterfaceId"], nat["SubnetId"], kind="nat_gateway", description=description, groups=[])
    nat["PrivateIp"] = private_ip(nat["InterfaceId"])
    address = backend._addresses.get(nat["AllocationId"])
    if address:
        nat["PublicIp"] = address["PublicIp"]
        address["AssociationId"] = derived_id("eipassoc-", nat_id)
        address["NetworkInterfaceId"] = nat["InterfaceId"]
        address["PrivateIpAddress"] = nat["PrivateIp"]


def settle() -> None:
    """Move the gateways on whose time has come."""
    for nat in backend._nat_gateways.values():
        if nat["State"] in SLOW_STATES and provisioning.is_over(SLOW_STATES[nat["State"]], nat["Since"]):
            nat["State"] = nat["Next"]
            if nat["State"] == "deleted":
                _untie(nat)


def _deleting(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        if response[0] == 200:
            nat = backend._nat_gateways[text(params, "NatGatewayId")]
            nat.update(State="deleting", Next="deleted", Since=time.time())
        return response

    return run


def _untie(nat: dict[str, Any]) -> None:
    drop_interface(nat.get("InterfaceId", ""))
    address = backend._addresses.get(nat["AllocationId"])
    if address and address.get("NetworkInterfaceId") == nat.get("InterfaceId"):
        address.update(AssociationId=None, NetworkInterfaceId=None, PrivateIpAddress=None)


def _show_nats(root: Any) -> None:
    for item in find_all(root, "natGatewaySet/item"):
        nat = backend._nat_gateways[find(item, "natGatewayId")]
        if nat["State"] == "failed":
            add_text(item, "failureCode", "Gateway.NotAttached")
            add_text(item, "failureMessage", f"Network {nat['VpcId']} has no Internet gateway attached")
        elif "InterfaceId" in nat:
            _show_nat_address(find_all(item, "natGatewayAddressSet")[0], nat)


def _show_nat_address(address_set: Any, nat: dict[str, Any]) -> None:
    address = address_set.makeelement(address_set.tag.replace("natGatewayAddressSet", "item"), {})
    address_set.append(address)
    if nat["AllocationId"]:
        add_text(address, "allocationId", nat["AllocationId"])
        add_text(address, "publicIp", nat["PublicIp"])
        add_text(address, "associationId", derived_id("eipassoc-", nat["NatGatewayId"]))
    add_text(address, "networkInterfaceId", nat["InterfaceId"])
    add_text(address, "privateIp", nat["PrivateIp"])
    add_text(address, "isPrimary", "true")
    add_text(address, "status", ADDRESS_STATES.get(nat["State"], "disassociating"))


def _show_addresses(root: Any) -> None:
    for item in find_all(root, "addressesSet/item"):
        _show_address(item)


def _show_address(item: Any) -> None:
    address = backend._addresses[find(item, "allocationId")]
    add_text(item, "publicIpv4Pool", "amazon")
    add_text(item, "networkBorderGroup", get_region())
    if address.get("NetworkInterfaceId"):
        add_text(item, "networkInterfaceId", address["NetworkInterfaceId"])
        add_text(item, "privateIpAddress", address["PrivateIpAddress"])
