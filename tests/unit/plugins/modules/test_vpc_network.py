# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Call, Wait
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_plan import plan
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_removal import summarise
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Plan,
    PlanRefusedError,
)

Fields = dict[str, Any]
OWNER = {"gatehouse:stack": "hello"}
EVERYWHERE = "0.0.0.0/0"
PUBLIC = [{"cidr": "10.0.0.0/20", "availability_zone": "a"}, {"cidr": "10.0.16.0/20", "availability_zone": "c"}]
PRIVATE = [{"cidr": "10.0.32.0/20", "availability_zone": "a"}, {"cidr": "10.0.48.0/20", "availability_zone": "c"}]
DESIRED: Fields = {
    "name": "hello",
    "state": "present",
    "cidr": "10.0.0.0/16",
    "enable_dns_support": True,
    "enable_dns_hostnames": True,
    "public_subnets": PUBLIC,
    "private_subnets": PRIVATE,
    "resource_name_dns_a_record": True,
    "nat": "none",
    "purge": True,
    "purge_cidrs": True,
    "tags": OWNER,
    "purge_tags": True,
}
EMPTY: Fields = {
    "vpc": {},
    "internet_gateway": {},
    "subnets": [],
    "route_tables": [],
    "nat_gateways": [],
    "addresses": [],
}


def tags(part: str) -> dict[str, str]:
    return {**OWNER, "Name": f"hello-{part}"}


def subnet(number: int, tier: str, declared: dict[str, str]) -> Fields:
    return {
        "id": f"subnet-{number}",
        **declared,
        "map_public_ip": tier == "public",
        "resource_name_dns_a_record": True,
        "tags": tags(f"{tier}-{declared['availability_zone']}"),
    }


def table(part: str, subnets: list[Fields], target: str) -> Fields:
    ranges = [each["cidr"] for each in subnets]
    return {
        "id": f"rtb-{part}",
        "routes": {EVERYWHERE: target} if target else {},
        "subnets": ranges,
        "associations": {cidr: f"rtbassoc-{cidr}" for cidr in ranges},
        "tags": tags(part),
    }


def nat_gateway(zone: str, cidr: str, state: str = "available") -> Fields:
    return {
        "id": f"nat-{zone}",
        "cidr": cidr,
        "state": state,
        "allocation_id": f"eipalloc-{zone}",
        "public_ip": "198.51.100.1",
        "tags": tags(f"nat-{zone}"),
    }


def address(zone: str, in_use: bool = True) -> Fields:
    return {
        "id": f"eipalloc-{zone}",
        "public_ip": "198.51.100.1",
        "in_use": in_use,
        "tags": tags(f"nat-{zone}"),
    }


def closed() -> Fields:
    subnets = [*(("public", each) for each in PUBLIC), *(("private", each) for each in PRIVATE)]
    return deepcopy(
        {
            "vpc": {
                "id": "vpc-1",
                "cidr": "10.0.0.0/16",
                "more_cidrs": {},
                "enable_dns_support": True,
                "enable_dns_hostnames": True,
                "tags": tags("vpc"),
            },
            "internet_gateway": {"id": "igw-1", "vpc_id": "vpc-1", "tags": tags("igw")},
            "subnets": [subnet(number, tier, declared) for number, (tier, declared) in enumerate(subnets)],
            "route_tables": [table("public", PUBLIC, "igw-1"), table("private", PRIVATE, "")],
            "nat_gateways": [],
            "addresses": [],
        }
    )


def single() -> Fields:
    state = closed()
    state["nat_gateways"] = [nat_gateway("a", "10.0.0.0/20")]
    state["addresses"] = [address("a")]
    state["route_tables"][1] = table("private", PRIVATE, "nat-a")
    return state


def per_az() -> Fields:
    state = single()
    state["nat_gateways"].append(nat_gateway("c", "10.0.16.0/20"))
    state["addresses"].append(address("c"))
    state["route_tables"][1:] = [
        table("private-a", PRIVATE[:1], "nat-a"),
        table("private-c", PRIVATE[1:], "nat-c"),
    ]
    return state


def summary(planned: Plan) -> list[str]:
    return [f"{change.action.value} {change.resource} {change.name}" for change in planned.changes]


