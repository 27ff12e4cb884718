# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What EC2 refuses: each of these calls succeeds on plain ministack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, Network, build
from botocore.exceptions import ClientError

MISSING = "0123456789abcdef0"
ENDPOINT = "com.amazonaws.ap-northeast-1."
Call = Callable[[Network], Any]


@pytest.fixture(scope="module")
def network(shared_account: Account) -> Network:
    return build(shared_account.client("ec2"))


def rule(**peer: Any) -> list[dict[str, Any]]:
    return [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, **peer}]


def http_from(cidr: str) -> list[dict[str, Any]]:
    return rule(IpRanges=[{"CidrIp": cidr}])


def subnet(n: Network, cidr: str, zone: str = "ap-northeast-1a", vpc: str = "") -> Any:
    return n.ec2.create_subnet(VpcId=vpc or n.vpc, CidrBlock=cidr, AvailabilityZone=zone)


def route(n: Network, cidr: str, **target: str) -> Any:
    return n.ec2.create_route(RouteTableId=n.table, DestinationCidrBlock=cidr, **target)


def allow(n: Network, permissions: list[dict[str, Any]]) -> Any:
    return n.ec2.authorize_security_group_ingress(GroupId=n.group, IpPermissions=permissions)


def revoke(n: Network, permissions: list[dict[str, Any]]) -> Any:
    return n.ec2.revoke_security_group_ingress(GroupId=n.group, IpPermissions=permissions)


def group(n: Network, name: str = "new", description: str = "new", vpc: str = "") -> Any:
    return n.ec2.create_security_group(GroupName=name, Description=description, VpcId=vpc or n.vpc)


def interface_endpoint(n: Network, service: str, **places: Any) -> Any:
    places = {"SubnetIds": [n.subnet], **places}
    return n.ec2.create_vpc_endpoint(VpcId=n.vpc, ServiceName=ENDPOINT + service, VpcEndpointType="Interface", **places)


def delete_vpc_with_table(n: Network) -> Any:
    vpc = n.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    n.ec2.create_route_table(VpcId=vpc)
    return n.ec2.delete_vpc(VpcId=vpc)


def gateway_endpoint(n: Network, service: str, tables: list[str]) -> Any:
    return n.ec2.create_vpc_endpoint(VpcId=n.vpc, ServiceName=ENDPOINT + service, RouteTableIds=tables)


VPC_REFUSALS: dict[str, tuple[Call, str]] = {
    "a VPC too large": (lambda n: n.ec2.create_vpc(CidrBlock="10.0.0.0/8"), "InvalidVpc.Range"),
    "a VPC without a range": (lambda n: n.ec2.create_vpc(CidrBlock="10.0.0.0"), "InvalidParameterValue"),
    "a dry run": (lambda n: n.ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True), "DryRunOperation"),
    "two attributes at once": (
        lambda n: n.ec2.modify_vpc_attribute(
            VpcId=n.vpc, EnableDnsSupport={"Value": True}, EnableDnsHostnames={"Value": True}
        ),
        "InvalidParameterCombination",
    ),
    "deleting a VPC with a route table": (delete_vpc_with_table, "DependencyViolation"),
    "a subnet that overlaps": (lambda n: subnet(n, "10.0.0.128/25"), "InvalidSubnet.Conflict"),
    "a subnet outside its VPC": (lambda n: subnet(n, "10.1.0.0/24"), "InvalidSubnet.Range"),
    "a subnet in a zone that Tokyo lacks": (
        lambda n: subnet(n, "10.0.9.0/24", "ap-northeast-1b"),
        "InvalidParameterValue",
    ),
    "a subnet without a VPC": (lambda n: subnet(n, "10.0.9.0/24", vpc=f"vpc-{MISSING}"), "InvalidVpcID.NotFound"),
    "deleting a subnet in use": (lambda n: n.ec2.delete_subnet(SubnetId=n.subnet), "DependencyViolation"),
    "a second internet gateway": (
        lambda n: n.ec2.attach_internet_gateway(
            InternetGatewayId=n.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"], VpcId=n.vpc
        ),
        "InvalidParameterValue",
    ),
    "detaching a gateway that NAT needs": (
        lambda n: n.ec2.detach_internet_gateway(InternetGatewayId=n.gateway, VpcId=n.vpc),
        "DependencyViolation",
    ),
    "deleting an attached gateway": (
        lambda n: n.ec2.delete_internet_gateway(InternetGatewayId=n.gateway),
        "DependencyViolation",
    ),
    "tagging what does not exist": (
        lambda n: n.ec2.create_tags(Resources=[f"vpc-{MISSING}"], Tags=[{"Key": "a", "Value": "b"}]),
        "InvalidVpcID.NotFound",
    ),
    "a region that does not exist": (
        lambda n: n.ec2.describe_regions(RegionNames=["xx-nowhere-1"]),
        "InvalidParameterValue",
    ),
}

