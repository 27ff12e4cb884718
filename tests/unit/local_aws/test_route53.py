# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route 53: zones, name servers, refusals, and names in their stored form."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError

CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"
Change = dict[str, Any]


@pytest.fixture
def route53(account: Account) -> Any:
    return account.client("route53")


@pytest.fixture
def zone(route53: Any) -> str:
    return create_zone(route53, "app.example.com")


def create_zone(route53: Any, name: str) -> str:
    created = route53.create_hosted_zone(Name=name, CallerReference=f"{name}-reference")
    return str(created["HostedZone"]["Id"].removeprefix("/hostedzone/"))


def record(name: str, kind: str, *values: str) -> Change:
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}


def alias(name: str, target: str, zone: str) -> Change:
    where = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": "A", "AliasTarget": where}


def change(route53: Any, zone: str, *records: Change, action: str = "UPSERT") -> None:
    changes = [{"Action": action, "ResourceRecordSet": one} for one in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def records(route53: Any, zone: str, kind: str) -> list[Change]:
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return [one for one in found if one["Type"] == kind]


def test_zone_is_not_signed(route53: Any, zone: str) -> None:
    assert route53.get_dnssec(HostedZoneId=zone)["Status"] == {"ServeSignature": "NOT_SIGNING"}
    with pytest.raises(ClientError, match="NoSuchHostedZone"):
        route53.get_dnssec(HostedZoneId="Z000000000000")


def test_zones_are_listed_by_their_labels_from_the_right(route53: Any) -> None:
    # Names of its own: a zone hides those below it to which it does not delegate.
    names = ["b.sorted.test", "zoo.test", "sorted.test", "x.a.sorted.test", "a.sorted.test"]
    for name in names:
        create_zone(route53, name)
    whole = route53.list_hosted_zones_by_name(DNSName="sorted.test.")
    listed = [one["Name"] for one in whole["HostedZones"]]
    assert listed == ["sorted.test.", "a.sorted.test.", "x.a.sorted.test.", "b.sorted.test.", "zoo.test."]
    assert not whole["IsTruncated"]
    page = route53.list_hosted_zones_by_name(DNSName="a.sorted.test.", MaxItems="2")
    assert [one["Name"] for one in page["HostedZones"]] == ["a.sorted.test.", "x.a.sorted.test."]
    assert page["IsTruncated"]
    assert page["NextDNSName"] == "b.sorted.test."


def test_tags_of_several_zones(route53: Any, zone: str) -> None:
    other = create_zone(route53, "other.example.com")
    tags = [{"Key": "Stack", "Value": "a"}]
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=tags)
    found = route53.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone, other])["ResourceTagSets"]
    assert {one["ResourceId"]: one["Tags"] for one in found} == {zone: tags, other: []}


def test_each_zone_has_its_own_name_servers(route53: Any, zone: str) -> None:
    servers = route53.get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"]
    others = route53.get_hosted_zone(Id=create_zone(route53, "b.example.com"))["DelegationSet"]["NameServers"]
    assert set(servers).isdisjoint(others)
    (apex,) = records(route53, zone, "NS")
    assert [value["Value"] for value in apex["ResourceRecords"]] == [f"{server}." for server in servers]


def test_reference_is_used_once(route53: Any) -> None:
    create_zone(route53, "app.example.com")
    with pytest.raises(ClientError, match="HostedZoneAlreadyExists"):
        create_zone(route53, "app.example.com")


REFUSALS = {
    "outside the zone": (record("www.example.org", "A", "192.0.2.1"), "is not permitted in zone"),
    "CNAME at the apex": (record("app.example.com", "CNAME", "x.example.org"), "not permitted at apex"),
    "CNAME beside another": (record("taken.app.example.com", "CNAME", "x.example.org"), "conflicts with other records"),
    "another beside a CNAME": (record("name.app.example.com", "A", "192.0.2.1"), "conflicts with other records"),
    "an address that is none": (record("a.app.example.com", "A", "192.0.2.999"), "ARRDATAIllegalIPv4Address"),
    "text without quotation marks": (record("a.app.example.com", "TXT", "plain"), "enclosed in quotation marks"),
    "a wrong alias zone": (
        alias("a.app.example.com", "d1.cloudfront.net", "Z35SXDOTRQ7X7K"),
        "does not lie within the target zone",
    ),
}


@pytest.mark.parametrize(("refused", "reason"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_refuses_record(route53: Any, zone: str, refused: Change, reason: str) -> None:
    change(route53, zone, record("taken.app.example.com", "A", "192.0.2.1"))
    change(route53, zone, record("name.app.example.com", "CNAME", "x.example.org"))
    before = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    with pytest.raises(ClientError, match=reason) as raised:
        change(route53, zone, record("fine.app.example.com", "A", "192.0.2.7"), refused)
    assert raised.value.response["Error"]["Code"] == "InvalidChangeBatch"
    assert route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] == before


def test_apex_name_servers_stay(route53: Any, zone: str) -> None:
    (apex,) = records(route53, zone, "NS")
    with pytest.raises(ClientError, match="at least one NS record"):
        change(route53, zone, apex, action="DELETE")


def test_names_are_stored_in_lower_case_with_the_wildcard_escaped(route53: Any, zone: str) -> None:
    change(route53, zone, alias("*.App.example.com", "D1.cloudfront.net", CLOUDFRONT_ZONE))
    (found,) = records(route53, zone, "A")
    assert found["Name"] == "\\052.app.example.com."
    assert found["AliasTarget"]["DNSName"] == "d1.cloudfront.net."


def test_record_is_deleted_by_its_values(route53: Any, zone: str) -> None:
    first, second = record("app.example.com", "A", "192.0.2.1"), record("app.example.com", "A", "192.0.2.2")
    change(route53, zone, first)
    with pytest.raises(ClientError, match="do not match"):
        change(route53, zone, second, action="DELETE")
    change(route53, zone, first, action="DELETE")
    assert records(route53, zone, "A") == []
