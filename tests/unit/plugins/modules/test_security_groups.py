# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.group_plan import plan
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import EVERYTHING, Rule, rules_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Plan,
    PlanRefusedError,
)

Fields = dict[str, Any]
OWNER = {"gatehouse:stack": "hello"}


def rule(**given: Any) -> Fields:
    blank: Fields = dict.fromkeys(("port", "to_port", "cidrs", "groups", "prefix_lists", "description"))
    return {**blank, "protocol": "tcp", **given}


DESIRED: Fields = {
    "vpc_id": "vpc-1",
    "state": "present",
    "groups": [
        {
            "name": "hello-alb",
            "description": "Load balancer",
            "ingress": [rule(port=443, cidrs=["0.0.0.0/0", "::/0"], description="HTTPS")],
            "egress": [rule(port=3000, groups=["hello-service"], description="App")],
        },
        {
            "name": "hello-service",
            "description": None,
            "ingress": [rule(port=3000, groups=["hello-alb"], description="App")],
            "egress": [rule(port=443, prefix_lists=["s3"], description="Layers")],
        },
    ],
    "purge_rules": True,
    "purge": False,
    "adopt": False,
    "tags": OWNER,
    "purge_tags": True,
}
EMPTY: Fields = {"groups": {}, "prefix_lists": {"s3": "pl-1"}}
HTTPS = {
    Rule("tcp", 443, 443, "cidr", "0.0.0.0/0"): "HTTPS",
    Rule("tcp", 443, 443, "ipv6_cidr", "::/0"): "HTTPS",
}
STRAY = Rule("tcp", 22, 22, "cidr", "203.0.113.0/24")


def group(name: str, number: str, ingress: Any, egress: Any) -> Fields:
    return {
        "id": f"sg-{number}",
        "name": name,
        "description": name,
        "ingress": ingress,
        "egress": egress,
        "tags": {**OWNER, "Name": name},
    }


def converged() -> Fields:
    app = {Rule("tcp", 3000, 3000, "group", "sg-service"): "App"}
    from_alb = {Rule("tcp", 3000, 3000, "group", "sg-alb"): "App"}
    layers = {Rule("tcp", 443, 443, "prefix_list", "pl-1"): "Layers"}
    groups = {
        "hello-alb": group("hello-alb", "alb", HTTPS, app),
        "hello-service": group("hello-service", "service", from_alb, layers),
    }
    return deepcopy({**EMPTY, "groups": groups})


def operations(planned: Plan) -> list[str]:
    steps = [step for change in planned.changes for step in change.call]
    return [step.operation for step in sorted(steps, key=lambda step: step.phase)]


def test_an_empty_account_gets_groups_that_point_to_each_other() -> None:
    planned = plan(EMPTY, {**DESIRED, "vpc_id": KNOWN_AFTER_APPLY})
    assert [(change.action.value, change.name) for change in planned.changes] == [
        ("create", "hello-alb"),
        ("create", "hello-service"),
    ]
    assert planned.result["groups"]["hello-alb"]["id"] == KNOWN_AFTER_APPLY
    assert planned.changes[0].after["egress"] == [
        {"protocol": "tcp", "port": 3000, "peer": "hello-service", "description": "App"}
    ]


def test_all_groups_are_made_before_the_first_rule() -> None:
    names = operations(plan(EMPTY, DESIRED))
    assert names[:2] == ["create_security_group"] * 2
    assert "create_security_group" not in names[2:]
    assert names.count("revoke_security_group_egress") == 2, "AWS lets a new group out to everywhere"


def test_converged_groups_are_left_alone() -> None:
    planned = plan(converged(), DESIRED)
    assert planned.changes == ()
    assert planned.result["groups"]["hello-service"]["id"] == "sg-service"


