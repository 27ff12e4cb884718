# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import client_fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import cognito_user_pool_client as subject
from botocore.stub import Stubber

POOL_ID = "eu-west-1_AbCdEfGhI"
CLIENT_ID = "1example23456789"
SECRET = "never-to-be-seen-0123456789"
RAW: dict[str, Any] = {
    "UserPoolId": POOL_ID,
    "ClientName": "hello-alb",
    "ClientId": CLIENT_ID,
    "ClientSecret": SECRET,
    "RefreshTokenValidity": 30,
    "TokenValidityUnits": {"AccessToken": "hours"},
    "AccessTokenValidity": 1,
    "ReadAttributes": ["email"],
    "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    "SupportedIdentityProviders": ["COGNITO"],
    "CallbackURLs": ["https://hello.example.com/oauth2/idpresponse"],
    "LogoutURLs": ["https://hello.example.com/"],
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthScopes": ["openid"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "PreventUserExistenceErrors": "ENABLED",
    "EnableTokenRevocation": True,
    "AuthSessionValidity": 3,
}
CURRENT = client_fields(RAW)
DESIRED: dict[str, Any] = {
    "name": "hello-alb",
    "user_pool_id": POOL_ID,
    "state": "present",
    "generate_secret": True,
    "allowed_oauth_flows": ["code"],
    "allowed_oauth_scopes": ["openid"],
    "callback_urls": ["https://hello.example.com/oauth2/idpresponse"],
    "logout_urls": ["https://hello.example.com/"],
    "explicit_auth_flows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
    "supported_identity_providers": ["COGNITO"],
    "prevent_user_existence_errors": True,
    "access_token_minutes": 60,
    "id_token_minutes": 60,
    "refresh_token_minutes": 43200,
}


def cognito() -> Any:
    return boto3.client("cognito-idp", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_a_pool_that_is_yet_to_come_is_not_asked() -> None:
    with Stubber(cognito()) as stub:
        assert subject.describe(stub.client, {**DESIRED, "user_pool_id": KNOWN_AFTER_APPLY}) == {}
    planned = subject.plan({}, {**DESIRED, "user_pool_id": KNOWN_AFTER_APPLY})
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["id"] == KNOWN_AFTER_APPLY
    assert set(planned.result) == set(CURRENT)


def test_a_converged_client_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("callback_urls", ["https://elsewhere.example.com/"]),
        ("logout_urls", []),
        ("allowed_oauth_scopes", ["email", "openid"]),
        ("explicit_auth_flows", ["ALLOW_USER_PASSWORD_AUTH"]),
        ("prevent_user_existence_errors", False),
        ("access_token_minutes", 5.5),
    ],
)
def test_drift_is_found_field_by_field(field: str, value: Any) -> None:
    (change,) = subject.plan({**CURRENT, field: value}, DESIRED).changes
    assert change.before == {field: value}
    assert change.after == {field: DESIRED[field]}


@pytest.mark.parametrize(
    ("raw", "minutes"),
    [
        ({}, 60),
        ({"AccessTokenValidity": 2}, 120),
        ({"AccessTokenValidity": 330, "TokenValidityUnits": {"AccessToken": "seconds"}}, 5.5),
        ({"AccessTokenValidity": 1, "TokenValidityUnits": {"AccessToken": "days"}}, 1440),
    ],
)
def test_token_validity_is_read_in_any_unit(raw: dict[str, Any], minutes: float) -> None:
    assert client_fields(raw)["access_token_minutes"] == minutes


def test_a_secret_cannot_be_taken_away() -> None:
    with pytest.raises(PlanRefusedError, match="hello-alb has a secret and AWS cannot change that"):
        subject.plan(CURRENT, {**DESIRED, "generate_secret": False})


def test_the_secret_never_shows() -> None:
    planned = [subject.plan(CURRENT, {**DESIRED, "state": state, "logout_urls": []}) for state in ("present", "absent")]
    shown = [(plan.result, [change.shown() for change in plan.changes]) for plan in planned]
    assert SECRET not in repr((CURRENT, shown))


@pytest.mark.parametrize(("current", "actions"), [(CURRENT, ["delete"]), ({}, [])])
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions


def test_an_update_repeats_every_setting_that_is_not_changed() -> None:
    client = cognito()
    planned = subject.plan(CURRENT, {**DESIRED, "logout_urls": [], "id_token_minutes": 30})
    kept = {key: value for key, value in RAW.items() if key != "ClientSecret"}
    units = {"AccessToken": "hours", "IdToken": "minutes"}
    expected = {**kept, "LogoutURLs": [], "IdTokenValidity": 30, "TokenValidityUnits": units}
    identity = {"UserPoolId": POOL_ID, "ClientId": CLIENT_ID}
    with Stubber(client) as stub:
        stub.add_response("describe_user_pool_client", {"UserPoolClient": RAW}, identity)
        stub.add_response("update_user_pool_client", {}, expected)
        subject.apply(client, DESIRED, planned)
        stub.assert_no_pending_responses()


def test_creation_asks_for_a_secret_and_the_code_flow() -> None:
    client = cognito()
    expected = {
        "UserPoolId": POOL_ID,
        "ClientName": "hello-alb",
        "GenerateSecret": True,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "CallbackURLs": DESIRED["callback_urls"],
        "LogoutURLs": DESIRED["logout_urls"],
        "ExplicitAuthFlows": DESIRED["explicit_auth_flows"],
        "SupportedIdentityProviders": ["COGNITO"],
        "PreventUserExistenceErrors": "ENABLED",
        "AccessTokenValidity": 60,
        "IdTokenValidity": 60,
        "RefreshTokenValidity": 43200,
        "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"},
    }
    with Stubber(client) as stub:
        stub.add_response("create_user_pool_client", {}, expected)
        subject.apply(client, DESIRED, subject.plan({}, DESIRED))
        stub.assert_no_pending_responses()


def test_two_clients_of_one_name_are_refused() -> None:
    client = cognito()
    found = [{"ClientId": client_id, "ClientName": "hello-alb"} for client_id in ("1", "2")]
    with Stubber(client) as stub:
        stub.add_response("list_user_pool_clients", {"UserPoolClients": found})
        with pytest.raises(PlanRefusedError, match=r"has 2 app clients named hello-alb \(1, 2\)"):
            subject.describe(client, DESIRED)
