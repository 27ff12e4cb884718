# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import (
    Call,
    Ref,
    Wait,
    perform,
    removal,
    when_visible,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Action, Change, Plan
from botocore.stub import Stubber

SUBNET = Call("create_subnet", {"VpcId": Ref("vpc"), "CidrBlock": "10.0.0.0/24"}, "subnet", ("Subnet", "SubnetId"))
VPC = Call("create_vpc", {"CidrBlock": "10.0.0.0/16"}, "vpc", ("Vpc", "VpcId"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def client_of() -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return botocore.session.get_session().create_client("ec2", region_name="eu-west-1", **keys)


def planned(*steps: Any) -> Plan:
    return Plan(
        {}, tuple(Change(Action.CREATE, "thing", str(number), call=(step,)) for number, step in enumerate(steps))
    )


def test_references_are_settled_by_earlier_answers() -> None:
    client = client_of()
    with Stubber(client) as stub:
        stub.add_response("create_vpc", {"Vpc": {"VpcId": "vpc-1"}}, {"CidrBlock": "10.0.0.0/16"})
        stub.add_response(
            "create_subnet", {"Subnet": {"SubnetId": "subnet-1"}}, {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}
        )
        assert perform(client, planned(VPC, SUBNET), 1) == {"vpc": "vpc-1", "subnet": "subnet-1"}


def test_later_phases_wait_for_all_changes() -> None:
    client = client_of()
    with Stubber(client) as stub:
        stub.add_response("create_vpc", {"Vpc": {"VpcId": "vpc-1"}})
        stub.add_response("delete_subnet", {}, {"SubnetId": "subnet-9"})
        perform(client, planned(removal("delete_subnet", SubnetId="subnet-9", phase=1), VPC), 1)
        stub.assert_no_pending_responses()


def test_what_is_not_visible_yet_is_tried_again() -> None:
    client = client_of()
    with Stubber(client) as stub:
        stub.add_client_error("create_subnet", "InvalidVpcID.NotFound")
        stub.add_response("create_subnet", {"Subnet": {"SubnetId": "subnet-1"}})
        assert perform(client, planned(SUBNET), 1, {"vpc": "vpc-1"}) == {"subnet": "subnet-1"}


def test_a_refusal_says_what_failed() -> None:
    client = client_of()
    with Stubber(client) as stub:
        stub.add_client_error("create_subnet", "InvalidSubnet.Conflict", "The CIDR conflicts")
        with pytest.raises(AnsibleAWSError, match=r"Failed to create subnet vpc-1.*The CIDR conflicts"):
            perform(client, planned(SUBNET), 1, {"vpc": "vpc-1"})


def test_a_removal_outlasts_what_still_uses_it_and_accepts_that_it_is_gone() -> None:
    client = client_of()
    with Stubber(client) as stub:
        stub.add_client_error("delete_subnet", "DependencyViolation")
        stub.add_client_error("delete_subnet", "InvalidSubnetID.NotFound")
        perform(client, planned(removal("delete_subnet", SubnetId="subnet-1")), 1)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("code", "fails"), [("InvalidVpcEndpoint.NotFound", False), ("OperationInProgress", True)])
def test_a_failure_inside_a_successful_answer_is_one(code: str, fails: bool) -> None:
    client = client_of()
    item = {"ResourceId": "vpce-1", "Error": {"Code": code, "Message": "no"}}
    delete = planned(removal("delete_vpc_endpoints", VpcEndpointIds=["vpce-1"]))
    with Stubber(client) as stub:
        stub.add_response("delete_vpc_endpoints", {"Unsuccessful": [item]})
        if not fails:
            perform(client, delete, 1)
            return
        with pytest.raises(AnsibleAWSError, match="Failed to remove vpce-1: no"):
            perform(client, delete, 1)


def test_waiting_ends_when_the_gateways_are_gone() -> None:
    client = client_of()
    wait = Wait("nat_gateways_deleted", {"NatGatewayIds": ["nat-1"]})
    with Stubber(client) as stub:
        for state in ("available", "deleting", "deleted"):
            stub.add_response("describe_nat_gateways", {"NatGateways": [{"State": state}]}, wait.request)
        perform(client, planned(wait), 60)
        stub.assert_no_pending_responses()


def test_a_gateway_that_failed_is_not_waited_for() -> None:
    client = client_of()
    wait = Wait("nat_gateways_available", {"NatGatewayIds": ["nat-1"]})
    with Stubber(client) as stub:
        stub.add_response("describe_nat_gateways", {"NatGateways": [{"State": "failed"}]}, wait.request)
        with pytest.raises(AnsibleAWSError, match="nat gateways available"):
            perform(client, planned(wait), 60)


def test_a_listing_that_lags_behind_is_read_again() -> None:
    answers = iter([{"subnets": []}, {"subnets": [{"id": "subnet-1"}]}])
    assert when_visible(lambda: next(answers), ["subnet-1"]) == {"subnets": [{"id": "subnet-1"}]}
