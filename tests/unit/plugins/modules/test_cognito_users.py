# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    SENSITIVE,
    Plan,
    PlanRefusedError,
)
from ansible_collections.gatehouse.fargate.plugins.modules import cognito_users as subject
from botocore.stub import Stubber

POOL_ID = "eu-west-1_AbCdEfGhI"
PASSWORD = "Never-To-Be-Seen-1"
RULES = subject.PoolRules(case_sensitive=False, unique_emails=True)


def existing(name: str, **changed: Any) -> dict[str, Any]:
    user = {"username": name, "email": f"{name}@example.com", "email_verified": True}
    return {**user, "status": "CONFIRMED", "enabled": True, "groups": None, **changed}


def declared(name: str, **changed: Any) -> dict[str, Any]:
    user = {"username": name, "email": f"{name}@example.com", "temporary_password": None, "invite": None}
    return {**user, "groups": None, "enabled": True, **changed}


def params(users: list[dict[str, Any]], pool_id: str = POOL_ID) -> dict[str, Any]:
    unasked = {"username_case_sensitive": None, "alias_attributes": None}
    return {"user_pool_id": pool_id, "users": users, "purge": False, **unasked}


def plan(current: list[dict[str, Any]], users: list[dict[str, Any]], purge: bool = False, groups: str = "") -> Plan:
    rules = replace(RULES, groups=frozenset(groups.split()))
    return subject.plan(current, rules, {**params(users), "purge": purge})


def cognito() -> Any:
    return boto3.client("cognito-idp", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_a_pool_that_is_yet_to_come_is_not_asked() -> None:
    with Stubber(cognito()) as stub:
        assert subject.describe(stub.client, params([], KNOWN_AFTER_APPLY)) == []
        assert subject.pool_rules(stub.client, params([], KNOWN_AFTER_APPLY), []) == subject.PoolRules()


def test_a_pool_whose_rules_are_given_is_not_asked() -> None:
    given = {"username_case_sensitive": False, "alias_attributes": ["email"]}
    with Stubber(cognito()) as stub:
        assert subject.pool_rules(stub.client, {**params([]), **given}, []) == RULES


@pytest.mark.parametrize("given", [{"username_case_sensitive": False}, {"alias_attributes": ["email"]}, {}])
def test_a_pool_whose_rules_are_half_known_is_asked(given: dict[str, Any]) -> None:
    pool = {"Id": POOL_ID, "Name": "hello", "AliasAttributes": ["email"]}
    with Stubber(cognito()) as stub:
        stub.add_response("describe_user_pool", {"UserPool": pool}, {"UserPoolId": POOL_ID})
        assert subject.pool_rules(stub.client, {**params([]), **given}, []).unique_emails
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("user", "sent", "invited"),
    [
        (declared("bob"), {"DesiredDeliveryMediums": ["EMAIL"]}, True),
        (
            declared("bob", temporary_password=PASSWORD),
            {"TemporaryPassword": PASSWORD, "MessageAction": "SUPPRESS"},
            False,
        ),
        (
            declared("bob", temporary_password=PASSWORD, invite=True),
            {"TemporaryPassword": PASSWORD, "DesiredDeliveryMediums": ["EMAIL"]},
            True,
        ),
    ],
)
def test_a_new_user_is_invited_unless_a_password_is_given(
    user: dict[str, Any], sent: dict[str, Any], invited: bool
) -> None:
    client = cognito()
    planned = plan([], [user])
    assert planned.changes[0].after["invited"] is invited
    attributes = [{"Name": "email", "Value": "bob@example.com"}, {"Name": "email_verified", "Value": "true"}]
    expected = {"UserPoolId": POOL_ID, "Username": "bob", "UserAttributes": attributes, **sent}
    with Stubber(client) as stub:
        stub.add_response("admin_create_user", {}, expected)
        subject.apply(client, POOL_ID, planned)
        stub.assert_no_pending_responses()


