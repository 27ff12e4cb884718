# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans what of a network has to go: undeclared parts of it, or all of it; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from copy import deepcopy

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Step, Wait, removal
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.drafts import Draft
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_api import LIVE_NAT_STATES
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_wanted import (
    EVERYWHERE,
    Table,
    find_nat_gateway,
    handy,
    is_ours,
    match_tables,
    nat_subnets,
    wanted_subnets,
    wanted_tables,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, Fields


def summarise(state: Fields, params: Fields) -> Fields:
    """Returns the network with what others need of it and with what could be purged."""
    draft = Draft(params)
    if params["state"] == "present":
        plan_purge(draft, deepcopy(state), params)
    undeclared = [f"{change.resource} {change.name}" for change in draft.changes]
    return {**state, **handy(state, params), "undeclared": undeclared}


def plan_purge(draft: Draft, state: Fields, params: Fields) -> None:
    """Removes what is ours and not declared."""
    matched = match_tables(state, params)
    for wanted in wanted_tables(params):
        if wanted.part in matched:
            purge_table_contents(draft, matched[wanted.part], wanted)
    kept_tables = [table["id"] for table in matched.values()]
    delete_tables(draft, state, [t for t in state["route_tables"] if is_ours(t, params) and t["id"] not in kept_tables])
    needed = [find_nat_gateway(state, params, subnet["cidr"]) for subnet in nat_subnets(params)]
    purge_nat_gateways(draft, state, params, [nat for nat in needed if nat])


def purge_table_contents(draft: Draft, table: Fields, wanted: Table) -> None:
    routes = {cidr: target for cidr, target in table["routes"].items() if wanted.exit and cidr == EVERYWHERE}
    subnets = [cidr for cidr in table["subnets"] if cidr in wanted.cidrs]
    steps: list[Step] = [
        removal("delete_route", RouteTableId=table["id"], DestinationCidrBlock=cidr)
        for cidr in table["routes"]
        if cidr not in routes
    ]
    steps += [
        removal("disassociate_route_table", AssociationId=link)
        for cidr, link in table["associations"].items()
        if cidr not in subnets
    ]
    draft.update("route_table", table, {"routes": routes, "subnets": subnets}, wanted.part, steps)
    table["associations"] = {cidr: link for cidr, link in table["associations"].items() if cidr in subnets}


def delete_tables(draft: Draft, state: Fields, tables: list[Fields]) -> None:
    for table in tables:
        if table["id"] == KNOWN_AFTER_APPLY:
            continue
        links = table["associations"].values()
        steps = [removal("disassociate_route_table", AssociationId=link) for link in links]
        draft.delete("route_table", table, [*steps, removal("delete_route_table", RouteTableId=table["id"])])
        state["route_tables"].remove(table)


def purge_nat_gateways(draft: Draft, state: Fields, params: Fields, needed: list[Fields]) -> None:
    """Deletes our other NAT gateways, then releases their addresses once they are gone."""
    leaving = [nat for nat in state["nat_gateways"] if is_ours(nat, params) and nat not in needed]
    for nat in leaving:
        if nat["state"] in LIVE_NAT_STATES:
            draft.delete("nat_gateway", nat, [removal("delete_nat_gateway", NatGatewayId=nat["id"])])
    wait = [Wait("nat_gateways_deleted", {"NatGatewayIds": [nat["id"] for nat in leaving]})] if leaving else []
    in_use = [nat["allocation_id"] for nat in state["nat_gateways"] if nat not in leaving]
    freed = [nat["allocation_id"] for nat in leaving]
    for address in list(state["addresses"]):
        if address["id"] not in in_use and (address["id"] in freed or is_ours(address, params)):
            release = removal("release_address", AllocationId=address["id"])
            draft.delete("elastic_ip", address, [*wait, release])
            state["addresses"].remove(address)
    state["nat_gateways"] = [nat for nat in state["nat_gateways"] if nat not in leaving]


def plan_absent(draft: Draft, state: Fields, params: Fields) -> None:
    """Removes the whole network in the order in which AWS lets go of it."""
    purge_nat_gateways(draft, state, params, [])
    delete_tables(draft, state, [table for table in state["route_tables"] if is_ours(table, params)])
    declared = [subnet["cidr"] for subnet in wanted_subnets(params)]
    for subnet in list(state["subnets"]):
        if is_ours(subnet, params) or subnet["cidr"] in declared:
            draft.delete("subnet", subnet, [removal("delete_subnet", SubnetId=subnet["id"])])
            state["subnets"].remove(subnet)
    delete_internet_gateway(draft, state)
    if state["vpc"]:
        vpc = state["vpc"]
        draft.delete("vpc", vpc, [removal("delete_vpc", VpcId=vpc["id"])])
        state["vpc"] = {}


def delete_internet_gateway(draft: Draft, state: Fields) -> None:
    gateway = state["internet_gateway"]
    if not gateway:
        return
    subject = {"InternetGatewayId": gateway["id"]}
    steps = [removal("detach_internet_gateway", **subject, VpcId=gateway["vpc_id"])] if gateway["vpc_id"] else []
    draft.delete("internet_gateway", gateway, [*steps, removal("delete_internet_gateway", **subject)])
    state["internet_gateway"] = {}
