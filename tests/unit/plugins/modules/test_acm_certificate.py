# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._acm import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import acm_certificate as subject
from botocore.stub import Stubber

ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/0f8b4a4c-7b77-4a55-9d4c-3f7e0e4f2a11"
OTHER_ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/1f8b4a4c-7b77-4a55-9d4c-3f7e0e4f2a11"
RECORD = {"name": "_a.hello.example.com", "type": "CNAME", "ttl": 60, "values": ["_b.acm-validations.aws"]}
VALIDATION: dict[str, Any] = {
    "name": "_a.hello.example.com",
    "type": "CNAME",
    "value": "_b.acm-validations.aws",
    "domain_name": "hello.example.com",
    "published": True,
    "found": RECORD,
}
DESIRED: dict[str, Any] = {
    "domain_name": "hello.example.com",
    "subject_alternative_names": [],
    "key_algorithm": "RSA_2048",
    "state": "present",
    "validation_zone_id": "Z1",
    "owner_tags": ["gatehouse:stack"],
    "wait": True,
    "wait_timeout": 900,
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}
CURRENT: dict[str, Any] = {
    "arn": ARN,
    "domain_name": "hello.example.com",
    "subject_alternative_names": ["hello.example.com"],
    "key_algorithm": "RSA_2048",
    "status": "ISSUED",
    "validation_records": [VALIDATION],
    "tags": {"gatehouse:stack": "hello"},
}


def actions(planned: Any) -> list[tuple[str, str]]:
    return [(change.resource, change.action.value) for change in planned.changes]


def test_an_empty_account_gets_certificate_and_record() -> None:
    planned = subject.plan({}, {**DESIRED, "subject_alternative_names": ["*.hello.example.com"]})
    assert actions(planned) == [("acm_certificate", "create"), ("acm_validation_record", "create")]
    assert planned.result["arn"] == KNOWN_AFTER_APPLY
    assert planned.result["subject_alternative_names"] == ["hello.example.com", "*.hello.example.com"]


def test_without_a_zone_only_the_certificate_is_requested() -> None:
    assert actions(subject.plan({}, {**DESIRED, "validation_zone_id": None})) == [("acm_certificate", "create")]


def test_a_converged_certificate_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("found", "action"), [(None, "create"), ({**RECORD, "ttl": 300}, "update"), ({**RECORD, "values": ["x"]}, "update")]
)
def test_a_missing_or_different_record_is_written(found: Any, action: str) -> None:
    drifted = {**CURRENT, "validation_records": [{**VALIDATION, "published": False, "found": found}]}
    (change,) = subject.plan(drifted, DESIRED).changes
    assert (change.action.value, change.before, change.after) == (action, found or {}, RECORD)


@pytest.mark.parametrize("tags", [{}, {"gatehouse:stack": "hello", "stray": "1"}])
def test_tags_are_repaired(tags: dict[str, str]) -> None:
    (change,) = subject.plan({**CURRENT, "tags": tags}, DESIRED).changes
    assert (change.before, change.after) == ({"tags": tags}, {"tags": CURRENT["tags"]})


def test_absent_deletes_certificate_and_record() -> None:
    absent = {**DESIRED, "state": "absent"}
    assert actions(subject.plan(CURRENT, absent)) == [
        ("acm_certificate", "delete"),
        ("acm_validation_record", "delete"),
    ]
    assert subject.plan({}, absent).changes == ()


@pytest.mark.parametrize(
    ("state", "wait", "status", "published", "waits"),
    [
        ("present", True, "PENDING_VALIDATION", True, True),
        ("present", True, "PENDING_VALIDATION", None, True),
        ("present", True, "PENDING_VALIDATION", False, False),
        ("present", False, "PENDING_VALIDATION", True, False),
        ("present", True, "ISSUED", True, False),
        ("absent", True, "PENDING_VALIDATION", True, False),
    ],
)
def test_waits_only_when_all_is_published(state: str, wait: bool, status: str, published: Any, waits: bool) -> None:
    current = {**CURRENT, "status": status, "validation_records": [{**VALIDATION, "published": published}]}
    assert subject.is_waited_for(current, {**DESIRED, "state": state, "wait": wait}) is waits


@pytest.mark.parametrize(
    ("field", "value", "met"),
    [
        ("status", "PENDING_VALIDATION", True),
        ("status", "FAILED", False),
        ("status", "EXPIRED", False),
        ("key_algorithm", "EC_prime256v1", False),
        ("subject_alternative_names", ["hello.example.com", "www.example.com"], False),
        ("tags", {}, False),
        ("tags", {"gatehouse:stack": "other"}, False),
        ("tags", {"gatehouse:stack": "hello", "more": "1"}, True),
    ],
)
def test_only_an_own_usable_certificate_with_the_same_names_is_taken(field: str, value: Any, met: bool) -> None:
    assert api.Wanted.of(DESIRED).is_met_by({**CURRENT, field: value}) is met


