# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import (
    mfa_request,
    pool_fields,
    pool_request,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import cognito_user_pool as subject
from botocore.stub import Stubber

POOL_ID = "eu-west-1_AbCdEfGhI"
ARN = f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{POOL_ID}"
INVITE = "Hello {username}, your password is {####}"
RAW: dict[str, Any] = {
    "Id": POOL_ID,
    "Arn": ARN,
    "Name": "hello",
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 8,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "TemporaryPasswordValidityDays": 7,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]},
    },
    "DeletionProtection": "INACTIVE",
    "LambdaConfig": {"PreSignUp": "arn:aws:lambda:eu-west-1:123456789012:function:check"},
    "AutoVerifiedAttributes": ["email"],
    "AliasAttributes": ["email"],
    "SmsVerificationMessage": "Your code is {####}",
    "MfaConfiguration": "OPTIONAL",
    "EstimatedNumberOfUsers": 3,
    "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
    "SmsConfiguration": {},
    "UserPoolTags": {"gatehouse:stack": "hello", "aws:cloudformation:stack-name": "old"},
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": True,
        "UnusedAccountValidityDays": 7,
        "InviteMessageTemplate": {"EmailMessage": INVITE, "EmailSubject": "Welcome"},
    },
    "UsernameConfiguration": {"CaseSensitive": False},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    "UserPoolTier": "ESSENTIALS",
}
CURRENT = {**pool_fields(RAW), "totp": None, "domain_settings": {}}
DESIRED: dict[str, Any] = {
    "domain": None,
    "name": "hello",
    "state": "present",
    "password_policy": {
        "minimum_length": 8,
        "require_lowercase": True,
        "require_uppercase": True,
        "require_numbers": True,
        "require_symbols": True,
        "temporary_password_validity_days": 7,
        "password_history_size": None,
    },
    "alias_attributes": ["email"],
    "username_case_sensitive": False,
    "auto_verified_attributes": ["email"],
    "account_recovery": ["verified_email"],
    "admin_create_user_only": True,
    "invite_message": {"email_subject": "Welcome", "email_message": INVITE, "sms_message": None},
    "mfa": None,
    "deletion_protection": False,
    "tier": "ESSENTIALS",
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}


def cognito() -> Any:
    return boto3.client("cognito-idp", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_an_empty_account_gets_the_pool_with_unknown_id() -> None:
    planned = subject.plan({}, DESIRED)
    assert [change.action.value for change in planned.changes] == ["create"]
    assert (planned.result["id"], planned.result["arn"]) == (KNOWN_AFTER_APPLY, KNOWN_AFTER_APPLY)
    assert set(planned.result) == set(CURRENT)


def test_a_converged_pool_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("auto_verified_attributes", []),
        ("account_recovery", ["admin_only"]),
        ("admin_create_user_only", False),
        ("deletion_protection", True),
        ("tier", "LITE"),
        ("tags", {"gatehouse:stack": "hello", "team": "a"}),
    ],
)
def test_only_the_field_that_differs_changes(field: str, value: Any) -> None:
    (change,) = subject.plan(CURRENT, {**DESIRED, field: value, "purge_tags": False}).changes
    assert set(change.after) == {field}


@pytest.mark.parametrize("field", ["password_policy", "invite_message", "tier", "tags", "alias_attributes"])
def test_what_is_not_set_is_not_managed(field: str) -> None:
    drifted = {"tier": "LITE", "password_policy": {}, "invite_message": {}, "tags": {"stray": "1"}}
    current = {**CURRENT, field: drifted.get(field, ["phone_number"])}
    assert subject.plan(current, {**DESIRED, field: None}).changes == ()


def test_an_unset_part_of_the_policy_is_kept() -> None:
    current = {**CURRENT, "password_policy": {**CURRENT["password_policy"], "password_history_size": 5}}
    longer = {**DESIRED["password_policy"], "minimum_length": 12}
    (change,) = subject.plan(current, {**DESIRED, "password_policy": longer}).changes
    assert change.after["password_policy"]["minimum_length"] == 12
    assert change.after["password_policy"]["password_history_size"] == 5


@pytest.mark.parametrize(
    ("field", "value"), [("alias_attributes", ["phone_number"]), ("username_case_sensitive", True)]
)
def test_what_aws_cannot_change_is_refused(field: str, value: Any) -> None:
    with pytest.raises(PlanRefusedError, match=f"{field} of user pool hello is .* AWS cannot change it"):
        subject.plan(CURRENT, {**DESIRED, field: value})


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ({"email_message": "Hello {username}"}, r"email_message lacks \{####\}"),
        ({"sms_message": "Hello"}, r"sms_message lacks \{username\} and \{####\}"),
        ({"sms_message": INVITE + "x" * 140}, "longer than the 140 characters"),
    ],
)
def test_an_invitation_nobody_could_use_is_refused(message: dict[str, str], refusal: str) -> None:
    with pytest.raises(PlanRefusedError, match=refusal):
        subject.plan({}, {**DESIRED, "invite_message": message})


