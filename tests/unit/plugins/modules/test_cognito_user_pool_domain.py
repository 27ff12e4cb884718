# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito import waiters
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import cognito_user_pool_domain as subject
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

POOL_ID = "eu-west-1_AbCdEfGhI"
DOMAIN = "auth.hello.example.com"
ARN = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
OTHER_ARN = ARN.replace("555555555555", "666666666666")
NO_PARENT = "Custom domain is not a valid subdomain: Was not able to resolve a DNS A record for the parent domain"
RAW: dict[str, Any] = {
    "UserPoolId": POOL_ID,
    "AWSAccountId": "123456789012",
    "Domain": DOMAIN,
    "CloudFrontDistribution": "d111111abcdef8.cloudfront.net",
    "Version": "1",
    "Status": "ACTIVE",
    "CustomDomainConfig": {"CertificateArn": ARN, "SecurityPolicy": "TLS_V1_2_2021"},
    "ManagedLoginVersion": 1,
}
CURRENT = {**subject.domain_fields(RAW), "styled_client_ids": []}
DESIRED: dict[str, Any] = {
    "domain": DOMAIN,
    "user_pool_id": POOL_ID,
    "state": "present",
    "certificate_arn": ARN,
    "managed_login_version": 1,
    "client_ids": ["client1"],
    "parent_timeout": 10,
    "known_domain": None,
    "wait": True,
    "wait_timeout": 60,
}


def cognito() -> Any:
    return boto3.client("cognito-idp", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


KNOWN = subject.domain_fields(RAW)


@pytest.mark.parametrize(
    ("known", "is_asked"),
    [
        (KNOWN, False),
        ({}, True),
        ({**KNOWN, "status": "CREATING"}, True),
        ({**KNOWN, "certificate_arn": OTHER_ARN}, True),
        ({**KNOWN, "managed_login_version": 2}, True),
        ({**KNOWN, "user_pool_id": "eu-west-1_other"}, True),
    ],
)
def test_aws_is_asked_unless_the_domain_is_known_to_be_as_declared(known: dict[str, Any], is_asked: bool) -> None:
    client = cognito()
    with Stubber(client) as stub:
        if is_asked:
            stub.add_response("describe_user_pool_domain", {"DomainDescription": RAW}, {"Domain": DOMAIN})
        assert subject.describe(client, {**DESIRED, "known_domain": known}, wait=False) == CURRENT
        stub.assert_no_pending_responses()


def test_an_empty_account_gets_the_domain_with_an_unknown_target() -> None:
    unknown = {**DESIRED, "user_pool_id": KNOWN_AFTER_APPLY, "certificate_arn": KNOWN_AFTER_APPLY}
    planned = subject.plan({}, unknown)
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["cloudfront_domain"] == KNOWN_AFTER_APPLY
    assert set(planned.result) == set(CURRENT)


@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "UPDATING"])
def test_a_converged_domain_is_left_alone(status: str) -> None:
    assert subject.plan({**CURRENT, "status": status}, DESIRED).changes == ()


@pytest.mark.parametrize(("field", "value"), [("certificate_arn", OTHER_ARN), ("managed_login_version", 2)])
def test_certificate_and_login_version_are_changed_in_place(field: str, value: Any) -> None:
    (change,) = subject.plan(CURRENT, {**DESIRED, field: value, "client_ids": []}).changes
    assert (change.action.value, change.before, change.after) == ("update", {field: CURRENT[field]}, {field: value})


def test_managed_login_gives_each_client_its_style_once() -> None:
    managed = {**DESIRED, "managed_login_version": 2, "client_ids": ["client1", "client2"]}
    created = subject.plan({}, managed).changes
    assert [change.name for change in created] == [DOMAIN, "client1", "client2"]
    current = {**CURRENT, "managed_login_version": 2, "styled_client_ids": ["client1"]}
    assert [change.name for change in subject.plan(current, managed).changes] == ["client2"]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"domain": "a" * 40 + ".b" * 12}, "has 64 characters and AWS allows 63"),
        ({"domain": "Auth.example.com"}, "lower-case"),
        ({"domain": "-auth.example.com"}, "mend its spelling"),
        ({"domain": "my-cognito-login", "certificate_arn": None}, "reserves the word cognito"),
        ({"domain": "hello"}, "prefix domain hello has none"),
        ({"certificate_arn": None}, "needs one"),
        ({"certificate_arn": ARN.replace("us-east-1", "eu-west-1")}, "is not in us-east-1"),
    ],
)
def test_what_aws_would_refuse_is_refused_at_once(changed: dict[str, Any], refusal: str) -> None:
    with pytest.raises(PlanRefusedError, match=refusal):
        subject.plan({}, {**DESIRED, **changed})


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"user_pool_id": "eu-west-1_other"}, "belongs to user pool eu-west-1_other"),
        ({"status": "FAILED"}, "delete it with state absent"),
        ({"status": "DELETING"}, "run again once it is gone"),
    ],
)
def test_a_domain_that_cannot_be_changed_is_refused(changed: dict[str, Any], refusal: str) -> None:
    with pytest.raises(PlanRefusedError, match=refusal):
        subject.plan({**CURRENT, **changed}, DESIRED)


