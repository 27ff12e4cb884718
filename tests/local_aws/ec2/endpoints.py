# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VPC endpoints: their whole life, with the interfaces and routes that they bring along."""

from __future__ import annotations

import time
from typing import Any

from .. import provisioning
from ..hooks import Handler, Params, Response, patch_action
from .api import backend, derived_id, error, first_missing, flag, get_region, id_in, members, reply, text
from .endpoint_view import endpoint_xml
from .interfaces import drop_interface, put_interface

Endpoint = dict[str, Any]

FULL_ACCESS = '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
SLOW_STATES = {"pending": "ec2.vpc_endpoint", "deleting": "ec2.vpc_endpoint_deletion"}
GROUP_MISSING = ("InvalidGroup.NotFound", "security group")
TABLE_MISSING = ("InvalidRouteTableId.NotFound", "routeTable")
INTERFACE_SERVICES = (
    *backend._VPCE_INTERFACE_SERVICES,
    "cognito-idp",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "elasticloadbalancing",
    "s3",
)


def install() -> None:
    actions = backend._ACTION_MAP
    patch_action(actions, "CreateVpcEndpoint", _creating)
    patch_action(actions, "ModifyVpcEndpoint", _modifying)
    patch_action(actions, "DescribeVpcEndpoints", lambda _original: _describe)
    patch_action(actions, "DeleteVpcEndpoints", lambda _original: _delete)