def pool(pool_id: str, stack: str | None) -> dict[str, Any]:
    return {"id": pool_id, "tags": {"gatehouse:stack": stack} if stack else {}}


@pytest.mark.parametrize(
    ("pools", "stack", "chosen"),
    [
        ([], "hello", None),
        ([pool("a", None)], "hello", "a"),
        ([pool("a", "other")], "hello", None),
        ([pool("a", None), pool("b", "hello"), pool("c", "other")], "hello", "b"),
        ([pool("a", "other")], None, "a"),
    ],
)
def test_the_pool_of_this_stack_is_taken(pools: list[dict[str, Any]], stack: str | None, chosen: str | None) -> None:
    assert subject.choose(pools, "hello", stack).get("id") == chosen


@pytest.mark.parametrize(
    ("pools", "stack"),
    [([pool("a", None), pool("b", None)], "hello"), ([pool("a", "hello"), pool("b", "hello")], "hello")],
)
def test_two_pools_of_one_name_are_refused(pools: list[dict[str, Any]], stack: str) -> None:
    with pytest.raises(PlanRefusedError, match="2 user pools are named hello"):
        subject.choose(pools, "hello", stack)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [({"domain": "auth.example.com"}, "still has the domain auth"), ({"deletion_protection": True}, "is protected")],
)
def test_a_pool_in_use_is_not_deleted(changed: dict[str, Any], refusal: str) -> None:
    with pytest.raises(PlanRefusedError, match=refusal):
        subject.plan({**CURRENT, **changed}, {**DESIRED, "state": "absent"})


@pytest.mark.parametrize(("current", "actions"), [(CURRENT, ["delete"]), ({}, [])])
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions


def test_an_update_repeats_every_setting_that_is_not_changed() -> None:
    client = cognito()
    planned = subject.plan(CURRENT, {**DESIRED, "admin_create_user_only": False, "auto_verified_attributes": []})
    expected = {
        "UserPoolId": POOL_ID,
        "PoolName": "hello",
        "Policies": RAW["Policies"],
        "DeletionProtection": "INACTIVE",
        "LambdaConfig": RAW["LambdaConfig"],
        "AutoVerifiedAttributes": [],
        "SmsVerificationMessage": "Your code is {####}",
        "MfaConfiguration": "OPTIONAL",
        "EmailConfiguration": RAW["EmailConfiguration"],
        "UserPoolTags": {"gatehouse:stack": "hello"},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": False,
            "InviteMessageTemplate": RAW["AdminCreateUserConfig"]["InviteMessageTemplate"],
        },
        "AccountRecoverySetting": RAW["AccountRecoverySetting"],
        "UserPoolTier": "ESSENTIALS",
    }
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool", {"UserPool": RAW}, {"UserPoolId": POOL_ID})
        stub.add_response("update_user_pool", {}, expected)
        subject.apply(client, planned)
        stub.assert_no_pending_responses()


def test_tags_alone_are_changed_without_touching_the_settings() -> None:
    client = cognito()
    planned = subject.plan({**CURRENT, "tags": {"stray": "1"}}, DESIRED)
    with Stubber(client) as stub:
        stub.add_response("untag_resource", {}, {"ResourceArn": ARN, "TagKeys": ["stray"]})
        stub.add_response("tag_resource", {}, {"ResourceArn": ARN, "Tags": {"gatehouse:stack": "hello"}})
        subject.apply(client, planned)
        stub.assert_no_pending_responses()


def test_creation_sends_everything_in_one_call() -> None:
    client = cognito()
    expected = {
        "PoolName": "hello",
        "Policies": {"PasswordPolicy": RAW["Policies"]["PasswordPolicy"]},
        "AliasAttributes": ["email"],
        "UsernameConfiguration": {"CaseSensitive": False},
        "AutoVerifiedAttributes": ["email"],
        "AccountRecoverySetting": RAW["AccountRecoverySetting"],
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": True,
            "InviteMessageTemplate": RAW["AdminCreateUserConfig"]["InviteMessageTemplate"],
        },
        "DeletionProtection": "INACTIVE",
        "UserPoolTier": "ESSENTIALS",
        "UserPoolTags": {"gatehouse:stack": "hello"},
    }
    with Stubber(client) as stub:
        stub.add_response("create_user_pool", {}, expected)
        subject.apply(client, subject.plan({}, DESIRED))
        stub.assert_no_pending_responses()


