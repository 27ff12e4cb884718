# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Plan,
    PlanRefusedError,
)
from ansible_collections.gatehouse.fargate.plugins.modules import route53_delegated_zone as subject
from botocore.stub import ANY, Stubber

Fields = dict[str, Any]
OWNER = {"gatehouse:stack": "hello"}
SERVERS = ["ns-1.example.net", "ns-2.example.org"]
DELEGATION = {"name": "hello.example.com", "type": "NS", "ttl": 300, "values": SERVERS}
DESIRED: Fields = {
    "name": "Hello.Example.com.",
    "state": "present",
    "comment": "hello",
    "parent_domain": "example.com",
    "parent_zone_id": None,
    "parent_role_arn": None,
    "ttl": 300,
    "adopt": False,
    "force": False,
    "tags": OWNER,
    "purge_tags": True,
}
EMPTY: Fields = {"parent_zone_id": "ZPARENT", "delegation": {}}
CURRENT: Fields = {
    "id": "ZHELLO",
    "name": "hello.example.com",
    "name_servers": SERVERS,
    "comment": "hello",
    "tags": OWNER,
    "parent_zone_id": "ZPARENT",
    "delegation": DELEGATION,
}


def summary(planned: Plan) -> list[str]:
    return [f"{change.action.value} {change.resource}" for change in planned.changes]


def client_of(service: str = "route53") -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return botocore.session.get_session().create_client(service, region_name="us-east-1", **keys)


def test_an_empty_account_gets_zone_and_delegation_with_unknown_servers() -> None:
    planned = subject.plan(EMPTY, DESIRED)
    assert summary(planned) == ["create route53_zone", "create route53_delegation"]
    assert planned.result["id"] == KNOWN_AFTER_APPLY
    assert planned.result["delegation"]["values"] == [KNOWN_AFTER_APPLY]


def test_a_converged_zone_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        ({"comment": "other"}, "update route53_zone"),
        ({"tags": {**OWNER, "stray": "1"}}, "update route53_zone"),
        ({"delegation": {**DELEGATION, "ttl": 60}}, "update route53_delegation"),
        ({"delegation": {**DELEGATION, "values": ["elsewhere.example.net"]}}, "update route53_delegation"),
        ({"delegation": {}}, "create route53_delegation"),
    ],
)
def test_drift_is_found(drift: Fields, expected: str) -> None:
    assert summary(subject.plan({**CURRENT, **drift}, DESIRED)) == [expected]


def test_a_zone_without_parent_has_no_delegation() -> None:
    planned = subject.plan({**EMPTY, "parent_zone_id": ""}, {**DESIRED, "parent_domain": None})
    assert summary(planned) == ["create route53_zone"]


@pytest.mark.parametrize("tags", [{}, {"gatehouse:stack": "other"}])
def test_a_zone_of_somebody_else_is_refused_unless_adopted(tags: dict[str, str]) -> None:
    with pytest.raises(PlanRefusedError, match=r"public zone hello\.example\.com \(ZHELLO\)"):
        subject.plan({**CURRENT, "tags": tags}, DESIRED)
    assert summary(subject.plan({**CURRENT, "tags": tags}, {**DESIRED, "adopt": True})) == ["update route53_zone"]


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (CURRENT, ["delete route53_delegation", "delete route53_zone"]),
        ({**CURRENT, "delegation": {**DELEGATION, "values": ["elsewhere.example.net"]}}, ["delete route53_zone"]),
        ({**EMPTY, "delegation": DELEGATION}, []),
        (EMPTY, []),
    ],
)
def test_absent_removes_no_delegation_that_leads_elsewhere(current: Fields, expected: list[str]) -> None:
    assert summary(subject.plan(current, {**DESIRED, "state": "absent"})) == expected


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ({**EMPTY, "delegation": DELEGATION}, ["delete route53_delegation"]),
        ({**CURRENT, "delegation": {**DELEGATION, "values": ["elsewhere.example.net"]}}, ["delete route53_zone"]),
        (EMPTY, []),
    ],
)
def test_force_removes_a_delegation_whose_zone_is_gone(current: Fields, expected: list[str]) -> None:
    assert summary(subject.plan(current, {**DESIRED, "state": "absent", "force": True})) == expected


