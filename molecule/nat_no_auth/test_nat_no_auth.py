# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The network behind a NAT gateway, without login: the other position of both switches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import client, containers_run, owned, visitor

NAME = "open-test"
HOST = "open.gatehouse.localhost"


def test_one_nat_gateway_stands_in_the_first_public_subnet() -> None:
    ec2 = client("ec2")
    (gateway,) = ec2.describe_nat_gateways(Filters=owned(NAME))["NatGateways"]
    subnets = ec2.describe_subnets(Filters=[*owned(NAME), {"Name": "map-public-ip-on-launch", "Values": ["true"]}])
    first = min(subnets["Subnets"], key=lambda subnet: subnet["AvailabilityZone"])
    assert gateway["SubnetId"] == first["SubnetId"]
    assert gateway["NatGatewayAddresses"][0]["AllocationId"].startswith("eipalloc-")


def test_the_private_subnets_go_out_through_it() -> None:
    ec2 = client("ec2")
    (gateway,) = ec2.describe_nat_gateways(Filters=owned(NAME))["NatGateways"]
    tables = ec2.describe_route_tables(Filters=owned(NAME))["RouteTables"]
    routes = [route for table in tables for route in table["Routes"]]
    assert gateway["NatGatewayId"] in [route.get("NatGatewayId") for route in routes]


def test_there_is_no_interface_endpoint() -> None:
    endpoints = client("ec2").describe_vpc_endpoints(Filters=owned(NAME))["VpcEndpoints"]
    assert [endpoint["VpcEndpointType"] for endpoint in endpoints] in ([], ["Gateway"])


def test_there_is_no_login() -> None:
    assert client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"] == []
    assert client("acm", "us-east-1").list_certificates()["CertificateSummaryList"] == []


@pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here")
def test_the_app_answers_everybody() -> None:
    page = visitor().get(f"https://{HOST}/")
    assert page.status == 200
    assert "Hello World from Rust app" in page.text