def test_a_password_never_shows() -> None:
    planned = plan([], [declared("bob", temporary_password=PASSWORD)])
    assert planned.changes[0].after["temporary_password"] == SENSITIVE
    shown = [planned.result, repr(planned), [change.shown() for change in planned.changes]]
    assert PASSWORD not in repr(shown)


@pytest.mark.parametrize("status", ["CONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED"])
def test_a_user_who_exists_gets_no_password(status: str) -> None:
    user = declared("bob", temporary_password=PASSWORD, invite=True)
    assert plan([existing("bob", status=status)], [user]).changes == ()


@pytest.mark.parametrize(
    ("drift", "before"),
    [
        ({"email": "old@example.com"}, {"email": "old@example.com"}),
        ({"email_verified": False}, {"email_verified": False}),
    ],
)
def test_an_email_is_changed_and_verified_in_one_call(drift: dict[str, Any], before: dict[str, Any]) -> None:
    client = cognito()
    planned = plan([existing("bob", **drift)], [declared("bob", temporary_password=PASSWORD)])
    assert planned.changes[0].before == before
    attributes = [{"Name": "email", "Value": "bob@example.com"}, {"Name": "email_verified", "Value": "true"}]
    expected = {"UserPoolId": POOL_ID, "Username": "bob", "UserAttributes": attributes}
    with Stubber(client) as stub:
        stub.add_response("admin_update_user_attributes", {}, expected)
        subject.apply(client, POOL_ID, planned)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("drift", "wanted", "calls"),
    [
        ({}, {"enabled": False}, [("admin_disable_user", {})]),
        ({"enabled": False}, {}, [("admin_enable_user", {})]),
        ({"groups": []}, {"groups": []}, []),
        ({"groups": ["old"]}, {}, []),
        ({"groups": []}, {"groups": ["new"]}, [("admin_add_user_to_group", {"GroupName": "new"})]),
        (
            {"groups": ["both", "old"]},
            {"groups": ["new", "both"]},
            [
                ("admin_remove_user_from_group", {"GroupName": "old"}),
                ("admin_add_user_to_group", {"GroupName": "new"}),
            ],
        ),
        (
            {"groups": ["old"]},
            {"groups": [], "enabled": False},
            [("admin_disable_user", {}), ("admin_remove_user_from_group", {"GroupName": "old"})],
        ),
    ],
)
def test_a_user_is_changed_by_exactly_the_calls_that_differ(
    drift: dict[str, Any], wanted: dict[str, Any], calls: list[tuple[str, dict[str, str]]]
) -> None:
    client, known = cognito(), "both new"
    planned = plan([existing("bob", **drift)], [declared("bob", temporary_password=PASSWORD, **wanted)], groups=known)
    assert len(planned.changes) == bool(calls)
    with Stubber(client) as stub:
        for operation, request in calls:
            stub.add_response(operation, {}, {"UserPoolId": POOL_ID, "Username": "bob", **request})
        subject.apply(client, POOL_ID, planned)
        stub.assert_no_pending_responses()
    reached = planned.result
    assert plan(reached, [declared("bob", **wanted)], groups=known).changes == ()


def test_a_group_is_created_once_before_those_who_join_it() -> None:
    users = [declared("bob", groups=["staff"]), declared("eve", groups=["staff", "known"])]
    planned = plan([], users, groups="known")
    assert [(change.resource, change.name) for change in planned.changes] == [
        ("cognito_group", "staff"),
        ("cognito_user", "bob"),
        ("cognito_user", "eve"),
    ]
    operations = [operation for change in planned.changes for operation, _request in change.call]
    assert operations == ["create_group"] + ["admin_create_user", "admin_add_user_to_group"] * 2 + [
        "admin_add_user_to_group"
    ]


def test_a_user_who_may_not_log_in_is_created_locked() -> None:
    (change,) = plan([], [declared("bob", enabled=False)]).changes
    assert [operation for operation, _request in change.call] == ["admin_create_user", "admin_disable_user"]
    assert change.after["enabled"] is False


