# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Call, Wait
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.endpoint_plan import FULL_ACCESS, plan
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Plan,
    PlanRefusedError,
)

Fields = dict[str, Any]
REGION = "eu-west-1"
OWNER = {"gatehouse:stack": "hello"}
LAYERS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}],
}
DENY = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}
DESIRED: Fields = {
    "vpc_id": "vpc-1",
    "name": "hello",
    "state": "present",
    "interface": {
        "services": ["ecr.api", "logs"],
        "subnet_ids": ["subnet-2", "subnet-1"],
        "security_group_ids": ["sg-1"],
        "private_dns": True,
        "policies": {"logs": LAYERS},
    },
    "gateway": {"services": ["s3"], "route_table_ids": ["rtb-1"], "policies": {"s3": LAYERS}},
    "purge": True,
    "adopt": False,
    "tags": OWNER,
    "purge_tags": True,
}
UNKNOWN: Fields = {
    **DESIRED,
    "vpc_id": KNOWN_AFTER_APPLY,
    "interface": {
        **DESIRED["interface"],
        "subnet_ids": [KNOWN_AFTER_APPLY, KNOWN_AFTER_APPLY],
        "security_group_ids": [KNOWN_AFTER_APPLY],
    },
    "gateway": {**DESIRED["gateway"], "route_table_ids": [KNOWN_AFTER_APPLY]},
}


def endpoint(kind: str, service: str, policy: Fields, **fields: Any) -> Fields:
    return {
        "id": f"vpce-{service}",
        "type": kind,
        "service": f"com.amazonaws.{REGION}.{service}",
        "state": "available",
        "policy": policy,
        "tags": {**OWNER, "Name": f"hello-{service}"},
        **fields,
    }


def converged() -> list[Fields]:
    where = {"subnet_ids": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"], "private_dns": True}
    return deepcopy(
        [
            endpoint("Interface", "ecr.api", {**FULL_ACCESS, "Version": "2008-10-17"}, **where),
            endpoint("Interface", "logs", LAYERS, **where),
            endpoint("Gateway", "s3", LAYERS, route_table_ids=["rtb-1"]),
        ]
    )


def summary(planned: Plan) -> list[tuple[str, str]]:
    return [(change.action.value, change.name) for change in planned.changes]


def operations(planned: Plan) -> list[str]:
    steps = [step for change in planned.changes for step in change.call]
    return [step.operation if isinstance(step, Call) else step.waiter for step in steps]


def test_an_empty_account_gets_all_endpoints() -> None:
    planned = plan([], UNKNOWN, REGION)
    assert summary(planned) == [("create", "ecr.api"), ("create", "logs"), ("create", "s3")]
    assert planned.result["endpoints"]["logs"]["id"] == KNOWN_AFTER_APPLY
    assert planned.result["endpoints"]["s3"]["service"] == "com.amazonaws.eu-west-1.s3"


def test_converged_endpoints_are_left_alone() -> None:
    planned = plan(converged(), DESIRED, REGION)
    assert planned.changes == ()
    assert sorted(planned.result["endpoints"]) == ["ecr.api", "logs", "s3"]


@pytest.mark.parametrize(
    ("number", "field", "drifted", "request_part"),
    [
        (1, "subnet_ids", ["subnet-1"], {"AddSubnetIds": ["subnet-2"]}),
        (1, "subnet_ids", ["subnet-1", "subnet-2", "subnet-3"], {"RemoveSubnetIds": ["subnet-3"]}),
        (1, "security_group_ids", ["sg-9"], {"AddSecurityGroupIds": ["sg-1"], "RemoveSecurityGroupIds": ["sg-9"]}),
        (1, "private_dns", False, {"PrivateDnsEnabled": True}),
        (0, "policy", DENY, {"ResetPolicy": True}),
        (2, "route_table_ids", [], {"AddRouteTableIds": ["rtb-1"]}),
        (2, "route_table_ids", ["rtb-1", "rtb-2"], {"RemoveRouteTableIds": ["rtb-2"]}),
    ],
)
def test_drift_is_found_field_by_field(number: int, field: str, drifted: Any, request_part: Fields) -> None:
    state = converged()
    state[number][field] = drifted
    (change,) = plan(state, DESIRED, REGION).changes
    assert list(change.after) == [field]
    (call,) = change.call
    assert call.request == {"VpcEndpointId": state[number]["id"], **request_part}


def test_a_replaced_policy_is_put_back() -> None:
    state = converged()
    state[2]["policy"] = FULL_ACCESS
    (change,) = plan(state, DESIRED, REGION).changes
    assert change.after == {"policy": LAYERS}
    assert "PolicyDocument" in change.call[0].request


@pytest.mark.parametrize(
    ("tags", "calls"),
    [
        ({**OWNER, "Name": "renamed"}, ["create_tags"]),
        ({**OWNER, "Name": "hello-logs", "stray": "1"}, ["delete_tags"]),
    ],
)
def test_tags_are_repaired(tags: dict[str, str], calls: list[str]) -> None:
    state = converged()
    state[1]["tags"] = tags
    assert operations(plan(state, DESIRED, REGION)) == calls


def test_only_our_undeclared_endpoints_are_purged() -> None:
    state = [
        *converged(),
        endpoint("Interface", "sts", FULL_ACCESS),
        {**endpoint("Interface", "ssm", FULL_ACCESS), "tags": {}},
    ]
    assert summary(plan(state, DESIRED, REGION)) == [("delete", "sts")]
    kept = plan(state, {**DESIRED, "purge": False}, REGION)
    assert kept.changes == ()
    assert kept.result["undeclared"] == ["sts"]


def test_an_endpoint_of_somebody_else_is_refused_unless_adopted() -> None:
    state = converged()
    state[1]["tags"] = {"gatehouse:stack": "other"}
    with pytest.raises(PlanRefusedError, match="vpce-logs for logs exists and carries the tag gatehouse:stack=other"):
        plan(state, DESIRED, REGION)
    assert summary(plan(state, {**DESIRED, "adopt": True}, REGION)) == [("update", "logs")]


def test_an_endpoint_on_its_way_out_is_waited_for_and_made_again() -> None:
    state = converged()
    state[1]["state"] = "deleting"
    planned = plan(state, DESIRED, REGION)
    assert summary(planned) == [("create", "logs")]
    assert operations(planned) == ["vpc_endpoints_deleted", "create_vpc_endpoint"]


def test_a_failed_endpoint_is_replaced() -> None:
    state = converged()
    state[1]["state"] = "failed"
    planned = plan(state, DESIRED, REGION)
    assert summary(planned) == [("replace", "logs")]
    assert operations(planned) == ["delete_vpc_endpoints", "vpc_endpoints_deleted", "create_vpc_endpoint"]


def test_absent_deletes_all_of_ours_whatever_is_declared() -> None:
    state = [
        *converged(),
        endpoint("Interface", "sts", FULL_ACCESS),
        {**endpoint("Gateway", "dynamodb", DENY), "tags": {}},
    ]
    planned = plan(state, {**DESIRED, "state": "absent", "interface": None, "gateway": None}, REGION)
    assert summary(planned) == [("delete", name) for name in ("ecr.api", "logs", "s3", "sts")]


@pytest.mark.parametrize("state", [[], [{**each, "policy": DENY} for each in converged()]])
def test_requests_are_as_the_api_wants_them(state: list[Fields], check_request: Any) -> None:
    steps = [step for change in plan(state, DESIRED, REGION).changes for step in change.call]
    assert len(steps) == 3
    for step in steps:
        assert not isinstance(step, Wait)
        check_request("ec2", step)
