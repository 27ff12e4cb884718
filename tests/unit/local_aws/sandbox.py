# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts of the stand-in, and a small network to try things on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

REGION = "ap-northeast-1"


@dataclass(frozen=True)
class Account:
    """An AWS account of the stand-in; the access key is its number."""

    endpoint: str
    number: str

    def client(self, service: str, region: str = REGION, attempts: int = 1) -> Any:
        connect: Any = boto3.client  # its stubs know only literal names of services
        return connect(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.number,
            aws_secret_access_key="unused",
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
        )


@dataclass(frozen=True)
class Network:
    """One VPC with a NAT gateway, a route table in use, two groups, and one endpoint of each kind."""

    ec2: Any
    vpc: str
    subnet: str
    other_subnet: str
    gateway: str
    table: str
    other_table: str
    allocation: str
    nat: str
    group: str
    peer_group: str
    endpoint: str
    s3_endpoint: str
    s3_list: str


def build(ec2: Any) -> Network:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet, other_subnet = (_subnet(ec2, vpc, f"10.0.{n}.0/24", zone) for n, zone in enumerate("ad"))
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table, other_table = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _index in range(2))
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation)["NatGateway"]["NatGatewayId"]
    group, peer_group = (_group(ec2, vpc, name) for name in ("app", "peer"))
    peer = [{"GroupId": peer_group}]
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**permission, "UserIdGroupPairs": peer}])
    return Network(
        ec2=ec2,
        vpc=vpc,
        subnet=subnet,
        other_subnet=other_subnet,
        gateway=gateway,
        table=table,
        other_table=other_table,
        allocation=allocation,
        nat=nat,
        group=group,
        peer_group=peer_group,
        endpoint=_endpoint(ec2, vpc, "logs", SubnetIds=[subnet], SecurityGroupIds=[group])["VpcEndpointId"],
        s3_endpoint=_endpoint(ec2, vpc, "s3", RouteTableIds=[table])["VpcEndpointId"],
        s3_list=s3_prefix_list(ec2),
    )


def s3_prefix_list(ec2: Any) -> str:
    wanted = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{REGION}.s3"]}]
    return str(ec2.describe_managed_prefix_lists(Filters=wanted)["PrefixLists"][0]["PrefixListId"])


def _subnet(ec2: Any, vpc: str, cidr: str, zone: str) -> str:
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"])


def _group(ec2: Any, vpc: str, name: str) -> str:
    return str(ec2.create_security_group(GroupName=name, Description=f"{name} & more", VpcId=vpc)["GroupId"])


def _endpoint(ec2: Any, vpc: str, service: str, **places: list[str]) -> dict[str, Any]:
    kind = "Gateway" if "RouteTableIds" in places else "Interface"
    name = f"com.amazonaws.{REGION}.{service}"
    answer = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType=kind, **places)
    return dict(answer["VpcEndpoint"])
