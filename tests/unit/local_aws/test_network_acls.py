# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network ACLs: every subnet has one, entries keep their ports, and wrong calls are refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account, Network, build


@pytest.fixture
def network(account: Account) -> Network:
    return build(account.client("ec2"))


def acls(network: Network) -> dict[bool, dict[str, Any]]:
    """The VPC's default ACL under True, another one under False."""
    here = [{"Name": "vpc-id", "Values": [network.vpc]}]
    return {one["IsDefault"]: one for one in network.ec2.describe_network_acls(Filters=here)["NetworkAcls"]}


def subnets(acl: dict[str, Any]) -> set[str]:
    return {link["SubnetId"] for link in acl["Associations"]}


def test_a_subnet_moves_between_acls_and_takes_its_link_along(network: Network) -> None:
    ec2, default = network.ec2, acls(network)[True]
    assert subnets(default) == {network.subnet, network.other_subnet}
    new = ec2.create_network_acl(VpcId=network.vpc)["NetworkAcl"]["NetworkAclId"]
    (link,) = [one for one in default["Associations"] if one["SubnetId"] == network.other_subnet]
    moved = ec2.replace_network_acl_association(AssociationId=link["NetworkAclAssociationId"], NetworkAclId=new)
    assert subnets(acls(network)[False]) == {network.other_subnet}
    assert subnets(acls(network)[True]) == {network.subnet}
    with refused("DependencyViolation"):
        ec2.delete_network_acl(NetworkAclId=new)
    old = default["NetworkAclId"]
    ec2.replace_network_acl_association(AssociationId=moved["NewAssociationId"], NetworkAclId=old)
    ec2.delete_network_acl(NetworkAclId=new)
    ec2.delete_subnet(SubnetId=network.other_subnet)
    assert subnets(acls(network)[True]) == {network.subnet}


def test_entries_keep_their_ports_and_numbers(network: Network) -> None:
    ec2 = network.ec2
    acl = ec2.create_network_acl(VpcId=network.vpc)["NetworkAcl"]["NetworkAclId"]
    request = {"NetworkAclId": acl, "RuleNumber": 10, "Egress": False, "Protocol": "6", "CidrBlock": "0.0.0.0/0"}
    with refused("MissingParameter"):
        ec2.create_network_acl_entry(**request, RuleAction="deny")
    ports = {"PortRange": {"From": 443, "To": 444}}
    ec2.create_network_acl_entry(**request, **ports, RuleAction="deny")
    with refused("NetworkAclEntryAlreadyExists"):
        ec2.create_network_acl_entry(**request, **ports, RuleAction="deny")
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=10, Egress=True)
    entries = acls(network)[False]["Entries"]
    assert sorted((one["RuleNumber"], one["Egress"]) for one in entries) == [(10, False), (32767, False), (32767, True)]
    assert [one["PortRange"] for one in entries if one["RuleNumber"] == 10] == [{"From": 443, "To": 444}]
