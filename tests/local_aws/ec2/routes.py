# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route tables: ministack stores duplicates, dangling targets and second associations; AWS refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..hooks import Handler, Params, Response, guard, patch_action
from .api import add_text, backend, error, find_all, first_missing, members, reply, text, viewing
from .vpcs import in_use, missing_vpc

DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def install() -> None:
    actions = backend._ACTION_MAP
    patch_action(actions, "AssociateRouteTable", viewing(_show_associated))
    patch_action(actions, "CreateRoute", _keeping_destination)
    guard(actions, "CreateRouteTable", missing_vpc)
    guard(actions, "DescribeRouteTables", lambda params: _missing_tables(members(params, "RouteTableId")))
    guard(actions, "DeleteRouteTable", _check_delete_table)
    guard(actions, "AssociateRouteTable", _check_associate)
    guard(actions, "DisassociateRouteTable", _check_disassociate)
    guard(actions, "CreateRoute", _check_create_route)
    guard(actions, "ReplaceRoute", _check_existing_route)
    guard(actions, "DeleteRoute", _check_existing_route)


def _missing_tables(ids: list[str]) -> Response | None:
    return first_missing(ids, backend._route_tables, "InvalidRouteTableID.NotFound", "routeTable")


def _associations() -> Iterator[dict[str, Any]]:
    for table in backend._route_tables.values():
        yield from table["Associations"]


def _check_delete_table(params: Params) -> Response | None:
    table_id = text(params, "RouteTableId")
    table = backend._route_tables.get(table_id)
    return in_use("routeTable", table_id) if table and table["Associations"] else None


def _check_associate(params: Params) -> Response | None:
    table_id, subnet_id = text(params, "RouteTableId"), text(params, "SubnetId")
    missing = _missing_tables([table_id]) or first_missing(
        [subnet_id] if subnet_id else [], backend._subnets, "InvalidSubnetID.NotFound", "subnet"
    )
    if missing:
        return missing
    existing = next((link for link in _associations() if subnet_id and link.get("SubnetId") == subnet_id), None)
    if existing is None:
        return None
    if existing["RouteTableId"] == table_id:
        return _associated(existing["RouteTableAssociationId"])
    return error(
        "Resource.AlreadyAssociated",
        f"the specified association for route table {table_id} conflicts with an existing association",
    )


def _associated(association_id: str) -> Response:
    state = "<associationState><state>associated</state></associationState>"
    return reply("AssociateRouteTable", f"<associationId>{association_id}</associationId>{state}")


def _show_associated(root: Any) -> None:
    if not find_all(root, "associationState"):
        state = root.makeelement(root.tag.replace("AssociateRouteTableResponse", "associationState"), {})
        add_text(state, "state", "associated")
        root.append(state)


def _check_disassociate(params: Params) -> Response | None:
    association_id = text(params, "AssociationId")
    link = next((link for link in _associations() if link["RouteTableAssociationId"] == association_id), None)
    if link is None:
        return error("InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist")
    if link.get("Main"):
        return error("InvalidParameterValue", f"cannot disassociate the main route table association {association_id}")
    return None


def _destination(params: Params) -> tuple[str, str]:
    """Which of the three kinds of destination the caller named, and its value."""
    return next(((name, text(params, name)) for name in DESTINATIONS if text(params, name)), (DESTINATIONS[0], ""))


def _existing_route(params: Params) -> dict[str, Any] | None:
    kind, value = _destination(params)
    table = backend._route_tables.get(text(params, "RouteTableId"), {"Routes": []})
    return next((route for route in table["Routes"] if route.get(kind) == value), None)


def _check_create_route(params: Params) -> Response | None:
    route = _existing_route(params)
    if route and _same_target(route, params):
        return reply("CreateRoute")
    if route:
        return error("RouteAlreadyExists", f"The route identified by {_destination(params)[1]} already exists.")
    return _dangling_target(params)


def _same_target(route: dict[str, Any], params: Params) -> bool:
    """Creating a route that exists with the same target succeeds on AWS."""
    targets = ("GatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId", "VpcPeeringConnectionId")
    return route.get("GatewayId") != "local" and all(route.get(name, "") == text(params, name) for name in targets)


def _dangling_target(params: Params) -> Response | None:
    gateway, nat = text(params, "GatewayId"), text(params, "NatGatewayId")
    if gateway.startswith("igw-"):
        return first_missing([gateway], backend._internet_gateways, "InvalidGatewayID.NotFound", "gateway")
    return first_missing([nat], backend._nat_gateways, "InvalidNatGatewayID.NotFound", "natGateway") if nat else None


def _check_existing_route(params: Params) -> Response | None:
    table_id = text(params, "RouteTableId")
    if table_id in backend._route_tables and _existing_route(params) is None:
        destination = _destination(params)[1]
        return error(
            "InvalidRoute.NotFound", f"no route with destination-cidr-block {destination} in route table {table_id}"
        )
    return _dangling_target(params)


def _keeping_destination(original: Handler) -> Handler:
    """ministack stores every destination as an IPv4 range."""

    def run(params: Params) -> Response:
        response = original(params)
        kind, value = _destination(params)
        if response[0] == 200 and kind != DESTINATIONS[0]:
            route = backend._route_tables[text(params, "RouteTableId")]["Routes"][-1]
            del route[DESTINATIONS[0]]
            route[kind] = value
        return response

    return run