ROUTE_REFUSALS: dict[str, tuple[Call, str]] = {
    "a second route to a destination": (
        lambda n: route(n, "0.0.0.0/0", NatGatewayId=n.nat),
        "RouteAlreadyExists",
    ),
    "a route to no gateway": (
        lambda n: route(n, "10.9.0.0/16", GatewayId=f"igw-{MISSING}"),
        "InvalidGatewayID.NotFound",
    ),
    "a route to no NAT": (
        lambda n: route(n, "10.9.0.0/16", NatGatewayId=f"nat-{MISSING}"),
        "InvalidNatGatewayID.NotFound",
    ),
    "deleting no route": (
        lambda n: n.ec2.delete_route(RouteTableId=n.table, DestinationCidrBlock="10.9.0.0/16"),
        "InvalidRoute.NotFound",
    ),
    "replacing no route": (
        lambda n: n.ec2.replace_route(RouteTableId=n.table, DestinationCidrBlock="10.9.0.0/16", GatewayId=n.gateway),
        "InvalidRoute.NotFound",
    ),
    "a second table for a subnet": (
        lambda n: n.ec2.associate_route_table(RouteTableId=n.other_table, SubnetId=n.subnet),
        "Resource.AlreadyAssociated",
    ),
    "deleting a table in use": (lambda n: n.ec2.delete_route_table(RouteTableId=n.table), "DependencyViolation"),
    "describing no table": (
        lambda n: n.ec2.describe_route_tables(RouteTableIds=[f"rtb-{MISSING}"]),
        "InvalidRouteTableID.NotFound",
    ),
    "releasing an address in use": (
        lambda n: n.ec2.release_address(AllocationId=n.allocation),
        "InvalidIPAddress.InUse",
    ),
    "NAT with an address in use": (
        lambda n: n.ec2.create_nat_gateway(SubnetId=n.subnet, AllocationId=n.allocation),
        "Resource.AlreadyAssociated",
    ),
    "NAT without an address": (lambda n: n.ec2.create_nat_gateway(SubnetId=n.subnet), "MissingParameter"),
    "NAT in no subnet": (
        lambda n: n.ec2.create_nat_gateway(SubnetId=f"subnet-{MISSING}", AllocationId=n.allocation),
        "InvalidSubnetID.NotFound",
    ),
    "describing no NAT": (
        lambda n: n.ec2.describe_nat_gateways(NatGatewayIds=[f"nat-{MISSING}"]),
        "NatGatewayNotFound",
    ),
    "describing no address": (
        lambda n: n.ec2.describe_addresses(AllocationIds=[f"eipalloc-{MISSING}"]),
        "InvalidAllocationID.NotFound",
    ),
}