def described(arn: str, status: str, **more: Any) -> dict[str, Any]:
    record = {"Name": "_a.hello.example.com.", "Type": "CNAME", "Value": "_b.acm-validations.aws."}
    option = {"DomainName": "hello.example.com", "ValidationStatus": status, "ResourceRecord": record}
    return {
        "CertificateArn": arn,
        "DomainName": "hello.example.com",
        "SubjectAlternativeNames": ["hello.example.com"],
        "KeyAlgorithm": "RSA-2048",
        "Status": status,
        "DomainValidationOptions": [option],
        **more,
    }


def stub_read(stubber: Stubber, arn: str, status: str) -> None:
    stubber.add_response("describe_certificate", {"Certificate": described(arn, status)}, {"CertificateArn": arn})
    tags = {"Tags": [{"Key": "gatehouse:stack", "Value": "hello"}]}
    stubber.add_response("list_tags_for_certificate", tags, {"CertificateArn": arn})


@pytest.fixture
def acm() -> Any:
    return boto3.client("acm", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_of_several_certificates_the_newest_issued_one_is_found(acm: Any) -> None:
    summaries = [
        {"CertificateArn": ARN, "DomainName": "hello.example.com", "CreatedAt": datetime(2026, 1, 1, tzinfo=UTC)},
        {"CertificateArn": OTHER_ARN, "DomainName": "hello.example.com", "CreatedAt": datetime(2026, 2, 1, tzinfo=UTC)},
        {"CertificateArn": ARN + "2", "DomainName": "example.com", "CreatedAt": datetime(2026, 3, 1, tzinfo=UTC)},
    ]
    with Stubber(acm) as stubber:
        stubber.add_response(
            "list_certificates",
            {"CertificateSummaryList": summaries},
            {"CertificateStatuses": ["ISSUED", "PENDING_VALIDATION"], "Includes": {"keyTypes": ["RSA_2048"]}},
        )
        stub_read(stubber, OTHER_ARN, "ISSUED")
        stub_read(stubber, ARN, "ISSUED")
        found = api.find(acm, api.Wanted.of(DESIRED))
    assert found["arn"] == OTHER_ARN
    assert found["validation_records"] == [{**VALIDATION, "published": None, "found": None}]


def test_the_certificate_in_use_is_taken_and_no_other_is_asked_for(acm: Any) -> None:
    with Stubber(acm) as stubber:
        stub_read(stubber, ARN, "ISSUED")
        assert api.find(acm, api.Wanted.of(DESIRED), ARN)["arn"] == ARN


def test_a_certificate_in_use_that_does_not_fit_is_left_for_one_that_does(acm: Any) -> None:
    summary = {"CertificateArn": OTHER_ARN, "DomainName": "hello.example.com"}
    with Stubber(acm) as stubber:
        stub_read(stubber, ARN, "EXPIRED")
        stubber.add_response("list_certificates", {"CertificateSummaryList": [summary]})
        stub_read(stubber, OTHER_ARN, "ISSUED")
        assert api.find(acm, api.Wanted.of(DESIRED), ARN)["arn"] == OTHER_ARN
        stubber.add_client_error("describe_certificate", "ResourceNotFoundException")
        stubber.add_response("list_certificates", {"CertificateSummaryList": []})
        assert api.find(acm, api.Wanted.of(DESIRED), ARN) == {}


def test_a_certificate_that_failed_says_why(acm: Any) -> None:
    failed = described(ARN, "FAILED", FailureReason="CAA_ERROR")
    with Stubber(acm) as stubber:
        stubber.add_response("describe_certificate", {"Certificate": failed})
        stubber.add_response("describe_certificate", {"Certificate": failed})
        with pytest.raises(AnsibleAWSError, match="FAILED, CAA_ERROR"):
            api.wait_issued(acm, CURRENT, 10)


def test_a_timeout_names_the_pending_domain_and_the_likely_cause() -> None:
    message = api.not_issued(described(ARN, "PENDING_VALIDATION"), 900)
    assert "not validated yet: hello.example.com" in message
    assert "NS records" in message


def test_the_request_satisfies_the_api(acm: Any) -> None:
    with Stubber(acm) as stubber:
        stubber.add_response("request_certificate", {"CertificateArn": ARN})
        assert api.request(acm, subject.plan({}, DESIRED).changes[0].after) == ARN