@pytest.mark.parametrize(
    ("tags", "reference", "expected"),
    [
        ({}, "gatehouse:stack=hello 1234", OWNER),
        ({}, "somebody's own reference", {}),
        ({"team": "web"}, "gatehouse:stack=hello 1234", {"team": "web"}),
    ],
)
def test_a_zone_of_an_interrupted_run_is_known(tags: Fields, reference: str, expected: Fields) -> None:
    assert subject.with_owner(tags, reference) == expected


@pytest.mark.parametrize(("names", "found"), [([], "no public zone"), (["Z1", "Z2"], "2 public zones")])
def test_a_parent_that_is_not_clear_is_refused(names: list[str], found: str) -> None:
    client = client_of()
    zones = [{"Id": f"/hostedzone/{name}", "Name": "example.com.", "CallerReference": "x"} for name in names]
    answer = {"HostedZones": zones, "IsTruncated": False, "MaxItems": "100"}
    with Stubber(client) as stub:
        stub.add_response("list_hosted_zones_by_name", answer, {"DNSName": "example.com."})
        with pytest.raises(PlanRefusedError, match=found):
            subject.find_parent(client, subject.Zones(), DESIRED)


def test_private_zones_and_longer_names_are_passed_over() -> None:
    client = client_of()
    zones = [
        {"Id": "/hostedzone/Z1", "Name": "example.com.", "CallerReference": "1", "Config": {"PrivateZone": True}},
        {"Id": "/hostedzone/Z2", "Name": "example.com.", "CallerReference": "2"},
        {"Id": "/hostedzone/Z3", "Name": "www.example.com.", "CallerReference": "3"},
    ]
    answer = {"HostedZones": zones, "IsTruncated": False, "MaxItems": "100"}
    with Stubber(client) as stub:
        stub.add_response("list_hosted_zones_by_name", answer, {"DNSName": "example.com."})
        assert subject.find_parent(client, subject.Zones(), DESIRED) == "Z2"


def listed(*zones: str) -> list[Fields]:
    """Returns zones as Route 53 lists them, from "id name"."""
    parts = [zone.split() for zone in zones]
    return [{"Id": f"/hostedzone/{one}", "Name": f"{name}.", "CallerReference": one} for one, name in parts]


CHILD = {"DNSName": "hello.example.com."}