def operations(planned: Plan) -> list[str]:
    steps = [step for change in planned.changes for step in change.call]
    return [step.operation if isinstance(step, Call) else f"wait {step.waiter}" for step in steps]


def test_an_empty_account_gets_everything_with_unknown_ids() -> None:
    planned = plan(EMPTY, {**DESIRED, "nat": "single"})
    assert summary(planned) == [
        "create vpc hello-vpc",
        "create internet_gateway hello-igw",
        "create subnet hello-public-a",
        "create subnet hello-public-c",
        "create subnet hello-private-a",
        "create subnet hello-private-c",
        "create elastic_ip hello-nat-a",
        "create nat_gateway hello-nat-a",
        "create route_table hello-public",
        "create route_table hello-private",
    ]
    assert planned.result["public_subnet_ids"] == [KNOWN_AFTER_APPLY, KNOWN_AFTER_APPLY]
    assert planned.result["private_route_table_ids"] == [KNOWN_AFTER_APPLY]
    assert planned.result["undeclared"] == []


@pytest.mark.parametrize(("state", "nat"), [(closed(), "none"), (single(), "single"), (per_az(), "per_az")])
def test_a_converged_network_is_left_alone(state: Fields, nat: str) -> None:
    planned = plan(state, {**DESIRED, "nat": nat})
    assert planned.changes == ()
    assert planned.result["public_subnet_ids"] == ["subnet-0", "subnet-1"]
    assert planned.result["private_subnet_ids"] == ["subnet-2", "subnet-3"]


@pytest.mark.parametrize(
    ("path", "field", "drifted", "calls"),
    [
        (("vpc",), "enable_dns_support", False, ["modify_vpc_attribute"]),
        (("vpc",), "enable_dns_hostnames", False, ["modify_vpc_attribute"]),
        (("vpc",), "more_cidrs", {"10.9.0.0/16": "assoc"}, ["disassociate_vpc_cidr_block"]),
        (("internet_gateway",), "vpc_id", "", ["attach_internet_gateway"]),
        (("subnets", 0), "map_public_ip", False, ["modify_subnet_attribute"]),
        (("subnets", 3), "map_public_ip", True, ["modify_subnet_attribute"]),
        (("subnets", 0), "resource_name_dns_a_record", False, ["modify_subnet_attribute"]),
        (("route_tables", 0), "routes", {}, ["create_route"]),
        (("route_tables", 0), "routes", {EVERYWHERE: "nat-x"}, ["replace_route"]),
        (("route_tables", 1), "routes", {EVERYWHERE: "igw-1"}, ["delete_route"]),
        (("vpc",), "tags", {**tags("vpc"), "stray": "1"}, ["delete_tags"]),
        (("subnets", 2), "tags", {"Name": "renamed"}, ["create_tags"]),
        (("route_tables", 1), "tags", {**OWNER, "Name": "renamed"}, ["create_tags"]),
    ],
)
def test_drift_is_found_field_by_field(path: tuple[Any, ...], field: str, drifted: Any, calls: list[str]) -> None:
    state = closed()
    item = state
    for key in path:
        item = item[key]
    expected, item[field] = item[field], drifted
    planned = plan(state, DESIRED)
    (change,) = planned.changes
    assert (change.before, change.after) == ({field: drifted}, {field: expected})
    assert operations(planned) == calls


def test_a_subnet_that_left_its_table_comes_back() -> None:
    state = closed()
    public, private = state["route_tables"]
    private["subnets"].remove("10.0.32.0/20")
    public["subnets"].append("10.0.32.0/20")
    public["associations"]["10.0.32.0/20"] = private["associations"].pop("10.0.32.0/20")
    planned = plan(state, DESIRED)
    assert summary(planned) == ["update route_table hello-private"]
    assert operations(planned) == ["replace_route_table_association"]


def test_routes_and_tables_of_others_stay() -> None:
    state = closed()
    state["route_tables"].append({**table("x", [], "igw-1"), "tags": {"gatehouse:stack": "other", "Name": "hello-x"}})
    assert plan(state, DESIRED).changes == ()


