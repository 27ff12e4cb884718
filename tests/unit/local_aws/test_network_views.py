# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What EC2 answers about a network: fields and filters that plain ministack lacks."""

from __future__ import annotations

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, Network, build


@pytest.fixture(scope="module")
def network(shared_account: Account) -> Network:
    return build(shared_account.client("ec2"))


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


@pytest.mark.parametrize(
    ("region", "letters"),
    [("ap-northeast-1", "acd"), ("us-east-1", "abcdef"), ("us-west-2", "abcd")],
)
def test_zones_are_those_of_the_region(account: Account, region: str, letters: str) -> None:
    ec2 = account.client("ec2", region)
    names = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    assert names == [region + letter for letter in letters]
    places = {subnet["AvailabilityZone"] for subnet in ec2.describe_subnets()["Subnets"]}
    assert places <= set(names)


def test_regions_are_filtered(account: Account) -> None:
    wanted = [{"Name": "region-name", "Values": ["ap-northeast-*"]}]
    regions = account.client("ec2").describe_regions(Filters=wanted)["Regions"]
    assert sorted(region["RegionName"] for region in regions) == [f"ap-northeast-{n}" for n in (1, 2, 3)]


def test_default_group_lets_its_members_talk(network: Network) -> None:
    wanted = [{"Name": "vpc-id", "Values": [network.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = network.ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    assert [pair["GroupId"] for pair in group["IpPermissions"][0]["UserIdGroupPairs"]] == [group["GroupId"]]


def test_subnet_counts_its_free_addresses(network: Network) -> None:
    subnets = network.ec2.describe_subnets(SubnetIds=[network.subnet, network.other_subnet])["Subnets"]
    free = {subnet["SubnetId"]: subnet["AvailableIpAddressCount"] for subnet in subnets}
    assert free == {network.subnet: 249, network.other_subnet: 251}


def test_dns64_is_kept(network: Network) -> None:
    network.ec2.modify_subnet_attribute(SubnetId=network.other_subnet, EnableDns64={"Value": True})
    (found,) = network.ec2.describe_subnets(SubnetIds=[network.other_subnet])["Subnets"]
    assert found["EnableDns64"] is True


def test_metrics_attribute_is_kept(network: Network) -> None:
    name = "EnableNetworkAddressUsageMetrics"
    network.ec2.modify_vpc_attribute(VpcId=network.vpc, **{name: {"Value": True}})
    found = network.ec2.describe_vpc_attribute(VpcId=network.vpc, Attribute="enableNetworkAddressUsageMetrics")
    assert found[name] == {"Value": True}


def test_vpc_is_pending_at_first(account: Account) -> None:
    assert account.client("ec2").create_vpc(CidrBlock="10.0.0.9/16")["Vpc"]["State"] == "pending"


def test_associating_again_answers_the_same_association(account: Account) -> None:
    network = build(account.client("ec2"))
    again = network.ec2.associate_route_table(RouteTableId=network.table, SubnetId=network.subnet)
    (table,) = network.ec2.describe_route_tables(RouteTableIds=[network.table])["RouteTables"]
    assert [link["RouteTableAssociationId"] for link in table["Associations"]] == [again["AssociationId"]]
    assert again["AssociationState"] == {"State": "associated"}


def test_nat_and_address_know_each_other(network: Network) -> None:
    (nat,) = network.ec2.describe_nat_gateways(NatGatewayIds=[network.nat])["NatGateways"]
    (address,) = network.ec2.describe_addresses(AllocationIds=[network.allocation])["Addresses"]
    (tie,) = nat["NatGatewayAddresses"]
    shared = ("AllocationId", "AssociationId", "NetworkInterfaceId", "PublicIp")
    assert {key: tie[key] for key in shared} == {key: address[key] for key in shared}
    assert tie["PrivateIp"] == address["PrivateIpAddress"] == "10.0.0.4"
    assert (address["PublicIpv4Pool"], address["NetworkBorderGroup"]) == ("amazon", "ap-northeast-1")


def test_nat_answers_the_same_token_with_the_same_gateway(account: Account) -> None:
    network = build(account.client("ec2"))
    request = {"SubnetId": network.other_subnet, "ClientToken": "token", "ConnectivityType": "private"}
    first, second = (network.ec2.create_nat_gateway(**request)["NatGateway"] for _index in range(2))
    assert first["NatGatewayId"] == second["NatGatewayId"]
    assert first["State"] == "pending"


def test_nat_without_internet_gateway_fails(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    created = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation)["NatGateway"]
    (found,) = ec2.describe_nat_gateways(NatGatewayIds=[created["NatGatewayId"]])["NatGateways"]
    assert (created["State"], found["State"], found["FailureCode"]) == ("pending", "failed", "Gateway.NotAttached")
    ec2.release_address(AllocationId=allocation)


def test_deleted_nat_frees_address_and_subnet(account: Account) -> None:
    network = build(account.client("ec2"))
    wanted = [{"Name": "interface-type", "Values": ["nat_gateway"]}]
    assert len(network.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]) == 1
    network.ec2.delete_nat_gateway(NatGatewayId=network.nat)
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[network.endpoint])
    network.ec2.release_address(AllocationId=network.allocation)
    association = network.ec2.describe_route_tables(RouteTableIds=[network.table])["RouteTables"][0]["Associations"][0]
    network.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    network.ec2.delete_subnet(SubnetId=network.subnet)
    assert network.subnet not in str(network.ec2.describe_subnets()["Subnets"])


def test_address_filters_look_at_tags(account: Account) -> None:
    ec2 = account.client("ec2")
    for stack in ("one", "two"):
        specification = {"ResourceType": "elastic-ip", "Tags": tags(Stack=stack)}
        ec2.allocate_address(Domain="vpc", TagSpecifications=[specification])
    found = ec2.describe_addresses(Filters=[{"Name": "tag:Stack", "Values": ["two"]}])["Addresses"]
    assert [address["Tags"] for address in found] == [tags(Stack="two")]


@pytest.mark.parametrize(
    ("call", "result", "name"),
    [
        ("describe_vpcs", "Vpcs", "cidr-block"),
        ("describe_subnets", "Subnets", "availabilityZone"),
        ("describe_addresses", "Addresses", "public-ip"),
        ("describe_nat_gateways", "NatGateways", "nat-gateway-id"),
        ("describe_vpc_endpoints", "VpcEndpoints", "service-name"),
        ("describe_network_interfaces", "NetworkInterfaces", "group-id"),
        ("describe_security_groups", "SecurityGroups", "group-id"),
        ("describe_availability_zones", "AvailabilityZones", "zone-name"),
        ("describe_route_tables", "RouteTables", "route.gateway-id"),
    ],
)
def test_filter_that_matches_nothing_answers_nothing(network: Network, call: str, result: str, name: str) -> None:
    assert getattr(network.ec2, call)(Filters=[{"Name": name, "Values": ["none"]}])[result] == []
    assert getattr(network.ec2, call)(Filters=[{"Name": name, "Values": ["*"]}])[result] != []


def test_tag_is_removed_only_with_its_value(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=tags(a="1", b="2"))
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == tags(a="1")
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [vpc]}])["Tags"] == []
