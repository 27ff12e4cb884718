# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML view of a VPC endpoint."""

from __future__ import annotations

from typing import Any

from .api import backend, bool_text, escape, get_region, items
from .interfaces import group_reference
from .zones import private_dns_name

REGIONAL_ZONE = "Z2E726K9Y6RL4W"
PRIVATE_ZONE = "Z0000000PRIVATE"

Endpoint = dict[str, Any]


def endpoint_xml(endpoint: Endpoint, tag: str) -> str:
    fields = _identity(endpoint) | _attachments(endpoint) | _dns(endpoint)
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<{tag}>{body}{backend._tag_set_xml(endpoint['VpcEndpointId'])}</{tag}>"


def _identity(endpoint: Endpoint) -> dict[str, str]:
    return {
        "vpcEndpointId": endpoint["VpcEndpointId"],
        "vpcEndpointType": endpoint["VpcEndpointType"],
        "vpcId": endpoint["VpcId"],
        "serviceName": endpoint["ServiceName"],
        "state": endpoint["State"],
        "policyDocument": escape(endpoint["PolicyDocument"]),
        "requesterManaged": "false",
        "creationTimestamp": endpoint["CreationTimestamp"],
        "ownerId": endpoint["OwnerId"],
    }


def _attachments(endpoint: Endpoint) -> dict[str, str]:
    groups = [group_reference(group) for group in endpoint["Groups"]]
    return {
        "routeTableIdSet": items(endpoint["RouteTableIds"]),
        "subnetIdSet": items(endpoint["SubnetIds"]),
        "networkInterfaceIdSet": items(endpoint["NetworkInterfaceIds"]),
        "groupSet": "".join(
            f"<item><groupId>{group['GroupId']}</groupId><groupName>{group['GroupName']}</groupName></item>"
            for group in groups
        ),
    }


def _dns(endpoint: Endpoint) -> dict[str, str]:
    is_interface = endpoint["VpcEndpointType"] == "Interface"
    record_type = "ipv4" if is_interface else "service-defined"
    return {
        "ipAddressType": "ipv4",
        "dnsOptions": f"<dnsRecordIpType>{record_type}</dnsRecordIpType>",
        "privateDnsEnabled": bool_text(endpoint["PrivateDnsEnabled"]),
        "dnsEntrySet": "".join(_dns_entries(endpoint)) if is_interface else "",
    }


def _dns_entries(endpoint: Endpoint) -> list[str]:
    endpoint_id, region = endpoint["VpcEndpointId"], get_region()
    public = private_dns_name(endpoint["ServiceName"])
    service = public.removesuffix(f".{region}.amazonaws.com")
    entries = [(f"{endpoint_id}-{endpoint_id[-8:]}.{service}.{region}.vpce.amazonaws.com", REGIONAL_ZONE)]
    if endpoint["PrivateDnsEnabled"]:
        entries.append((public, PRIVATE_ZONE))
    return [f"<item><dnsName>{name}</dnsName><hostedZoneId>{zone}</hostedZoneId></item>" for name, zone in entries]