@pytest.mark.parametrize(
    ("current", "actions"), [(CURRENT, ["delete"]), ({}, []), ({**CURRENT, "status": "DELETING"}, [])]
)
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions


def test_an_empty_description_means_no_domain() -> None:
    client = cognito()
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_domain", {"DomainDescription": {}}, {"Domain": DOMAIN})
        assert subject.describe(client, DESIRED, wait=True) == {}


def test_a_certificate_update_keeps_the_other_settings() -> None:
    client = cognito()
    planned = subject.plan(CURRENT, {**DESIRED, "certificate_arn": OTHER_ARN})
    expected = {
        "Domain": DOMAIN,
        "UserPoolId": POOL_ID,
        "ManagedLoginVersion": 1,
        "CustomDomainConfig": {"CertificateArn": OTHER_ARN, "SecurityPolicy": "TLS_V1_2_2021"},
    }
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_domain", {"DomainDescription": RAW}, {"Domain": DOMAIN})
        stub.add_response("update_user_pool_domain", {}, expected)
        subject.apply(client, DESIRED, planned)
        stub.assert_no_pending_responses()


def test_creation_keeps_trying_until_the_parent_resolves_and_styles_the_client() -> None:
    client = cognito()
    managed = {**DESIRED, "managed_login_version": 2}
    create = {
        "Domain": DOMAIN,
        "UserPoolId": POOL_ID,
        "ManagedLoginVersion": 2,
        "CustomDomainConfig": {"CertificateArn": ARN},
    }
    style = {"UserPoolId": POOL_ID, "ClientId": "client1", "UseCognitoProvidedValues": True}
    with Stubber(client) as stub:
        stub.add_client_error("create_user_pool_domain", "InvalidParameterException", NO_PARENT)
        stub.add_response("create_user_pool_domain", {}, create)
        stub.add_client_error("create_managed_login_branding", "ManagedLoginBrandingExistsException")
        subject.apply(client, managed, subject.plan({}, managed))
        stub.assert_no_pending_responses()
        stub.add_response("create_managed_login_branding", {}, style)
        subject.create_style(client, POOL_ID, "client1")


def test_a_parent_that_never_resolves_is_explained() -> None:
    client = cognito()
    with Stubber(client) as stub:
        for _attempt in range(2):
            stub.add_client_error("create_user_pool_domain", "InvalidParameterException", NO_PARENT)
        with pytest.raises(AnsibleAWSError, match=r"finds no A record for hello\.example\.com"):
            subject.apply(client, DESIRED, subject.plan({}, DESIRED))
        stub.assert_no_pending_responses()


def test_another_refusal_of_aws_is_not_tried_again() -> None:
    client = cognito()
    with Stubber(client) as stub:
        stub.add_client_error("create_user_pool_domain", "InvalidParameterException", "Domain already exists.")
        with pytest.raises(AnsibleAWSError, match="change the user pool domain"):
            subject.apply(client, DESIRED, subject.plan({}, DESIRED))


def test_describing_waits_until_the_domain_is_active() -> None:
    client = cognito()
    with Stubber(client) as stub:
        for status in ("CREATING", "CREATING", "ACTIVE", "ACTIVE"):
            stub.add_response("describe_user_pool_domain", {"DomainDescription": {**RAW, "Status": status}})
        assert subject.describe(client, DESIRED, wait=True)["status"] == "ACTIVE"
        stub.add_response("describe_user_pool_domain", {"DomainDescription": {**RAW, "Status": "CREATING"}})
        assert subject.describe(client, DESIRED, wait=False)["status"] == "CREATING"
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("waiter", "answers"),
    [("domain_active", [RAW]), ("domain_gone", [{**RAW, "Status": "DELETING"}, {}])],
)
def test_waiters_end_in_success(waiter: str, answers: list[dict[str, Any]]) -> None:
    client = cognito()
    with Stubber(client) as stub:
        for answer in answers:
            stub.add_response("describe_user_pool_domain", {"DomainDescription": answer}, {"Domain": DOMAIN})
        waiters.wait_for_domain(client, waiter, DOMAIN, 60)
        stub.assert_no_pending_responses()


def test_a_failed_domain_ends_the_wait() -> None:
    client = cognito()
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_domain", {"DomainDescription": {**RAW, "Status": "FAILED"}})
        with pytest.raises(WaiterError, match="FAILED"):
            waiters.wait_for_domain(client, "domain_active", DOMAIN, 60)
