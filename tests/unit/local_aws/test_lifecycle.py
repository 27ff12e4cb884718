# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Things that take time to come and go hold what they use until they are gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, Network, build
from botocore.exceptions import ClientError

WAIT_SECONDS = 20


@pytest.fixture
def network(slow_account: Account) -> Network:
    return build(slow_account.client("ec2"))


def nat_state(network: Network) -> str:
    return str(network.ec2.describe_nat_gateways(NatGatewayIds=[network.nat])["NatGateways"][0]["State"])


def endpoint_states(network: Network) -> list[str]:
    wanted = [{"Name": "vpc-endpoint-id", "Values": [network.endpoint]}]
    return [found["State"] for found in network.ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"]]


def wait_for(probe: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while probe() != wanted:
        assert time.monotonic() < deadline, f"still {probe()}, not {wanted}"
        time.sleep(0.1)


def test_deleting_nat_holds_its_address(network: Network) -> None:
    assert nat_state(network) == "pending"
    wait_for(lambda: nat_state(network), "available")
    network.ec2.delete_nat_gateway(NatGatewayId=network.nat)
    assert nat_state(network) == "deleting"
    with pytest.raises(ClientError, match=r"InvalidIPAddress\.InUse"):
        network.ec2.release_address(AllocationId=network.allocation)
    wait_for(lambda: nat_state(network), "deleted")
    network.ec2.release_address(AllocationId=network.allocation)


def test_deleting_endpoint_holds_its_group(network: Network) -> None:
    assert endpoint_states(network) == ["pending"]
    wait_for(lambda: endpoint_states(network), ["available"])
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[network.endpoint])
    assert endpoint_states(network) == ["deleting"]
    with pytest.raises(ClientError, match="DependencyViolation"):
        network.ec2.delete_security_group(GroupId=network.group)
    wait_for(lambda: endpoint_states(network), [])
    network.ec2.delete_security_group(GroupId=network.group)
