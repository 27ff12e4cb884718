# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way of a request: names, certificates, load balancer, login and target, as a browser meets them."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.gatehouse.fargate.tests.local_aws.visitor import Page
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    BALANCER_ZONE,
    CHOSEN,
    TEMPORARY,
    Site,
    add_user,
    alias,
    build_site,
    health,
    status_of,
    upsert,
    wait_for,
)


class Echo(BaseHTTPRequestHandler):
    """A target that tells what reached it."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def target() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def site(shared_account: Account, endpoint: str, target: int) -> Site:
    built = build_site(shared_account, "hello.gatehouse.localhost", status_of(endpoint), target)
    elb = shared_account.client("elbv2")
    elb.register_targets(TargetGroupArn=built.group, Targets=[{"Id": "127.0.0.1"}])
    wait_for(lambda: health(elb, built.group) == "healthy")
    return built


def seen_by_target(page: Page) -> dict[str, str]:
    return dict(json.loads(page.text)["headers"])


def test_http_leads_to_https(site: Site) -> None:
    page = site.visitor().get(f"http://{site.name}/a?b=c", follow=False)
    assert page.status == 301
    assert page.location == f"https://{site.name}:{site.ports['https']}/a?b=c"


def test_public_path_needs_no_login(site: Site) -> None:
    page = site.visitor().get(f"{site.url}/healthz")
    assert page.status == 200
    assert "x-amzn-oidc-identity" not in seen_by_target(page)


def test_no_session_leads_to_login(site: Site) -> None:
    page = site.visitor().get(f"{site.url}/private", follow=False)
    query = parse_qs(urlsplit(page.location).query)
    assert page.status == 302
    assert urlsplit(page.location).netloc == f"auth.{site.name}:{site.ports['https']}"
    # The address that Cognito knows carries no local port.
    assert query["redirect_uri"] == [f"{site.url}/oauth2/idpresponse"]


def test_login_with_forced_password_change(site: Site) -> None:
    add_user(site, "alice")
    visitor = site.visitor()
    page = visitor.sign_in(f"{site.url}/private?x=1", "alice", TEMPORARY, CHOSEN)
    headers = seen_by_target(page)
    assert json.loads(page.text)["path"] == "/private?x=1"
    assert headers["host"] == site.name
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-amzn-oidc-accesstoken"].count(".") == 2
    assert headers["x-amzn-oidc-data"].count(".") == 2
    user = site.account.client("cognito-idp").admin_get_user(UserPoolId=site.pool, Username="alice")
    subject = {one["Name"]: one["Value"] for one in user["UserAttributes"]}["sub"]
    assert headers["x-amzn-oidc-identity"] == subject
    assert user["UserStatus"] == "CONFIRMED"


def test_wrong_password_is_refused(site: Site) -> None:
    add_user(site, "bob")
    visitor = site.visitor()
    page = visitor.fill(visitor.get(site.url), "bob", "Wrong-password-1!")
    assert urlsplit(page.url).hostname == f"auth.{site.name}"
    assert visitor.get(site.url, follow=False).status == 302


def test_login_by_email_alias(site: Site) -> None:
    add_user(site, "carol")
    page = site.visitor().sign_in(site.url, "carol@example.com", TEMPORARY, CHOSEN)
    assert page.status == 200


def test_forged_identity_does_not_reach_the_target(site: Site) -> None:
    request = urllib.request.Request(f"{site.url}/private", headers={"x-amzn-oidc-identity": "root"})
    visitor = site.visitor()
    page = visitor._open(request, follow=False)
    assert page.status == 302


def test_logout_address_must_be_known(site: Site) -> None:
    base = f"https://auth.{site.name}/logout?client_id={site.client}&logout_uri="
    visitor = site.visitor()
    assert visitor.get(base + f"{site.url}/bye", follow=False).status == 302
    assert visitor.get(base + "https://elsewhere.example.com/", follow=False).status == 400


def test_managed_login_needs_branding(site: Site) -> None:
    cognito = site.account.client("cognito-idp")
    domain = cognito.describe_user_pool_domain(Domain=f"auth.{site.name}")["DomainDescription"]
    wanted = {"UserPoolId": site.pool, "Domain": domain["Domain"], "CustomDomainConfig": domain["CustomDomainConfig"]}
    cognito.update_user_pool_domain(**wanted, ManagedLoginVersion=2)
    assert site.visitor().get(site.url).status == 403
    cognito.create_managed_login_branding(UserPoolId=site.pool, ClientId=site.client, UseCognitoProvidedValues=True)
    found = cognito.describe_managed_login_branding_by_client(UserPoolId=site.pool, ClientId=site.client)
    assert found["ManagedLoginBranding"]["UseCognitoProvidedValues"] is True
    assert site.visitor().get(site.url).status == 200
    cognito.update_user_pool_domain(**wanted, ManagedLoginVersion=1)


def test_default_action_answers_what_no_rule_takes(site: Site) -> None:
    elb = site.account.client("elbv2")
    rules = elb.describe_rules(ListenerArn=site.listener)["Rules"]
    assert [rule["Priority"] for rule in rules] == ["10", "100", "default"]
    rule = rules[1]
    elb.modify_rule(
        RuleArn=rule["RuleArn"],
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/app/*"]}}],
    )
    page = site.visitor().get(f"{site.url}/other")
    elb.modify_rule(
        RuleArn=rule["RuleArn"], Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    )
    assert (page.status, page.text) == (404, "a < b & c")


def test_name_without_certificate_fails_the_handshake(site: Site) -> None:
    with pytest.raises(urllib.error.URLError) as failure:
        site.visitor().get("https://nowhere.gatehouse.localhost/")
    assert isinstance(failure.value.reason, ssl.SSLError)


def test_name_that_the_certificate_does_not_cover(site: Site) -> None:
    name = f"other.{site.name}"
    upsert(site.account, site.zone, alias(name, site.dns_name, BALANCER_ZONE))
    with pytest.raises(urllib.error.URLError) as failure:
        site.visitor().get(f"https://{name}/")
    assert isinstance(failure.value.reason, ssl.SSLCertVerificationError)


def test_invalid_header_fields_are_dropped_when_asked(site: Site) -> None:
    elb, key = site.account.client("elbv2"), "routing.http.drop_invalid_header_fields.enabled"
    seen = {}
    for value in ("false", "true"):
        elb.modify_load_balancer_attributes(LoadBalancerArn=site.balancer, Attributes=[{"Key": key, "Value": value}])
        request = urllib.request.Request(f"{site.url}/healthz", headers={"x_odd": "1", "x-even": "2"})
        headers = seen_by_target(site.visitor()._open(request, follow=True))
        seen[value] = ("x_odd" in headers, "x-even" in headers)
    assert seen == {"false": (True, True), "true": (False, True)}


def bearer(site: Site, path: str, token: str) -> Page:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return site.visitor()._open(urllib.request.Request(f"{site.url}{path}", headers=headers), follow=False)


def access_token(site: Site, name: str) -> str:
    add_user(site, name)
    page = site.visitor().sign_in(site.url, name, TEMPORARY, CHOSEN)
    return seen_by_target(page)["x-amzn-oidc-accesstoken"]


@pytest.fixture
def machine_rule(site: Site) -> Iterator[dict[str, Any]]:
    elb = site.account.client("elbv2")
    issuer = f"https://cognito-idp.ap-northeast-1.amazonaws.com/{site.pool}"
    claims = [{"Name": "token_use", "Format": "single-string", "Values": ["access"]}]
    config = {"JwksEndpoint": f"{issuer}/.well-known/jwks.json", "Issuer": issuer, "AdditionalClaims": claims}
    actions = [
        {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": config},
        {"Type": "forward", "Order": 2, "TargetGroupArn": site.group},
    ]
    conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/machine/*"]}}]
    rule = elb.create_rule(ListenerArn=site.listener, Priority=1, Conditions=conditions, Actions=actions)["Rules"][0]
    yield rule
    elb.delete_rule(RuleArn=rule["RuleArn"])


@pytest.mark.usefixtures("machine_rule")
def test_machines_come_in_with_a_token_of_the_pool_alone(site: Site) -> None:
    token = access_token(site, "dora")
    assert bearer(site, "/machine/x", token).status == 200
    header, claims, signature = token.split(".")
    changed = f"{header}.{claims[:-2]}AA.{signature}"
    assert [bearer(site, "/machine/x", bad).status for bad in ("", "nonsense", changed)] == [401, 401, 401]


def test_a_claim_that_a_token_does_not_have_keeps_machines_out(site: Site, machine_rule: dict[str, Any]) -> None:
    token = access_token(site, "emil")
    first, last = machine_rule["Actions"]
    scopes = [{"Name": "scope", "Format": "space-separated-values", "Values": ["orders/write"]}]
    first["JwtValidationConfig"]["AdditionalClaims"] = scopes
    elb = site.account.client("elbv2")
    changed = elb.modify_rule(RuleArn=machine_rule["RuleArn"], Actions=[first, last])["Rules"][0]
    assert changed["Actions"][0]["JwtValidationConfig"]["AdditionalClaims"] == scopes
    assert bearer(site, "/machine/x", token).status == 401


def let_tokens_expire(site: Site) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{site.account.endpoint}/_local_aws/expired", method="POST")).close()


def claims_of(token: str) -> dict[str, Any]:
    claims = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))))


def test_a_session_outlives_its_access_token(site: Site) -> None:
    add_user(site, "fred")
    visitor = site.visitor()
    first = seen_by_target(visitor.sign_in(site.url, "fred", TEMPORARY, CHOSEN))["x-amzn-oidc-accesstoken"]
    assert seen_by_target(visitor.get(site.url))["x-amzn-oidc-accesstoken"] == first
    let_tokens_expire(site)
    page = visitor.get(f"{site.url}/private", follow=False)
    assert page.status == 200
    refreshed = seen_by_target(page)["x-amzn-oidc-accesstoken"]
    assert refreshed != first
    old, new = claims_of(first), claims_of(refreshed)
    assert {key: new[key] for key in ("sub", "username", "client_id", "scope")} == {
        key: old[key] for key in ("sub", "username", "client_id", "scope")
    }
    assert new["exp"] >= old["exp"]


def test_a_user_who_was_disabled_is_asked_again_once_the_access_token_expires(site: Site) -> None:
    add_user(site, "gina")
    visitor = site.visitor()
    visitor.sign_in(site.url, "gina", TEMPORARY, CHOSEN)
    site.account.client("cognito-idp").admin_disable_user(UserPoolId=site.pool, Username="gina")
    assert visitor.get(site.url, follow=False).status == 200
    let_tokens_expire(site)
    page = visitor.get(site.url, follow=False)
    assert (page.status, urlsplit(page.location).hostname) == (302, f"auth.{site.name}")


@pytest.mark.usefixtures("machine_rule")
def test_a_machine_is_not_let_in_with_an_expired_token(site: Site) -> None:
    token = access_token(site, "hugo")
    assert bearer(site, "/machine/x", token).status == 200
    let_tokens_expire(site)
    assert bearer(site, "/machine/x", token).status == 401


def test_a_session_that_the_load_balancer_did_not_write_is_none(site: Site) -> None:
    session = {"claims": {"sub": "root"}, "access_token": "a.b.c", "exp": int(time.time()) + 3600}
    forged = base64.urlsafe_b64encode(json.dumps(session).encode()).decode()
    headers = {"Cookie": f"AWSELBAuthSessionCookie-0={forged}"}
    page = site.visitor()._open(urllib.request.Request(f"{site.url}/private", headers=headers), follow=False)
    assert page.status == 302
