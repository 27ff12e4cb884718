# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans a VPC with subnets, internet gateway, NAT gateways and route tables; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import (
    Call,
    Ref,
    Step,
    id_or_ref,
    tag_specification,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.drafts import Draft, named
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_api import LIVE_NAT_STATES
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_removal import (
    plan_absent,
    plan_purge,
    summarise,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_wanted import (
    EVERYWHERE,
    Table,
    find_nat_gateway,
    match_tables,
    nat_subnets,
    wanted_subnets,
    wanted_tables,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Fields,
    Plan,
    PlanRefusedError,
)

SUBNET_ATTRIBUTES = {
    "map_public_ip": "MapPublicIpOnLaunch",
    "resource_name_dns_a_record": "EnableResourceNameDnsARecordOnLaunch",
}
# Private DNS names need DNS support, so it comes first.
VPC_ATTRIBUTES = {"enable_dns_support": "EnableDnsSupport", "enable_dns_hostnames": "EnableDnsHostnames"}


@dataclass(frozen=True)
class Gateway:
    """The target of a default route: as shown, and as a request takes it."""

    shown: str
    key: str
    target: Any

    def route(self, operation: str, table: Any) -> Call:
        return Call(operation, {"RouteTableId": table, "DestinationCidrBlock": EVERYWHERE, self.key: self.target})


def plan(current: Fields, params: Fields) -> Plan:
    state = deepcopy(current)
    draft = Draft(params)
    if params["state"] == "absent":
        plan_absent(draft, state, params)
        return Plan(summarise(state, params), tuple(draft.changes))
    plan_vpc(draft, state, params)
    plan_internet_gateway(draft, state)
    plan_subnets(draft, state, params)
    plan_nat_gateways(draft, state, params)
    plan_route_tables(draft, state, params)
    if params["purge"]:
        plan_purge(draft, state, params)
    return Plan(summarise(state, params), tuple(draft.changes))


def vpc_ref(state: Fields) -> Any:
    return id_or_ref(state["vpc"]["id"], "vpc")


def plan_vpc(draft: Draft, state: Fields, params: Fields) -> None:
    wanted = {name: params[name] for name in VPC_ATTRIBUTES}
    if not state["vpc"]:
        state["vpc"] = create_vpc(draft, params["cidr"], wanted)
        return
    vpc = state["vpc"]
    if vpc["cidr"] != params["cidr"]:
        raise PlanRefusedError(
            f"cidr of the VPC {vpc['id']} is {vpc['cidr']} and AWS cannot change it to {params['cidr']}: "
            f"keep {vpc['cidr']}, or remove the network first."
        )
    steps = attribute_steps("modify_vpc_attribute", {"VpcId": vpc["id"]}, VPC_ATTRIBUTES, vpc, wanted)
    if params["purge_cidrs"]:
        wanted["more_cidrs"] = {}
        steps += [Call("disassociate_vpc_cidr_block", {"AssociationId": link}) for link in vpc["more_cidrs"].values()]
    draft.update("vpc", vpc, wanted, "vpc", steps)


def create_vpc(draft: Draft, cidr: str, wanted: Fields) -> Fields:
    fields = {"cidr": cidr, "more_cidrs": {}, **wanted, "tags": draft.tags("vpc")}
    request = {"CidrBlock": cidr, "TagSpecifications": tag_specification("vpc", fields["tags"])}
    made_by_aws = {"enable_dns_support": True, "enable_dns_hostnames": False}
    steps = attribute_steps("modify_vpc_attribute", {"VpcId": Ref("vpc")}, VPC_ATTRIBUTES, made_by_aws, wanted)
    return draft.create("vpc", fields, [Call("create_vpc", request, "vpc", ("Vpc", "VpcId")), *steps])


def attribute_steps(
    operation: str, subject: Fields, names: dict[str, str], current: Fields, wanted: Fields
) -> list[Step]:
    """Returns one call for each attribute that differs: AWS takes one at a time."""
    return [
        Call(operation, {**subject, attribute: {"Value": wanted[key]}})
        for key, attribute in names.items()
        if current[key] != wanted[key]
    ]


def plan_internet_gateway(draft: Draft, state: Fields) -> None:
    vpc = vpc_ref(state)
    gateway = state["internet_gateway"]
    attach = Call("attach_internet_gateway", {"InternetGatewayId": id_or_ref(gateway.get("id"), "igw"), "VpcId": vpc})
    if gateway:
        is_attached = gateway["vpc_id"] == state["vpc"]["id"]
        draft.update(
            "internet_gateway", gateway, {"vpc_id": state["vpc"]["id"]}, "igw", () if is_attached else (attach,)
        )
        return
    tags = draft.tags("igw")
    request = {"TagSpecifications": tag_specification("internet-gateway", tags)}
    create = Call("create_internet_gateway", request, "igw", ("InternetGateway", "InternetGatewayId"))
    fields = {"vpc_id": state["vpc"]["id"], "tags": tags}
    state["internet_gateway"] = draft.create("internet_gateway", fields, [create, attach])


def plan_subnets(draft: Draft, state: Fields, params: Fields) -> None:
    existing = {subnet["cidr"]: subnet for subnet in state["subnets"]}
    for wanted in wanted_subnets(params):
        subnet = existing.get(wanted["cidr"])
        if subnet:
            update_subnet(draft, subnet, wanted)
        else:
            state["subnets"].append(create_subnet(draft, vpc_ref(state), wanted))


def create_subnet(draft: Draft, vpc: Any, wanted: Fields) -> Fields:
    ref = f"subnet {wanted['cidr']}"
    fields = {key: value for key, value in wanted.items() if key != "part"}
    fields["tags"] = draft.tags(wanted["part"])
    request = {
        "VpcId": vpc,
        "CidrBlock": wanted["cidr"],
        "AvailabilityZone": wanted["availability_zone"],
        "TagSpecifications": tag_specification("subnet", fields["tags"]),
    }
    made_by_aws = dict.fromkeys(SUBNET_ATTRIBUTES, False)
    subject = {"SubnetId": Ref(ref)}
    steps = attribute_steps("modify_subnet_attribute", subject, SUBNET_ATTRIBUTES, made_by_aws, wanted)
    return draft.create("subnet", fields, [Call("create_subnet", request, ref, ("Subnet", "SubnetId")), *steps])


def update_subnet(draft: Draft, subnet: Fields, wanted: Fields) -> None:
    if subnet["availability_zone"] != wanted["availability_zone"]:
        raise PlanRefusedError(
            f"subnet {wanted['cidr']} ({subnet['id']}) is in {subnet['availability_zone']} and AWS cannot move it to "
            f"{wanted['availability_zone']}: keep number and order of the availability zones, or declare the subnets' "
            "ranges one by one."
        )
    fields = {key: wanted[key] for key in SUBNET_ATTRIBUTES}
    subject = {"SubnetId": subnet["id"]}
    steps = attribute_steps("modify_subnet_attribute", subject, SUBNET_ATTRIBUTES, subnet, fields)
    draft.update("subnet", subnet, fields, wanted["part"], steps)


def plan_nat_gateways(draft: Draft, state: Fields, params: Fields) -> None:
    subnets = {subnet["cidr"]: subnet for subnet in state["subnets"]}
    for wanted in nat_subnets(params):
        part = f"nat-{wanted['availability_zone']}"
        subnet = subnets[wanted["cidr"]]
        nat = find_nat_gateway(state, params, wanted["cidr"])
        if nat is None:
            create_nat_gateway(draft, state, part, subnet)
            continue
        draft.update("nat_gateway", nat, {}, part, ())
        for address in state["addresses"]:
            if address["id"] == nat["allocation_id"]:
                draft.update("elastic_ip", address, {}, part, ())


def create_nat_gateway(draft: Draft, state: Fields, part: str, subnet: Fields) -> None:
    address = spare_address(draft, state, part)
    tags = draft.tags(part)
    request = {
        "SubnetId": id_or_ref(subnet["id"], f"subnet {subnet['cidr']}"),
        "AllocationId": id_or_ref(address["id"], f"address {part}"),
        "ConnectivityType": "public",
        "TagSpecifications": tag_specification("natgateway", tags),
    }
    fields = {
        "cidr": subnet["cidr"],
        "state": LIVE_NAT_STATES[0],
        "allocation_id": address["id"],
        "public_ip": address["public_ip"],
        "tags": tags,
    }
    call = Call("create_nat_gateway", request, f"nat {subnet['cidr']}", ("NatGateway", "NatGatewayId"))
    state["nat_gateways"].append(draft.create("nat_gateway", fields, [call]))


def spare_address(draft: Draft, state: Fields, part: str) -> Fields:
    """Returns the address that an interrupted run left behind, or plans a new one."""
    for address in state["addresses"]:
        if not address["in_use"] and named(address, draft.tags(part)["Name"]):
            address["in_use"] = True
            return dict(address)
    tags = draft.tags(part)
    request = {"Domain": "vpc", "TagSpecifications": tag_specification("elastic-ip", tags)}
    call = Call("allocate_address", request, f"address {part}", ("AllocationId",))
    address = draft.create("elastic_ip", {"public_ip": KNOWN_AFTER_APPLY, "in_use": True, "tags": tags}, [call])
    state["addresses"].append(address)
    return address


def plan_route_tables(draft: Draft, state: Fields, params: Fields) -> None:
    matched = match_tables(state, params)
    for wanted in wanted_tables(params):
        table = matched.get(wanted.part)
        gateway = gateway_of(state, params, wanted)
        if table is None:
            create_route_table(draft, state, wanted, gateway)
        else:
            update_route_table(draft, state, wanted, gateway, table)


def gateway_of(state: Fields, params: Fields, wanted: Table) -> Gateway | None:
    """Returns where the table's default route leads."""
    if wanted.exit == "internet":
        shown = state["internet_gateway"]["id"]
        return Gateway(shown, "GatewayId", id_or_ref(shown, "igw"))
    nat = find_nat_gateway(state, params, wanted.exit) if wanted.exit else None
    return Gateway(nat["id"], "NatGatewayId", id_or_ref(nat["id"], f"nat {wanted.exit}")) if nat else None


def create_route_table(draft: Draft, state: Fields, wanted: Table, gateway: Gateway | None) -> None:
    ref = f"table {wanted.part}"
    tags = draft.tags(wanted.part)
    request = {"VpcId": vpc_ref(state), "TagSpecifications": tag_specification("route-table", tags)}
    steps: list[Step] = [Call("create_route_table", request, ref, ("RouteTable", "RouteTableId"))]
    if gateway:
        steps.append(gateway.route("create_route", Ref(ref)))
    steps += [link_subnet(state, Ref(ref), cidr) for cidr in wanted.cidrs]
    routes = {EVERYWHERE: gateway.shown} if gateway else {}
    fields = {"routes": routes, "subnets": list(wanted.cidrs), "tags": tags}
    table = draft.create("route_table", fields, steps)
    table["associations"] = dict.fromkeys(wanted.cidrs, KNOWN_AFTER_APPLY)
    state["route_tables"].append(table)


def update_route_table(draft: Draft, state: Fields, wanted: Table, gateway: Gateway | None, table: Fields) -> None:
    steps: list[Step] = []
    routes = dict(table["routes"])
    if gateway and routes.get(EVERYWHERE) != gateway.shown:
        steps.append(gateway.route("replace_route" if EVERYWHERE in routes else "create_route", table["id"]))
        routes[EVERYWHERE] = gateway.shown
    missing = [cidr for cidr in wanted.cidrs if cidr not in table["associations"]]
    steps += [link_subnet(state, table["id"], cidr) for cidr in missing]
    draft.update("route_table", table, {"routes": routes, "subnets": table["subnets"] + missing}, wanted.part, steps)
    table["associations"].update(dict.fromkeys(missing, KNOWN_AFTER_APPLY))


def link_subnet(state: Fields, table: Any, cidr: str) -> Call:
    """Returns the call that puts a subnet under a table, moving it when it is under another one."""
    for other in state["route_tables"]:
        if cidr in other["associations"]:
            other["subnets"].remove(cidr)
            link = other["associations"].pop(cidr)
            return Call("replace_route_table_association", {"AssociationId": link, "RouteTableId": table})
    subnet = next(subnet for subnet in state["subnets"] if subnet["cidr"] == cidr)
    subnet_ref = id_or_ref(subnet["id"], f"subnet {cidr}")
    return Call("associate_route_table", {"RouteTableId": table, "SubnetId": subnet_ref})
