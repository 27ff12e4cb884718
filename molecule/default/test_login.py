# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands in front of the app for programs, and what the app itself refuses when somebody gets past it."""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import client, containers_run, visitor

NAME = "hello-test"
HOST = "hello.gatehouse.localhost"
needs_containers = pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here")


def test_an_api_path_answers_401_and_leads_nowhere() -> None:
    page = visitor().get(f"https://{HOST}/api/orders", follow=False)
    assert (page.status, page.location) == (401, "")


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic YWxpY2U6eA=="])
def test_a_machine_path_wants_a_token(token: str) -> None:
    request = urllib.request.Request(f"https://{HOST}/machine/ping", headers={"Authorization": token})
    assert visitor()._open(request, follow=False).status == 401


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