@pytest.mark.parametrize(
    ("page", "next_name", "again", "expected"),
    [
        (["ZP example.com", "ZH hello.example.com"], None, [], ["ZH"]),
        (["ZP example.com"], None, [], []),
        (["ZP example.com", "ZH hello.example.com"], "zoo.example.com.", [], ["ZH"]),
        (["ZP example.com"], "app.example.com.", ["ZH hello.example.com"], ["ZH"]),
        (
            ["ZP example.com", "ZH hello.example.com"],
            "hello.example.com.",
            ["ZH hello.example.com", "ZI hello.example.com"],
            ["ZH", "ZI"],
        ),
    ],
)
def test_one_list_tells_of_a_zone_and_its_parent(
    page: list[str], next_name: str | None, again: list[str], expected: list[str]
) -> None:
    client = client_of()
    more: Fields = {"IsTruncated": True, "NextDNSName": next_name} if next_name else {"IsTruncated": False}
    with Stubber(client) as stub:
        first = {"HostedZones": listed(*page), "MaxItems": "100", **more}
        stub.add_response("list_hosted_zones_by_name", first, {"DNSName": "example.com."})
        if again:
            second = {"HostedZones": listed(*again), "MaxItems": "100", "IsTruncated": False}
            stub.add_response("list_hosted_zones_by_name", second, CHILD)
        zones = subject.Zones.of(client, "example.com")
        assert [zone["Id"] for zone in zones.public(client, "hello.example.com")] == [
            f"/hostedzone/{one}" for one in expected
        ]
        assert [zone["Id"] for zone in zones.public(client, "example.com")] == ["/hostedzone/ZP"]
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("delegation", "is_asked"),
    [(DELEGATION, False), ({}, True), ({**DELEGATION, "values": ["elsewhere.example.net"]}, True)],
)
def test_the_servers_are_asked_for_unless_zone_and_parent_agree(delegation: Fields, is_asked: bool) -> None:
    client = client_of()
    values = [{"Value": f"{server}."} for server in reversed(SERVERS)]
    own = {"Name": "hello.example.com.", "Type": "NS", "TTL": 172800, "ResourceRecords": values}
    page = {"ResourceRecordSets": [own], "IsTruncated": False, "MaxItems": "300"}
    with Stubber(client) as stub:
        stub.add_response("list_resource_record_sets", page, {"HostedZoneId": "ZHELLO"})
        if is_asked:
            asked = {"HostedZone": listed("ZHELLO hello.example.com")[0], "DelegationSet": {"NameServers": SERVERS}}
            stub.add_response("get_hosted_zone", asked, {"Id": "ZHELLO"})
        found = subject.with_servers(client, {"id": "ZHELLO", "name": "hello.example.com"}, delegation)
        stub.assert_no_pending_responses()
    assert found["name_servers"] == SERVERS
    assert [(one["name"], one["type"]) for one in found["records"]] == [("hello.example.com", "NS")]


def test_a_new_zone_is_delegated_to_its_real_servers() -> None:
    client, parent = client_of(), client_of()
    answer = {
        "HostedZone": {"Id": "/hostedzone/ZNEW", "Name": "hello.example.com.", "CallerReference": "x"},
        "ChangeInfo": {"Id": "1", "Status": "PENDING", "SubmittedAt": "2026-01-01T00:00:00Z"},
        "DelegationSet": {"NameServers": SERVERS},
        "Location": "https://route53.amazonaws.com/x",
    }
    record = {
        "Name": "hello.example.com",
        "Type": "NS",
        "TTL": 300,
        "ResourceRecords": [{"Value": server} for server in SERVERS],
    }
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    config = {"Comment": "hello", "PrivateZone": False}
    creation = {"Name": "hello.example.com", "CallerReference": ANY, "HostedZoneConfig": config}
    tags = {
        "ResourceType": "hostedzone",
        "ResourceId": "ZNEW",
        "AddTags": [{"Key": "gatehouse:stack", "Value": "hello"}],
    }
    with Stubber(client) as stub, Stubber(parent) as parent_stub:
        stub.add_response("create_hosted_zone", answer, creation)
        stub.add_response("change_tags_for_resource", {}, tags)
        parent_stub.add_response(
            "change_resource_record_sets",
            {"ChangeInfo": answer["ChangeInfo"]},
            {"HostedZoneId": "ZPARENT", "ChangeBatch": batch},
        )
        subject.apply(client, parent, subject.plan(EMPTY, DESIRED), DESIRED)
        stub.assert_no_pending_responses()
        parent_stub.assert_no_pending_responses()


def test_taking_the_role_needs_no_more_than_its_arn() -> None:
    client = client_of("sts")
    credentials = {
        "AccessKeyId": "A" * 16,
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": "2026-01-01T00:00:00Z",
    }
    role = "arn:aws:iam::123456789012:role/delegate"
    with Stubber(client) as stub:
        expected = {"RoleArn": role, "RoleSessionName": "gatehouse-delegation"}
        stub.add_response("assume_role", {"Credentials": credentials}, expected)
        assert subject.assume_role(client, role)["SessionToken"] == "t"