@pytest.mark.parametrize(
    ("field", "drifted", "calls"),
    [
        ("ingress", {**HTTPS, STRAY: ""}, ["revoke_security_group_ingress"]),
        ("ingress", {}, ["authorize_security_group_ingress"]),
        ("ingress", dict.fromkeys(HTTPS, "other"), ["update_security_group_rule_descriptions_ingress"]),
        ("ingress", {STRAY: ""}, ["authorize_security_group_ingress", "revoke_security_group_ingress"]),
        ("egress", {EVERYTHING: ""}, ["authorize_security_group_egress", "revoke_security_group_egress"]),
        ("tags", {**OWNER, "Name": "renamed"}, ["create_tags"]),
        ("tags", {**OWNER, "Name": "hello-alb", "stray": "1"}, ["delete_tags"]),
    ],
)
def test_drift_is_found_field_by_field(field: str, drifted: Any, calls: list[str]) -> None:
    state = converged()
    state["groups"]["hello-alb"][field] = drifted
    planned = plan(state, DESIRED)
    (change,) = planned.changes
    assert list(change.after) == [field]
    assert sorted(operations(planned)) == sorted(calls)


def test_rules_of_others_stay_when_not_purged() -> None:
    state = converged()
    state["groups"]["hello-alb"]["ingress"][STRAY] = ""
    assert plan(state, {**DESIRED, "purge_rules": False}).changes == ()


@pytest.mark.parametrize("tags", [{}, {"gatehouse:stack": "other"}])
def test_a_group_of_somebody_else_is_refused_unless_adopted(tags: dict[str, str]) -> None:
    state = converged()
    state["groups"]["hello-alb"]["tags"] = tags
    with pytest.raises(PlanRefusedError, match="security group hello-alb"):
        plan(state, DESIRED)
    (change,) = plan(state, {**DESIRED, "adopt": True}).changes
    assert change.after == {"tags": {**OWNER, "Name": "hello-alb"}}


def test_our_undeclared_groups_are_listed_and_removed_on_demand() -> None:
    state = converged()
    state["groups"]["hello-old"] = group("hello-old", "old", {Rule("tcp", 1, 1, "group", "sg-alb"): ""}, {})
    state["groups"]["default"] = {**group("default", "default", {}, {}), "tags": {}}
    assert plan(state, DESIRED).result["undeclared"] == ["hello-old"]
    planned = plan(state, {**DESIRED, "purge": True})
    assert [(change.action.value, change.name) for change in planned.changes] == [("delete", "hello-old")]
    assert operations(planned) == ["revoke_security_group_ingress", "delete_security_group"]
    assert planned.result["undeclared"] == []


def test_absent_cuts_the_rules_between_groups_first() -> None:
    planned = plan(converged(), {**DESIRED, "state": "absent"})
    assert operations(planned)[-2:] == ["delete_security_group"] * 2
    assert len(operations(planned)) == 4
    assert planned.result["groups"] == {}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (rule(port=1, groups=["nobody"]), "groups of a rule of hello-alb holds nobody"),
        (rule(port=1, prefix_lists=["nothing"]), "no prefix list of that name"),
        (rule(port=1, cidrs=["everywhere"]), "cidrs holds 'everywhere'"),
        (rule(port=1), "rule '1' has no peer"),
    ],
)
def test_rules_that_cannot_work_are_refused(bad: Fields, message: str) -> None:
    groups = [{**DESIRED["groups"][0], "ingress": [bad]}, DESIRED["groups"][1]]
    with pytest.raises(PlanRefusedError, match=message):
        plan(EMPTY, {**DESIRED, "groups": groups})


def test_host_bits_are_dropped_as_aws_does() -> None:
    state = converged()
    wanted = deepcopy(DESIRED["groups"])
    wanted[0]["ingress"][0]["cidrs"] = ["0.0.0.0/0", "::/0", "203.0.113.77/24"]
    state["groups"]["hello-alb"]["ingress"][Rule("tcp", 443, 443, "cidr", "203.0.113.0/24")] = "HTTPS"
    assert plan(state, {**DESIRED, "groups": wanted}).changes == ()


def test_permissions_are_read_one_peer_at_a_time() -> None:
    permission = {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "UserIdGroupPairs": [{"GroupId": "sg-1", "UserId": "123456789012", "Description": "x"}],
    }
    assert rules_of([permission]) == {EVERYTHING: "", Rule("-1", -1, -1, "group", "sg-1"): "x"}


@pytest.mark.parametrize(("state", "wanted"), [(EMPTY, "present"), (converged(), "absent")])
def test_requests_are_as_the_api_wants_them(state: Fields, wanted: str, check_request: Any) -> None:
    for change in plan(state, {**DESIRED, "state": wanted}).changes:
        for step in change.call:
            check_request("ec2", step)