def test_the_way_out_is_not_removed_before_its_replacement_may_be() -> None:
    planned = plan(single(), {**DESIRED, "purge": False})
    assert planned.changes == ()
    assert planned.result["undeclared"] == [
        "route_table hello-private",
        "nat_gateway hello-nat-a",
        "elastic_ip hello-nat-a",
    ]


@pytest.mark.parametrize(
    ("state", "nat", "changes"),
    [
        (
            closed(),
            "single",
            ["create elastic_ip hello-nat-a", "create nat_gateway hello-nat-a", "update route_table hello-private"],
        ),
        (
            single(),
            "none",
            ["update route_table hello-private", "delete nat_gateway hello-nat-a", "delete elastic_ip hello-nat-a"],
        ),
        (
            per_az(),
            "single",
            [
                "update route_table hello-private",
                "delete route_table hello-private-c",
                "delete nat_gateway hello-nat-c",
                "delete elastic_ip hello-nat-c",
            ],
        ),
    ],
)
def test_switching_the_way_out(state: Fields, nat: str, changes: list[str]) -> None:
    planned = plan(state, {**DESIRED, "nat": nat})
    assert summary(planned) == changes
    assert planned.result["undeclared"] == []


def test_an_address_is_released_only_once_its_gateway_is_gone() -> None:
    planned = plan(single(), DESIRED)
    assert operations(planned) == [
        "delete_route",
        "delete_nat_gateway",
        "wait nat_gateways_deleted",
        "release_address",
    ]


def test_an_address_left_behind_is_used_again() -> None:
    state = {**closed(), "addresses": [address("a", in_use=False)]}
    planned = plan(state, {**DESIRED, "nat": "single"})
    assert "allocate_address" not in operations(planned)
    (create,) = [change for change in planned.changes if change.resource == "nat_gateway"]
    assert create.after["allocation_id"] == "eipalloc-a"


def test_a_gateway_on_its_way_out_is_no_gateway() -> None:
    state = {**single(), "nat_gateways": [nat_gateway("a", "10.0.0.0/20", "deleting")]}
    assert "create nat_gateway hello-nat-a" in summary(plan(state, {**DESIRED, "nat": "single"}))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cidr": "10.1.0.0/16"}, "cidr of the VPC vpc-1 is 10.0.0.0/16"),
        (
            {"public_subnets": [PUBLIC[0], {**PUBLIC[1], "availability_zone": "d"}]},
            "is in c and AWS cannot move it to d",
        ),
    ],
)
def test_what_aws_cannot_change_is_refused(params: Fields, message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        plan(closed(), {**DESIRED, **params})


def test_absent_removes_everything_in_an_order_that_works() -> None:
    planned = plan(single(), {**DESIRED, "state": "absent", "public_subnets": None, "private_subnets": None})
    assert operations(planned) == [
        "delete_nat_gateway",
        "wait nat_gateways_deleted",
        "release_address",
        *["disassociate_route_table", "disassociate_route_table", "delete_route_table"] * 2,
        *["delete_subnet"] * 4,
        "detach_internet_gateway",
        "delete_internet_gateway",
        "delete_vpc",
    ]
    assert plan(EMPTY, {**DESIRED, "state": "absent"}).changes == ()


@pytest.mark.parametrize(
    ("state", "params"),
    [
        (EMPTY, {"nat": "per_az"}),
        (per_az(), {"nat": "single"}),
        (single(), {"nat": "per_az"}),
        (single(), {"state": "absent"}),
    ],
)
def test_requests_are_as_the_api_wants_them(state: Fields, params: Fields, check_request: Any) -> None:
    for change in plan(state, {**DESIRED, **params}).changes:
        for step in change.call:
            if not isinstance(step, Wait):
                check_request("ec2", step)


def test_half_a_network_is_completed() -> None:
    state = closed()
    state["subnets"] = state["subnets"][:1]
    state["route_tables"] = [table("public", PUBLIC[:1], "igw-1")]
    assert summary(plan(state, DESIRED)) == [
        "create subnet hello-public-c",
        "create subnet hello-private-a",
        "create subnet hello-private-c",
        "update route_table hello-public",
        "create route_table hello-private",
    ]


def test_the_summary_of_no_network_is_empty() -> None:
    assert summarise(EMPTY, DESIRED)["public_subnet_ids"] == []
