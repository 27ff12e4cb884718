# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VPC endpoints: everything a caller compares, and what they bring along."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, Network, build


@pytest.fixture
def network(account: Account) -> Network:
    return build(account.client("ec2"))


def endpoint(network: Network, endpoint_id: str) -> dict[str, Any]:
    return dict(network.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0])


def modify(network: Network, **changes: Any) -> dict[str, Any]:
    network.ec2.modify_vpc_endpoint(VpcEndpointId=network.endpoint, **changes)
    return endpoint(network, network.endpoint)


def interfaces(network: Network) -> list[dict[str, Any]]:
    wanted = [{"Name": "interface-type", "Values": ["vpc_endpoint"]}, {"Name": "vpc-id", "Values": [network.vpc]}]
    return list(network.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"])


def endpoint_routes(network: Network, table: str) -> list[tuple[str, str]]:
    (found,) = network.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    routes = [route for route in found["Routes"] if "DestinationPrefixListId" in route]
    return [(route["DestinationPrefixListId"], route["GatewayId"]) for route in routes]


def test_interface_endpoint_is_answered_whole(network: Network) -> None:
    found = endpoint(network, network.endpoint)
    assert [group["GroupId"] for group in found["Groups"]] == [network.group]
    assert (found["PrivateDnsEnabled"], found["IpAddressType"], found["RequesterManaged"]) == (True, "ipv4", False)
    assert found["DnsEntries"][1]["DnsName"] == "logs.ap-northeast-1.amazonaws.com"
    assert json.loads(found["PolicyDocument"])["Statement"][0]["Action"] == "*"
    assert found["NetworkInterfaceIds"] == [card["NetworkInterfaceId"] for card in interfaces(network)]


def test_interfaces_follow_the_subnets(network: Network) -> None:
    modify(network, AddSubnetIds=[network.other_subnet])
    assert {card["SubnetId"] for card in interfaces(network)} == {network.subnet, network.other_subnet}
    modify(network, RemoveSubnetIds=[network.subnet])
    assert [card["SubnetId"] for card in interfaces(network)] == [network.other_subnet]


def test_groups_follow_a_change(network: Network) -> None:
    changed = modify(network, AddSecurityGroupIds=[network.peer_group], RemoveSecurityGroupIds=[network.group])
    assert [group["GroupId"] for group in changed["Groups"]] == [network.peer_group]
    assert [[group["GroupId"] for group in card["Groups"]] for card in interfaces(network)] == [[network.peer_group]]


@pytest.mark.parametrize("wanted", [False, True])
def test_private_dns_can_be_switched(network: Network, wanted: bool) -> None:
    modify(network, PrivateDnsEnabled=not wanted)
    changed = modify(network, PrivateDnsEnabled=wanted)
    assert changed["PrivateDnsEnabled"] is wanted
    assert len(changed["DnsEntries"]) == 1 + wanted


def test_policy_can_be_set_and_reset(network: Network) -> None:
    policy = '{"Statement":[]}'
    assert modify(network, PolicyDocument=policy)["PolicyDocument"] == policy
    assert json.loads(modify(network, ResetPolicy=True)["PolicyDocument"])["Statement"][0]["Effect"] == "Allow"


def test_gateway_endpoint_routes_the_prefix_list(network: Network) -> None:
    assert endpoint_routes(network, network.table) == [(network.s3_list, network.s3_endpoint)]
    network.ec2.modify_vpc_endpoint(
        VpcEndpointId=network.s3_endpoint,
        AddRouteTableIds=[network.other_table],
        RemoveRouteTableIds=[network.table],
    )
    assert endpoint_routes(network, network.table) == []
    assert endpoint_routes(network, network.other_table) == [(network.s3_list, network.s3_endpoint)]


def test_same_token_answers_the_same_endpoint(network: Network) -> None:
    request = {
        "VpcId": network.vpc,
        "ServiceName": "com.amazonaws.ap-northeast-1.ecr.api",
        "VpcEndpointType": "Interface",
        "SubnetIds": [network.subnet],
        "ClientToken": "token",
    }
    first, second = (network.ec2.create_vpc_endpoint(**request)["VpcEndpoint"] for _index in range(2))
    assert first["VpcEndpointId"] == second["VpcEndpointId"]
    assert first["State"] == "pending"
    assert first["DnsEntries"][1]["DnsName"] == "api.ecr.ap-northeast-1.amazonaws.com"


def test_deleting_takes_interfaces_and_routes_along(network: Network) -> None:
    missing = "vpce-0123456789abcdef0"
    answer = network.ec2.delete_vpc_endpoints(VpcEndpointIds=[network.endpoint, network.s3_endpoint, missing])
    assert [failure["ResourceId"] for failure in answer["Unsuccessful"]] == [missing]
    assert interfaces(network) == []
    assert endpoint_routes(network, network.table) == []


def test_services_are_offered_in_the_zones_of_the_region(network: Network) -> None:
    name = "com.amazonaws.ap-northeast-1.ecr.dkr"
    (service,) = network.ec2.describe_vpc_endpoint_services(ServiceNames=[name])["ServiceDetails"]
    assert service["AvailabilityZones"] == [f"ap-northeast-1{letter}" for letter in "acd"]
    assert service["PrivateDnsName"] == "dkr.ecr.ap-northeast-1.amazonaws.com"
