# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security group rules: one per peer, in normal form, prefix lists included."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, s3_prefix_list


@pytest.fixture
def ec2(account: Account) -> Any:
    return account.client("ec2")


@pytest.fixture
def group(ec2: Any) -> str:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_security_group(GroupName="app", Description="app", VpcId=vpc)["GroupId"])


def https(*cidrs: str, **peers: Any) -> dict[str, Any]:
    ranges = [{"CidrIp": cidr} for cidr in cidrs]
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges, **peers}


def ingress(ec2: Any, group: str) -> list[dict[str, Any]]:
    return list(ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"])


def test_each_peer_is_a_rule_of_its_own(ec2: Any, group: str) -> None:
    permission = https("10.0.0.0/24", "10.0.1.0/24")
    rules = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])["SecurityGroupRules"]
    assert [rule["CidrIpv4"] for rule in rules] == ["10.0.0.0/24", "10.0.1.0/24"]
    assert len({rule["SecurityGroupRuleId"] for rule in rules}) == 2


def test_rules_of_one_port_are_shown_as_one_permission(ec2: Any, group: str) -> None:
    for cidr in ("10.0.0.0/24", "10.0.1.0/24"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[https(cidr)])
    (permission,) = ingress(ec2, group)
    assert permission["IpRanges"] == [{"CidrIp": "10.0.0.0/24"}, {"CidrIp": "10.0.1.0/24"}]


def test_one_of_two_ranges_can_be_revoked(ec2: Any, group: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[https("10.0.0.0/24", "10.0.1.0/24")])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[https("10.0.0.0/24")])
    assert [permission["IpRanges"] for permission in ingress(ec2, group)] == [[{"CidrIp": "10.0.1.0/24"}]]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"IpProtocol": "6"}, {"IpProtocol": "tcp"}),
        ({"IpRanges": [{"CidrIp": "10.0.0.5/24"}]}, {"IpRanges": [{"CidrIp": "10.0.0.0/24"}]}),
    ],
)
def test_rule_is_kept_in_normal_form(ec2: Any, group: str, sent: dict[str, Any], kept: dict[str, Any]) -> None:
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**https("10.0.0.0/24"), **sent}])
    assert kept.items() <= ingress(ec2, group)[0].items()


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_prefix_list_is_a_peer(ec2: Any, group: str, direction: str) -> None:
    peer = {"PrefixListId": s3_prefix_list(ec2), "Description": "S3"}
    authorize = getattr(ec2, f"authorize_security_group_{direction}")
    (rule,) = authorize(GroupId=group, IpPermissions=[https(PrefixListIds=[peer])])["SecurityGroupRules"]
    assert (rule["PrefixListId"], rule["Description"]) == (peer["PrefixListId"], "S3")
    (view,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    key = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"
    assert [peer] in [permission["PrefixListIds"] for permission in view[key]]


def test_description_can_be_changed(ec2: Any, group: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[https("10.0.0.0/24")])
    described = https(IpRanges=[{"CidrIp": "10.0.0.0/24", "Description": "office"}])
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[described])
    assert ingress(ec2, group)[0]["IpRanges"] == [{"CidrIp": "10.0.0.0/24", "Description": "office"}]


def test_markup_in_a_description_does_not_break_the_answer(ec2: Any, group: str) -> None:
    vpc = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"]
    tags = [{"Key": "Stack", "Value": "a"}]
    created = ec2.create_security_group(
        GroupName="a & b",
        Description="c & d",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    (found,) = ec2.describe_security_groups(GroupIds=[created["GroupId"]])["SecurityGroups"]
    assert (found["GroupName"], found["Description"], created["Tags"]) == ("a & b", "c & d", tags)


def test_customer_prefix_list(ec2: Any, group: str) -> None:
    tags = [{"Key": "Name", "Value": "office"}]
    created = ec2.create_managed_prefix_list(
        PrefixListName="office",
        MaxEntries=2,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "192.0.2.0/24"}],
        TagSpecifications=[{"ResourceType": "prefix-list", "Tags": tags}],
    )["PrefixList"]
    found = ec2.describe_managed_prefix_lists(Filters=[{"Name": "tag:Name", "Values": ["office"]}])["PrefixLists"]
    assert [(one["PrefixListId"], one["Tags"]) for one in found] == [(created["PrefixListId"], tags)]
    permission = https(PrefixListIds=[{"PrefixListId": created["PrefixListId"]}])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    users = ec2.get_managed_prefix_list_associations(PrefixListId=created["PrefixListId"])
    assert [user["ResourceId"] for user in users["PrefixListAssociations"]] == [group]
    with pytest.raises(ec2.exceptions.ClientError, match="DependencyViolation"):
        ec2.delete_managed_prefix_list(PrefixListId=created["PrefixListId"])
