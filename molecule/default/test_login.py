# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands in front of the app for programs, and what the app itself refuses when somebody gets past it."""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import client, containers_run, environment, visitor

NAME = "hello-test"
HOST = "hello.gatehouse.localhost"
needs_containers = pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here")


def test_an_api_path_answers_401_and_leads_nowhere() -> None:
    page = visitor().get(f"https://{HOST}/api/orders", follow=False)
    assert (page.status, page.location) == (401, "")


def machine_path(authorization: str) -> tuple[int, str]:
    request = urllib.request.Request(f"https://{HOST}/machine/ping", headers={"Authorization": authorization})
    page = visitor()._open(request, follow=False)
    return page.status, page.text


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic YWxpY2U6eA=="])
def test_a_machine_path_wants_a_token(token: str) -> None:
    assert machine_path(token)[0] == 401


def pool_id() -> str:
    pools = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    return next(str(pool["Id"]) for pool in pools if pool["Name"] == NAME)


def let_tokens_expire() -> None:
    address = f"{environment()['AWS_ENDPOINT_URL']}/_local_aws/expired"
    urllib.request.urlopen(urllib.request.Request(address, method="POST")).close()


@pytest.fixture
def machine_token() -> Iterator[str]:
    """What a program gets for its own id and secret, with the grant client_credentials."""
    cognito, pool = client("cognito-idp"), pool_id()
    scopes = [{"ScopeName": "read", "ScopeDescription": "Read orders"}]
    cognito.create_resource_server(UserPoolId=pool, Identifier="orders", Name="orders", Scopes=scopes)
    made = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="machine", GenerateSecret=True, AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthFlowsUserPoolClient=True, AllowedOAuthScopes=["orders/read"],
    )["UserPoolClient"]  # fmt: skip
    login = {"client_id": made["ClientId"], "client_secret": made["ClientSecret"]}
    page = visitor().post(f"https://auth.{HOST}/oauth2/token", {"grant_type": "client_credentials", **login})
    yield json.loads(page.text)["access_token"]
    cognito.delete_user_pool_client(UserPoolId=pool, ClientId=made["ClientId"])
    cognito.delete_resource_server(UserPoolId=pool, Identifier="orders")


@needs_containers
def test_a_machine_with_a_token_reaches_the_app(machine_token: str) -> None:
    # The app has no page there and says so in its own words; the load balancer's 404 has none.
    assert machine_path(f"Bearer {machine_token}") == (404, "not found")
    header, claims, signature = machine_token.split(".")
    assert machine_path(f"Bearer {header}.{claims[:-2]}AA.{signature}")[0] == 401
    let_tokens_expire()
    assert machine_path(f"Bearer {machine_token}")[0] == 401


@needs_containers
def test_the_app_knows_a_session_whose_access_token_was_refreshed() -> None:
    cognito, pool, password = client("cognito-idp"), pool_id(), "Chosen-at-first-login-3"
    cognito.admin_create_user(UserPoolId=pool, Username="ivan", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username="ivan", Password=password, Permanent=True)
    ivan = visitor()
    assert "ivan" in ivan.sign_in(f"https://{HOST}/", "ivan", password, password).text
    let_tokens_expire()
    page = ivan.get(f"https://{HOST}/", follow=False)
    assert page.status == 200
    assert "ivan" in page.text
    cognito.admin_disable_user(UserPoolId=pool, Username="ivan")
    let_tokens_expire()
    assert ivan.get(f"https://{HOST}/", follow=False).status == 302
    cognito.admin_delete_user(UserPoolId=pool, Username="ivan")


def task_variables() -> dict[str, str]:
    ecs = client("ecs")
    service = ecs.describe_services(cluster=NAME, services=[NAME])["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return {one["name"]: one["value"] for one in definition["containerDefinitions"][0]["environment"]}


def test_the_app_is_told_how_to_verify_and_end_a_login() -> None:
    told = task_variables()
    pools = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    pool = next(pool["Id"] for pool in pools if pool["Name"] == NAME)
    balancer = client("elbv2").describe_load_balancers(Names=[NAME])["LoadBalancers"][0]
    assert told["LOGIN_ISSUER"] == f"https://cognito-idp.ap-northeast-1.amazonaws.com/{pool}"
    assert told["LOGIN_SIGNER"] == balancer["LoadBalancerArn"]
    assert [key["kty"] for key in json.loads(told["LOGIN_KEYS"])["keys"]] == ["RSA", "RSA"]
    assert told["LOGOUT_URL"].startswith(f"https://auth.{HOST}/logout?client_id={told['LOGIN_CLIENT_ID']}&logout_uri=")
    assert told["SESSION_COOKIE"] == "AWSELBAuthSessionCookie"


def past_the_load_balancer(headers: dict[str, str]) -> int:
    """What the task answers when it is reached directly, which the security groups do not allow on AWS."""
    elb = client("elbv2")
    group = elb.describe_target_groups(Names=[NAME])["TargetGroups"][0]["TargetGroupArn"]
    target = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"][0]["Target"]
    request = urllib.request.Request(f"http://{target['Id']}:{target['Port']}/", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def token(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), b"\7" * 64]
    return ".".join(base64.urlsafe_b64encode(part).decode() for part in parts)


@needs_containers
@pytest.mark.parametrize("name", ["x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-amzn-oidc-identity"])
def test_the_app_refuses_a_forged_header(name: str) -> None:
    told = task_variables()
    header = {"alg": "ES256", "kid": "0", "signer": told["LOGIN_SIGNER"], "client": told["LOGIN_CLIENT_ID"]}
    forged = token(header, {"sub": "0", "username": "mallory", "email": "mallory@example.com"})
    assert past_the_load_balancer({name: forged}) == 401


@needs_containers
def test_the_app_answers_nobody_in_particular_without_headers() -> None:
    assert past_the_load_balancer({}) == 200
