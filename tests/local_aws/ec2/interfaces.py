# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network interfaces that AWS itself puts into subnets, for endpoints and NAT gateways."""

from __future__ import annotations

import ipaddress
from typing import Any

from .api import backend, escape, get_account_id


def put_interface(interface_id: str, subnet_id: str, *, kind: str, description: str, groups: list[str]) -> None:
    """Create the interface, or bring its security groups up to date."""
    if interface_id not in backend._network_interfaces:
        backend._network_interfaces[interface_id] = _new_interface(interface_id, subnet_id, kind, description)
    backend._network_interfaces[interface_id]["Groups"] = [group_reference(group) for group in groups]


def drop_interface(interface_id: str) -> None:
    backend._network_interfaces.pop(interface_id, None)


def group_reference(group_id: str) -> dict[str, str]:
    name = backend._security_groups.get(group_id, {}).get("GroupName", group_id)
    return {"GroupId": group_id, "GroupName": escape(name)}


def private_ip(interface_id: str) -> str:
    return str(backend._network_interfaces.get(interface_id, {}).get("PrivateIpAddress", ""))


def interfaces_in(subnet_id: str) -> int:
    return sum(1 for interface in backend._network_interfaces.values() if interface["SubnetId"] == subnet_id)


def _new_interface(interface_id: str, subnet_id: str, kind: str, description: str) -> dict[str, Any]:
    subnet = backend._subnets[subnet_id]
    return {
        "NetworkInterfaceId": interface_id,
        "SubnetId": subnet_id,
        "VpcId": subnet["VpcId"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "Description": description,
        "OwnerId": get_account_id(),
        "Status": "in-use",
        "PrivateIpAddress": _free_address(subnet),
        "InterfaceType": kind,
        "SourceDestCheck": kind != "nat_gateway",
        "MacAddress": "02:" + ":".join(interface_id[-10:][i : i + 2] for i in range(0, 10, 2)),
        "Groups": [],
        "Attachment": None,
    }


def _free_address(subnet: dict[str, Any]) -> str:
    network = ipaddress.ip_network(subnet["CidrBlock"])
    used = {interface["PrivateIpAddress"] for interface in backend._network_interfaces.values()}
    first_usable = 4  # AWS keeps the first four addresses of a subnet for itself.
    return next(str(network[n]) for n in range(first_usable, network.num_addresses) if str(network[n]) not in used)