def _creating(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        repeated = _by_token(text(params, "ClientToken"))
        if repeated:
            return _created(repeated)
        problem = _check_names(params) or _check_create(params)
        if problem:
            return problem
        response = original(params)
        endpoint = backend._vpc_endpoints[id_in(response, "vpce-")]
        _complete(endpoint, params)
        return _created(endpoint)

    return run


def _by_token(token: str) -> Endpoint | None:
    stored = backend._vpc_endpoints.values()
    return next((endpoint for endpoint in stored if token and endpoint.get("ClientToken") == token), None)


def _created(endpoint: Endpoint) -> Response:
    return reply("CreateVpcEndpoint", endpoint_xml(endpoint, "vpcEndpoint"))


def _is_interface(endpoint: Endpoint) -> bool:
    return bool(endpoint["VpcEndpointType"] == "Interface")


def _complete(endpoint: Endpoint, params: Params) -> None:
    """What ministack leaves out of the record."""
    default_group = backend._vpcs[endpoint["VpcId"]]["DefaultSecurityGroupId"]
    groups = members(params, "SecurityGroupId") or [default_group]
    endpoint.update(
        State="pending" if _is_interface(endpoint) else "available",
        Since=time.time(),
        Groups=groups if _is_interface(endpoint) else [],
        PrivateDnsEnabled=_wants_private_dns(params),
        PolicyDocument=text(params, "PolicyDocument") or FULL_ACCESS,
        CreationTimestamp=backend._now_ts(),
        NetworkInterfaceIds=[],
        ClientToken=text(params, "ClientToken"),
    )
    _sync(endpoint)


def _type(params: Params) -> str:
    return text(params, "VpcEndpointType", "Gateway") or "Gateway"


def _wants_private_dns(params: Params) -> bool:
    return _type(params) == "Interface" and flag(params, "PrivateDnsEnabled") is not False


def _check_names(params: Params) -> Response | None:
    vpc_id, service = text(params, "VpcId"), text(params, "ServiceName")
    if vpc_id not in backend._vpcs:
        return error("InvalidVpcId.NotFound", f"The Vpc Id {vpc_id} does not exist")
    catalogue = {"Gateway": backend._VPCE_GATEWAY_SERVICES, "Interface": INTERFACE_SERVICES}
    short = service.removeprefix(f"com.amazonaws.{get_region()}.")
    types = [kind for kind, services in catalogue.items() if short in services and short != service]
    if not types:
        return error("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    if _type(params) not in types:
        return error(
            "InvalidParameter",
            f"Endpoint type ({_type(params)}) does not match available service types ([{', '.join(types)}]).",
        )
    return _check_references(params, "")


def _check_references(params: Params, prefix: str) -> Response | None:
    return (
        first_missing(members(params, f"{prefix}SubnetId"), backend._subnets, "InvalidSubnetId.NotFound", "subnet")
        or first_missing(members(params, f"{prefix}SecurityGroupId"), backend._security_groups, *GROUP_MISSING)
        or first_missing(members(params, f"{prefix}RouteTableId"), backend._route_tables, *TABLE_MISSING)
    )


def _check_create(params: Params) -> Response | None:
    vpc_id, service = text(params, "VpcId"), text(params, "ServiceName")
    siblings = _siblings(vpc_id, service, "")
    if _type(params) == "Gateway":
        return _route_conflict(siblings, members(params, "RouteTableId"))
    if _wants_private_dns(params):
        return _private_dns_conflict(vpc_id, siblings) or _zone_conflict(members(params, "SubnetId"))
    return _zone_conflict(members(params, "SubnetId"))


def _siblings(vpc_id: str, service: str, but: str) -> list[Endpoint]:
    """The other endpoints of this VPC for this service."""
    stored = backend._vpc_endpoints.values()
    return [
        endpoint
        for endpoint in stored
        if (endpoint["VpcId"], endpoint["ServiceName"]) == (vpc_id, service) and endpoint["VpcEndpointId"] != but
    ]


def _route_conflict(siblings: list[Endpoint], table_ids: list[str]) -> Response | None:
    taken = {table_id for endpoint in siblings for table_id in endpoint["RouteTableIds"]}
    for table_id in table_ids:
        if table_id in taken:
            return error(
                "RouteAlreadyExists", f"route table {table_id} already has a route with destination-prefix-list-id"
            )
    return None


def _private_dns_conflict(vpc_id: str, siblings: list[Endpoint]) -> Response | None:
    vpc = backend._vpcs[vpc_id]
    if not (vpc.get("EnableDnsHostnames", False) and vpc.get("EnableDnsSupport", True)):
        return error(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames "
            f"VPC attributes set to true for {vpc_id}",
        )
    if any(endpoint.get("PrivateDnsEnabled") for endpoint in siblings):
        return error(
            "InvalidParameter",
            f"private-dns-enabled cannot be set because there is already a conflicting DNS domain in the VPC {vpc_id}",
        )
    return None


def _zone_conflict(subnet_ids: list[str]) -> Response | None:
    seen: set[str] = set()
    for subnet_id in subnet_ids:
        zone = backend._subnets[subnet_id]["AvailabilityZone"]
        if zone in seen:
            return error(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. "
                "VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.",
            )
        seen.add(zone)
    return None


def _modifying(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        endpoint = backend._vpc_endpoints.get(text(params, "VpcEndpointId"))
        problem = _check_modify(endpoint, params) if endpoint else None
        if problem:
            return problem
        response = original(params)
        if endpoint:
            _apply_modify(endpoint, params)
        return response

    return run


def _check_modify(endpoint: Endpoint, params: Params) -> Response | None:
    problem = _check_references(params, "Add")
    if problem:
        return problem
    siblings = _siblings(endpoint["VpcId"], endpoint["ServiceName"], endpoint["VpcEndpointId"])
    if flag(params, "PrivateDnsEnabled") and not endpoint["PrivateDnsEnabled"]:
        return _private_dns_conflict(endpoint["VpcId"], siblings)
    kept = [subnet for subnet in endpoint["SubnetIds"] if subnet not in members(params, "RemoveSubnetId")]
    added = [subnet for subnet in members(params, "AddSubnetId") if subnet not in kept]
    return _route_conflict(siblings, members(params, "AddRouteTableId")) or _zone_conflict(kept + added)


def _apply_modify(endpoint: Endpoint, params: Params) -> None:
    removed, added = members(params, "RemoveSecurityGroupId"), members(params, "AddSecurityGroupId")
    kept = [group for group in endpoint["Groups"] if group not in removed]
    endpoint["Groups"] = kept + [group for group in added if group not in kept]
    private_dns = flag(params, "PrivateDnsEnabled")
    if private_dns is not None:
        endpoint["PrivateDnsEnabled"] = private_dns
    if flag(params, "ResetPolicy"):
        endpoint["PolicyDocument"] = FULL_ACCESS
    endpoint["SubnetIds"].sort()
    endpoint["RouteTableIds"].sort()
    _sync(endpoint)


def _sync(endpoint: Endpoint) -> None:
    """Give the endpoint's route tables and subnets exactly what belongs to it."""
    _sync_routes(endpoint)
    wanted = {derived_id("eni-", endpoint["VpcEndpointId"], subnet): subnet for subnet in endpoint["SubnetIds"]}
    for interface_id in endpoint["NetworkInterfaceIds"]:
        if interface_id not in wanted:
            drop_interface(interface_id)
    description = f"VPC Endpoint Interface {endpoint['VpcEndpointId']}"
    for interface_id, subnet_id in wanted.items():
        put_interface(interface_id, subnet_id, kind="vpc_endpoint", description=description, groups=endpoint["Groups"])
    endpoint["NetworkInterfaceIds"] = sorted(wanted)


def _sync_routes(endpoint: Endpoint) -> None:
    endpoint_id = endpoint["VpcEndpointId"]
    route = {"DestinationPrefixListId": _prefix_list(endpoint["ServiceName"]), "GatewayId": endpoint_id}
    for table in backend._route_tables.values():
        table["Routes"] = [other for other in table["Routes"] if other.get("GatewayId") != endpoint_id]
        if table["RouteTableId"] in endpoint["RouteTableIds"]:
            table["Routes"].append({**route, "State": "active", "Origin": "CreateRoute"})


def _prefix_list(service: str) -> str:
    return str(backend._aws_pl_id_from_name(service))


def _describe(params: Params) -> Response:
    ids = members(params, "VpcEndpointId")
    for endpoint_id in ids:
        if endpoint_id not in backend._vpc_endpoints:
            return error("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint_id}' does not exist")
    chosen = [each for each in backend._vpc_endpoints.values() if not ids or each["VpcEndpointId"] in ids]
    views = "".join(endpoint_xml(endpoint, "item") for endpoint in chosen)
    return reply("DescribeVpcEndpoints", f"<vpcEndpointSet>{views}</vpcEndpointSet>")


def _delete(params: Params) -> Response:
    failures = ""
    for endpoint_id in members(params, "VpcEndpointId"):
        endpoint = backend._vpc_endpoints.get(endpoint_id)
        if endpoint is None:
            failures += _failure(endpoint_id)
        elif _is_interface(endpoint):
            endpoint.update(State="deleting", Since=time.time())
        else:
            _remove(endpoint)
    return reply("DeleteVpcEndpoints", f"<unsuccessful>{failures}</unsuccessful>")


def settle() -> None:
    """Move the endpoints on whose time has come."""
    for endpoint in backend._vpc_endpoints.values():
        slow = SLOW_STATES.get(endpoint["State"])
        if not slow or not provisioning.is_over(slow, endpoint["Since"]):
            continue
        if endpoint["State"] == "deleting":
            _remove(endpoint)
        else:
            endpoint["State"] = "available"


def _remove(endpoint: Endpoint) -> None:
    _sync({**endpoint, "RouteTableIds": [], "SubnetIds": []})
    backend._vpc_endpoints.pop(endpoint["VpcEndpointId"])
    backend._tags.pop(endpoint["VpcEndpointId"], None)


def _failure(endpoint_id: str) -> str:
    message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
    reason = f"<error><code>InvalidVpcEndpoint.NotFound</code><message>{message}</message></error>"
    return f"<item><resourceId>{endpoint_id}</resourceId>{reason}</item>"
