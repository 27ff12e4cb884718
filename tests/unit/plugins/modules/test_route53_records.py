# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import route53_records as subject
from botocore.stub import ANY, Stubber

SERVERS = ["ns-1.awsdns-01.com", "ns-2.awsdns-02.org"]
ALIAS = {"dns_name": "Lb-1.elb.amazonaws.com", "hosted_zone_id": "Z14GRHDCWA56QT", "evaluate_target_health": True}
DELEGATION: dict[str, Any] = {"name": "Hello.example.com.", "type": "NS", "ttl": 300, "values": SERVERS, "alias": None}
APEX: dict[str, Any] = {"name": "hello.example.com", "type": "A", "ttl": 300, "values": None, "alias": ALIAS}
CURRENT: list[dict[str, Any]] = [
    {"name": "hello.example.com", "type": "NS", "ttl": 300, "values": SERVERS},
    {"name": "hello.example.com", "type": "A", "alias": {**ALIAS, "dns_name": "lb-1.elb.amazonaws.com"}},
]


def params(*records: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"zone_id": "Z1", "records": list(records), "state": "present", "wait": False, "wait_timeout": 300}
    return {**base, "known_records": [], **more}


def actions(planned: Any) -> list[tuple[str, str]]:
    return [(change.action.value, change.name) for change in planned.changes]


def test_missing_records_are_created() -> None:
    planned = subject.plan([], params(DELEGATION, APEX))
    assert actions(planned) == [("create", "hello.example.com NS"), ("create", "hello.example.com A")]
    assert planned.result == CURRENT


def test_an_unknown_zone_is_not_asked() -> None:
    assert subject.describe(None, params(DELEGATION, zone_id=KNOWN_AFTER_APPLY)) == []


@pytest.mark.parametrize(
    "spelling",
    [{}, {"values": [SERVERS[1] + ".", SERVERS[0].upper()]}, {"name": "hello.example.com"}],
)
def test_the_same_record_in_another_spelling_is_left_alone(spelling: dict[str, Any]) -> None:
    assert subject.plan(CURRENT, params({**DELEGATION, **spelling}, APEX)).changes == ()


@pytest.mark.parametrize(
    "drifted",
    [
        {"name": "hello.example.com", "type": "NS", "ttl": 60, "values": SERVERS},
        {"name": "hello.example.com", "type": "NS", "ttl": 300, "values": SERVERS[:1]},
        {"name": "hello.example.com", "type": "A", "alias": {**ALIAS, "dns_name": "lb-2.elb.amazonaws.com"}},
        {"name": "hello.example.com", "type": "A", "ttl": 60, "values": ["192.0.2.1"]},
    ],
)
def test_drift_is_repaired(drifted: dict[str, Any]) -> None:
    wanted = DELEGATION if drifted["type"] == "NS" else APEX
    (change,) = subject.plan([drifted], params(wanted)).changes
    assert (change.action.value, change.before) == ("update", drifted)
    assert change.after in CURRENT


def test_a_record_needs_content() -> None:
    with pytest.raises(PlanRefusedError, match=r"hello\.example\.com A has neither values nor alias"):
        subject.plan([], params({**APEX, "alias": None}))


@pytest.mark.parametrize(
    ("given", "deleted"),
    [
        ({**DELEGATION, "values": None}, True),
        (DELEGATION, True),
        ({**DELEGATION, "ttl": 60}, True),
        ({**DELEGATION, "values": ["ns-3.awsdns-03.net"]}, False),
    ],
)
def test_absent_spares_a_record_that_points_elsewhere(given: dict[str, Any], deleted: bool) -> None:
    planned = subject.plan(CURRENT, params(given, state="absent"))
    assert actions(planned) == ([("delete", "hello.example.com NS")] if deleted else [])
    assert planned.result == (CURRENT[1:] if deleted else CURRENT)


def test_all_changes_go_out_in_one_batch() -> None:
    client = boto3.client("route53", aws_access_key_id="a", aws_secret_access_key="b")
    answer = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": "2026-01-01T00:00:00Z"}}
    wanted = params(DELEGATION, APEX)
    with Stubber(client) as stubber:
        stubber.add_response("change_resource_record_sets", answer, {"HostedZoneId": "Z1", "ChangeBatch": ANY})
        subject.apply(client, wanted, subject.plan([], wanted))
        stubber.assert_no_pending_responses()


def test_a_wildcard_is_found_under_its_escaped_name() -> None:
    client = boto3.client("route53", aws_access_key_id="a", aws_secret_access_key="b")
    held = {"Name": "\\052.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    answer = {"ResourceRecordSets": [held], "IsTruncated": False, "MaxItems": "1"}
    wanted = {"name": "*.example.com", "type": "A", "ttl": 60, "values": ["192.0.2.1"], "alias": None}
    with Stubber(client) as stubber:
        stubber.add_response("list_resource_record_sets", answer)
        current = subject.describe(client, params(wanted))
    assert subject.plan(current, params(wanted)).changes == ()


HELD = {"Name": "a.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
WANTED = {"name": "a.example.com", "type": "A", "ttl": 60, "values": ["192.0.2.1"], "alias": None}
KNOWN = {"name": "a.example.com", "type": "A", "ttl": 60, "values": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("known", "is_asked"),
    [([KNOWN], False), ([], True), ([{**KNOWN, "ttl": 30}], True), ([{**KNOWN, "type": "AAAA"}], True)],
)
def test_aws_is_asked_unless_the_records_are_known_to_be_as_declared(
    known: list[dict[str, Any]], is_asked: bool
) -> None:
    client = boto3.client("route53", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        if is_asked:
            answer = {"ResourceRecordSets": [HELD], "IsTruncated": False, "MaxItems": "1"}
            stubber.add_response("list_resource_record_sets", answer)
        assert subject.describe(client, params(WANTED, known_records=known)) == [KNOWN]
        stubber.assert_no_pending_responses()


def test_what_is_to_go_is_always_asked_for() -> None:
    client = boto3.client("route53", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_response(
            "list_resource_record_sets", {"ResourceRecordSets": [], "IsTruncated": False, "MaxItems": "1"}
        )
        assert subject.describe(client, params(WANTED, known_records=[KNOWN], state="absent")) == []