def test_groups_are_read_by_group_and_from_every_page() -> None:
    client = cognito()
    names = [{"Username": "a"}, {"Username": "b"}]
    with Stubber(client) as stub:
        stub.add_response("list_users", {"Users": names})
        stub.add_response("list_groups", {"Groups": [{"GroupName": "x"}], "NextToken": "more"})
        stub.add_response("list_groups", {"Groups": [{"GroupName": "empty"}]})
        stub.add_response("list_users_in_group", {"Users": []})
        stub.add_response("list_users_in_group", {"Users": names[:1], "NextToken": "more"})
        stub.add_response("list_users_in_group", {"Users": names[1:]})
        found = subject.describe(client, params([declared("a", groups=[])]))
        stub.assert_no_pending_responses()
    assert [user["groups"] for user in found] == [["x"], ["x"]]


@pytest.mark.parametrize(
    ("joined", "listed", "expected"),
    [(["x"], [], {"x"}), ([], ["x", "y"], {"x", "y"})],
)
def test_groups_are_listed_only_when_one_of_them_has_no_members(
    joined: list[str], listed: list[str], expected: set[str]
) -> None:
    with Stubber(cognito()) as stub:
        if listed:
            stub.add_response("list_groups", {"Groups": [{"GroupName": name} for name in listed]})
        users = params([declared("a", groups=["x"])])
        assert subject.existing_groups(stub.client, users, [existing("a", groups=joined)]) == expected
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("purge", "deleted"), [(False, []), (True, ["mallory"])])
def test_unlisted_users_go_only_when_asked_and_federated_ones_never(purge: bool, deleted: list[str]) -> None:
    current = [existing("bob"), existing("mallory"), existing("google_1", status="EXTERNAL_PROVIDER")]
    planned = plan(current, [declared("bob")], purge)
    assert [change.name for change in planned.changes] == deleted
    assert len(planned.result) == len(current) - len(deleted)


def test_names_match_regardless_of_case_where_the_pool_says_so() -> None:
    assert plan([existing("bob")], [declared("Bob", email="bob@example.com")]).changes == ()
    strict = subject.plan([existing("bob")], subject.PoolRules(), {"users": [declared("Bob")], "purge": False})
    assert [change.action.value for change in strict.changes] == ["create"]


@pytest.mark.parametrize(
    ("users", "refusal"),
    [
        ([declared("bob"), declared("Bob", email="b@example.com")], "username bob is listed more than once"),
        ([declared("bob"), declared("eve", email="Bob@example.com")], "email bob@example.com is listed more than once"),
        ([declared("bob", email="nowhere")], "'nowhere' of bob is no email address"),
        ([declared("bob", invite=False)], "bob has neither temporary_password nor an invitation"),
    ],
)
def test_users_who_could_not_log_in_are_refused(users: list[dict[str, Any]], refusal: str) -> None:
    with pytest.raises(PlanRefusedError, match=refusal):
        plan([], users)


def test_an_error_names_the_user_and_not_the_password() -> None:
    client = cognito()
    planned = plan([], [declared("bob", temporary_password=PASSWORD)])
    with Stubber(client) as stub:
        stub.add_client_error("admin_create_user", "InvalidPasswordException", "Password not long enough")
        with pytest.raises(AnsibleAWSError, match="Failed to create user bob") as caught:
            subject.apply(client, POOL_ID, planned)
    assert PASSWORD not in str(caught.value)


def test_users_are_read_from_every_page() -> None:
    client = cognito()
    attributes = [{"Name": "email", "Value": "a@example.com"}, {"Name": "email_verified", "Value": "true"}]
    first = {"Username": "a", "Attributes": attributes, "Enabled": True, "UserStatus": "CONFIRMED"}
    second = {"Username": "b", "Enabled": False, "UserStatus": "FORCE_CHANGE_PASSWORD"}
    with Stubber(client) as stub:
        stub.add_response("list_users", {"Users": [first], "PaginationToken": "more"})
        stub.add_response("list_users", {"Users": [second]})
        assert subject.describe(client, params([])) == [
            existing("a"),
            existing("b", email="", email_verified=False, status="FORCE_CHANGE_PASSWORD", enabled=False),
        ]
