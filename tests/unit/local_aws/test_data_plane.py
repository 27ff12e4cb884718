# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way of a request: names, certificates, load balancer, login and target, as a browser meets them."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.gatehouse.fargate.tests.local_aws.visitor import Page, Visitor
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account

CLOUDFRONT_ZONE, BALANCER_ZONE = "Z2FDTNDATAQYW2", "Z14GRHDCWA56QT"
CERTIFICATE_REGION = "us-east-1"
TEMPORARY, CHOSEN = "Temporary-1!", "Chosen-2!pass"
WAIT_SECONDS = 20


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


@dataclass(frozen=True)
class Site:
    """A stack with a login, and what a test needs to visit and change it."""

    account: Account
    name: str
    zone: str
    balancer: str
    dns_name: str
    listener: str
    plain_listener: str
    group: str
    pool: str
    client: str
    ports: dict[str, int]
    ca: Path

    @property
    def url(self) -> str:
        return f"https://{self.name}"

    def visitor(self) -> Visitor:
        return Visitor(self.ca, self.ports["https"], self.ports["http"])


def wait_for(probe: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing happened in time")


def status_of(endpoint: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{endpoint}/_local_aws/status", timeout=5) as response:
        return dict(json.load(response))


@pytest.fixture(scope="module")
def target() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def site(shared_account: Account, endpoint: str, target: int) -> Site:
    return build_site(shared_account, "hello.gatehouse.localhost", status_of(endpoint), target)


def build_site(account: Account, name: str, status: dict[str, Any], target: int) -> Site:
    elb = account.client("elbv2")
    subnets, vpc = build_network(account)
    zone = create_zone(account, name)
    balancer = elb.create_load_balancer(Name="site", Subnets=subnets)["LoadBalancers"][0]
    upsert(account, zone, alias(name, balancer["DNSName"], balancer["CanonicalHostedZoneId"]))
    pool, client = build_login(account, name, zone)
    group = build_group(elb, vpc, target)
    listener, plain = build_listeners(elb, balancer["LoadBalancerArn"], issue(account, zone, name))
    add_rules(elb, listener, group, {"pool": pool, "client": client, "domain": f"auth.{name}"})
    ports = {"https": status["https_port"], "http": status["http_port"]}
    wait_for(lambda: health(elb, group) == "healthy")
    return Site(
        account=account,
        name=name,
        zone=zone,
        balancer=balancer["LoadBalancerArn"],
        dns_name=balancer["DNSName"],
        listener=listener,
        plain_listener=plain,
        group=group,
        pool=pool,
        client=client,
        ports=ports,
        ca=Path(status["ca"]),
    )


def build_network(account: Account) -> tuple[list[str], str]:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    zones = {"ap-northeast-1a": "10.0.0.0/24", "ap-northeast-1d": "10.0.1.0/24"}
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone) for zone, cidr in zones.items()]
    return [one["Subnet"]["SubnetId"] for one in made], vpc


def create_zone(account: Account, name: str) -> str:
    created = account.client("route53").create_hosted_zone(Name=name, CallerReference=name)
    return str(created["HostedZone"]["Id"])


def upsert(account: Account, zone: str, record: dict[str, Any]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    account.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def alias(name: str, target: str, zone: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "A",
        "AliasTarget": {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False},
    }


def request_certificate(account: Account, name: str, region: str | None = None) -> tuple[Any, str]:
    acm = account.client("acm", region) if region else account.client("acm")
    return acm, acm.request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"]


def validation_record(acm: Any, arn: str) -> dict[str, Any]:
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]["ResourceRecord"]
    return {"Name": found["Name"], "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": found["Value"]}]}


def issue(account: Account, zone: str, name: str, region: str | None = None) -> str:
    acm, arn = request_certificate(account, name, region)
    upsert(account, zone, validation_record(acm, arn))
    wait_for(lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED")
    return arn


def build_login(account: Account, name: str, zone: str) -> tuple[str, str]:
    cognito = account.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="site", AliasAttributes=["email"])["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="balancer",
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=[f"https://{name}/oauth2/idpresponse"],
        LogoutURLs=[f"https://{name}/bye"],
    )["UserPoolClient"]["ClientId"]
    certificate = issue(account, zone, f"auth.{name}", CERTIFICATE_REGION)
    domain = cognito.create_user_pool_domain(
        UserPoolId=pool, Domain=f"auth.{name}", CustomDomainConfig={"CertificateArn": certificate}
    )
    upsert(account, zone, alias(f"auth.{name}", domain["CloudFrontDomain"], CLOUDFRONT_ZONE))
    return pool, client


def add_user(site: Site, username: str) -> None:
    cognito = site.account.client("cognito-idp")
    attributes = [{"Name": "email", "Value": f"{username}@example.com"}, {"Name": "email_verified", "Value": "true"}]
    cognito.admin_create_user(
        UserPoolId=site.pool,
        Username=username,
        UserAttributes=attributes,
        TemporaryPassword=TEMPORARY,
        MessageAction="SUPPRESS",
    )


def build_group(elb: Any, vpc: str, target: int) -> str:
    group = elb.create_target_group(
        Name="site", Protocol="HTTP", Port=target, VpcId=vpc, TargetType="ip", HealthCheckIntervalSeconds=6
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1"}])
    return str(group)


def health(elb: Any, group: str) -> str:
    described = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return str(described[0]["TargetHealth"]["State"])


def build_listeners(elb: Any, balancer: str, certificate: str) -> tuple[str, str]:
    missing = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "a < b & c"}
    secure = elb.create_listener(
        LoadBalancerArn=balancer,
        Port=443,
        Protocol="HTTPS",
        Certificates=[{"CertificateArn": certificate}],
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": missing}],
    )["Listeners"][0]["ListenerArn"]
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    plain = elb.create_listener(
        LoadBalancerArn=balancer,
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}],
    )["Listeners"][0]["ListenerArn"]
    return secure, plain


def add_rules(elb: Any, listener: str, group: str, login: dict[str, str]) -> None:
    pool_arn = f"arn:aws:cognito-idp:ap-northeast-1:{listener.split(':')[4]}:userpool/{login['pool']}"
    config = {"UserPoolArn": pool_arn, "UserPoolClientId": login["client"], "UserPoolDomain": login["domain"]}
    forward = {"Type": "forward", "TargetGroupArn": group}
    authenticate = {"Type": "authenticate-cognito", "AuthenticateCognitoConfig": config, "Order": 1}
    for priority, path, actions in (
        (100, "/*", [authenticate, {**forward, "Order": 2}]),
        (10, "/healthz", [forward]),
    ):
        condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}
        elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=actions)


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
