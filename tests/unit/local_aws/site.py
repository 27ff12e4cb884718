# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole site on the stand-in: network, names, certificates, load balancer and login."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gatehouse.fargate.tests.local_aws.visitor import Visitor
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account

CLOUDFRONT_ZONE, BALANCER_ZONE = "Z2FDTNDATAQYW2", "Z14GRHDCWA56QT"
CERTIFICATE_REGION = "us-east-1"
TEMPORARY, CHOSEN = "Temporary-1!", "Chosen-2!pass"
WAIT_SECONDS = 30


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
    subnets: list[str]
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


def build_site(account: Account, name: str, status: dict[str, Any], port: int) -> Site:
    elb = account.client("elbv2")
    subnets, vpc = build_network(account)
    zone = create_zone(account, name)
    balancer = elb.create_load_balancer(Name="site", Subnets=subnets)["LoadBalancers"][0]
    upsert(account, zone, alias(name, balancer["DNSName"], balancer["CanonicalHostedZoneId"]))
    pool, client = build_login(account, name, zone)
    group = build_group(elb, vpc, port)
    listener, plain = build_listeners(elb, balancer["LoadBalancerArn"], issue(account, zone, name))
    add_rules(elb, listener, group, {"pool": pool, "client": client, "domain": f"auth.{name}"})
    ports = {"https": status["https_port"], "http": status["http_port"]}
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
        subnets=subnets,
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


def build_group(elb: Any, vpc: str, port: int) -> str:
    group = elb.create_target_group(
        Name="site", Protocol="HTTP", Port=port, VpcId=vpc, TargetType="ip", HealthCheckIntervalSeconds=6
    )["TargetGroups"][0]["TargetGroupArn"]
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