def test_pools_are_found_on_every_page() -> None:
    client = cognito()
    with Stubber(client) as stub:
        stub.add_response("list_user_pools", {"UserPools": [{"Id": "x_1", "Name": "other"}], "NextToken": "more"})
        stub.add_response("list_user_pools", {"UserPools": [{"Id": POOL_ID, "Name": "hello"}]})
        stub.add_response("describe_user_pool", {"UserPool": RAW}, {"UserPoolId": POOL_ID})
        assert subject.describe(client, DESIRED) == CURRENT


@pytest.mark.parametrize(
    ("current", "wanted", "sent"),
    [
        (("off", False), "off", None),
        (("off", True), "off", None),
        (("optional", True), "optional", None),
        (("off", False), "required", {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": True}}),
        (
            ("optional", False),
            "optional",
            {"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": True}},
        ),
        (("required", True), "off", {"MfaConfiguration": "OFF"}),
    ],
)
def test_a_second_factor_is_set_without_touching_the_other_settings(
    current: tuple[str, bool], wanted: str, sent: dict[str, Any] | None
) -> None:
    client = cognito()
    now = {**CURRENT, "mfa": current[0], "totp": current[1]}
    planned = subject.plan(now, {**DESIRED, "mfa": wanted})
    assert bool(planned.changes) is bool(sent)
    with Stubber(client) as stub:
        if sent:
            stub.add_response("get_user_pool_mfa_config", {"MfaConfiguration": "OFF"}, {"UserPoolId": POOL_ID})
            stub.add_response("set_user_pool_mfa_config", {}, {"UserPoolId": POOL_ID, **sent})
        subject.apply(client, planned)
        stub.assert_no_pending_responses()


def test_other_second_factors_are_kept() -> None:
    sms = {"SmsAuthenticationMessage": "{####}"}
    request = mfa_request({"SmsMfaConfiguration": sms, "WebAuthnConfiguration": {}}, "optional")
    assert request["SmsMfaConfiguration"] == sms
    assert "WebAuthnConfiguration" not in request


def test_a_new_pool_gets_its_second_factor_after_its_creation() -> None:
    client = cognito()
    planned = subject.plan({}, {**DESIRED, "mfa": "required"})
    assert planned.changes[0].after["mfa"] == "required"
    created = {"PoolName": "hello", **pool_request({}, subject.without_mfa(planned.changes[0].call))}
    assert "MfaConfiguration" not in created
    factor = {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": True}}
    with Stubber(client) as stub:
        stub.add_response("create_user_pool", {"UserPool": {"Id": POOL_ID}}, created)
        stub.add_response("get_user_pool_mfa_config", {}, {"UserPoolId": POOL_ID})
        stub.add_response("set_user_pool_mfa_config", {}, {"UserPoolId": POOL_ID, **factor})
        subject.apply(client, planned)
        stub.assert_no_pending_responses()


AT = {"Domain": "auth.example.com", "UserPoolId": POOL_ID, "Status": "ACTIVE"}
OWNED = {**RAW, "UserPoolTags": {"gatehouse:stack": "hello"}}


@pytest.mark.parametrize("foreign", [{"Name": "other"}, {"UserPoolTags": {"gatehouse:stack": "other"}}, {}])
def test_a_domain_leads_to_the_pool_of_the_stack_alone(foreign: dict[str, Any]) -> None:
    client = cognito()
    asked = {**DESIRED, "domain": "auth.example.com", "tags": {"gatehouse:stack": "hello"}}
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_domain", {"DomainDescription": AT}, {"Domain": "auth.example.com"})
        stub.add_response("describe_user_pool", {"UserPool": {**OWNED, **foreign}}, {"UserPoolId": POOL_ID})
        if foreign:
            stub.add_response("list_user_pools", {"UserPools": []})
        found = subject.describe(client, asked)
        stub.assert_no_pending_responses()
    assert found.get("domain_settings", {}).get("status") == (None if foreign else "ACTIVE")


def test_without_its_domain_a_pool_is_found_by_name() -> None:
    client = cognito()
    asked = {**DESIRED, "domain": "auth.example.com", "tags": {"gatehouse:stack": "hello"}}
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_domain", {"DomainDescription": {}}, {"Domain": "auth.example.com"})
        stub.add_response("list_user_pools", {"UserPools": [{"Id": POOL_ID, "Name": "hello"}]})
        stub.add_response("describe_user_pool", {"UserPool": OWNED}, {"UserPoolId": POOL_ID})
        assert subject.describe(client, asked)["domain_settings"] == {}
        stub.assert_no_pending_responses()