GROUP_REFUSALS: dict[str, tuple[Call, str]] = {
    "a rule that exists": (lambda n: allow(n, http_from("10.0.0.0/16")), "InvalidPermission.Duplicate"),
    "a rule that exists with other host bits": (
        lambda n: allow(n, http_from("10.0.3.4/16")),
        "InvalidPermission.Duplicate",
    ),
    "a reference that exists": (
        lambda n: allow(n, rule(UserIdGroupPairs=[{"GroupId": n.peer_group}])),
        "InvalidPermission.Duplicate",
    ),
    "a reference to no group": (
        lambda n: allow(n, rule(UserIdGroupPairs=[{"GroupId": "sg-11111111111111111"}])),
        "InvalidGroup.NotFound",
    ),
    "a reference to no prefix list": (
        lambda n: allow(n, rule(PrefixListIds=[{"PrefixListId": f"pl-{MISSING}"}])),
        "InvalidPrefixListId.NotFound",
    ),
    "a range that is none": (lambda n: allow(n, http_from("10.0.0.0/99")), "InvalidParameterValue"),
    "a protocol that is none": (
        lambda n: allow(n, [{"IpProtocol": "http", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]),
        "InvalidParameterValue",
    ),
    "TCP without ports": (
        lambda n: allow(n, [{"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]),
        "InvalidParameterValue",
    ),
    "a description with other letters": (
        lambda n: allow(n, rule(IpRanges=[{"CidrIp": "10.7.0.0/16", "Description": "caf\u00e9"}])),
        "InvalidParameterValue",
    ),
    "revoking no rule": (lambda n: revoke(n, http_from("10.9.0.0/16")), "InvalidPermission.NotFound"),
    "describing no rule": (
        lambda n: n.ec2.describe_security_group_rules(SecurityGroupRuleIds=[f"sgr-{MISSING}"]),
        "InvalidSecurityGroupRuleId.NotFound",
    ),
    "a group in no VPC": (lambda n: group(n, vpc=f"vpc-{MISSING}"), "InvalidVpcID.NotFound"),
    "a group named like an id": (lambda n: group(n, name="sg-app"), "InvalidParameterValue"),
    "a group description with other letters": (
        lambda n: group(n, description="l'app"),
        "InvalidParameterValue",
    ),
    "deleting a referenced group": (
        lambda n: n.ec2.delete_security_group(GroupId=n.peer_group),
        "DependencyViolation",
    ),
    "deleting a group of an endpoint": (
        lambda n: n.ec2.delete_security_group(GroupId=n.group),
        "DependencyViolation",
    ),
}

ENDPOINT_REFUSALS: dict[str, tuple[Call, str]] = {
    "a service that does not exist": (lambda n: interface_endpoint(n, "nosuch"), "InvalidServiceName"),
    "a gateway to an interface service": (
        lambda n: gateway_endpoint(n, "logs", [n.table]),
        "InvalidParameter",
    ),
    "a second private DNS name": (lambda n: interface_endpoint(n, "logs"), "InvalidParameter"),
    "a second route to S3": (lambda n: gateway_endpoint(n, "s3", [n.table]), "RouteAlreadyExists"),
    "no such subnet": (
        lambda n: interface_endpoint(n, "sts", SubnetIds=[f"subnet-{MISSING}"]),
        "InvalidSubnetId.NotFound",
    ),
    "no such group": (
        lambda n: interface_endpoint(n, "sts", SecurityGroupIds=[f"sg-{MISSING}"]),
        "InvalidGroup.NotFound",
    ),
    "two subnets in one zone": (
        lambda n: interface_endpoint(n, "sts", SubnetIds=[n.subnet, subnet(n, "10.0.77.0/24")["Subnet"]["SubnetId"]]),
        "DuplicateSubnetsInSameZone",
    ),
    "describing no endpoint": (
        lambda n: n.ec2.describe_vpc_endpoints(VpcEndpointIds=[f"vpce-{MISSING}"]),
        "InvalidVpcEndpointId.NotFound",
    ),
}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        pytest.param(*case, id=name)
        for table in (VPC_REFUSALS, ROUTE_REFUSALS, GROUP_REFUSALS, ENDPOINT_REFUSALS)
        for name, case in table.items()
    ],
)
def test_refuses(network: Network, call: Call, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        call(network)
    assert refused.value.response["Error"]["Code"] == code


def test_private_dns_needs_the_vpc_to_name_hosts(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with pytest.raises(ClientError, match="enableDnsHostnames"):
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"{ENDPOINT}logs", VpcEndpointType="Interface")
