# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Further address ranges of a VPC come and go."""

from __future__ import annotations

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError


def test_a_range_is_listed_until_it_is_taken_away(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def ranges() -> list[str]:
        (found,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
        return sorted(one["CidrBlock"] for one in found["CidrBlockAssociationSet"])

    added = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    assert ranges() == ["10.0.0.0/16", "10.1.0.0/16"]
    ec2.disassociate_vpc_cidr_block(AssociationId=added["AssociationId"])
    assert ranges() == ["10.0.0.0/16"]


def test_an_unknown_range_cannot_be_taken_away(account: Account) -> None:
    with pytest.raises(ClientError, match=r"InvalidVpcCidrBlockAssociationID\.NotFound"):
        account.client("ec2").disassociate_vpc_cidr_block(AssociationId="vpc-cidr-assoc-0")
