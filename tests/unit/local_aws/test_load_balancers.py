# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic Load Balancing: what is filled in, what stays the same on a second call, what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    BALANCER_ZONE,
    build_network,
    create_zone,
    issue,
)

NAME = "balancers.example.com"
UNKNOWN_CERTIFICATE = [{"CertificateArn": "arn:aws:acm:missing"}]
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "<none> & more"}}


@dataclass(frozen=True)
class Stack:
    """A load balancer with both listeners and a target group."""

    account: Account
    elb: Any
    vpc: str
    subnets: list[str]
    balancer: str
    plain: str
    secure: str
    group: str


@pytest.fixture
def stack(account: Account) -> Stack:
    elb, (subnets, vpc) = account.client("elbv2"), build_network(account)
    balancer = elb.create_load_balancer(Name="balancer", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    certificate = issue(account, create_zone(account, NAME), NAME)
    return Stack(
        account=account,
        elb=elb,
        vpc=vpc,
        subnets=subnets,
        balancer=balancer,
        plain=listen(elb, balancer, Port=80, Protocol="HTTP"),
        secure=listen(elb, balancer, Port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": certificate}]),
        group=group_arn(elb, vpc),
    )


def listen(elb: Any, balancer: str, **wanted: Any) -> str:
    created = elb.create_listener(LoadBalancerArn=balancer, DefaultActions=[FIXED], **wanted)
    return str(created["Listeners"][0]["ListenerArn"])


def group_arn(elb: Any, vpc: str, **more: Any) -> str:
    created = elb.create_target_group(Name="group", Protocol="HTTP", Port=3000, VpcId=vpc, TargetType="ip", **more)
    return str(created["TargetGroups"][0]["TargetGroupArn"])


def on_path(path: str) -> list[dict[str, Any]]:
    return [{"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}]


def forward(stack: Stack) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": stack.group}]


def create_rule(stack: Stack, priority: int, actions: list[dict[str, Any]], listener: str | None = None) -> str:
    created = stack.elb.create_rule(
        ListenerArn=listener or stack.secure, Priority=priority, Conditions=on_path("/*"), Actions=actions
    )
    return str(created["Rules"][0]["RuleArn"])


def test_load_balancer_knows_its_place(stack: Stack) -> None:
    found = stack.elb.describe_load_balancers(Names=["balancer"])["LoadBalancers"][0]
    assert found["VpcId"] == stack.vpc
    assert found["CanonicalHostedZoneId"] == BALANCER_ZONE
    zones = {zone["ZoneName"]: zone["SubnetId"] for zone in found["AvailabilityZones"]}
    assert zones == dict(zip(("ap-northeast-1a", "ap-northeast-1d"), stack.subnets, strict=True))
    assert len(found["SecurityGroups"]) == 1


def test_creating_the_same_again_returns_it(stack: Stack) -> None:
    again = stack.elb.create_load_balancer(Name="balancer", Subnets=stack.subnets)["LoadBalancers"][0]
    assert again["LoadBalancerArn"] == stack.balancer
    assert group_arn(stack.elb, stack.vpc) == stack.group
    with refused("DuplicateLoadBalancerName"):
        stack.elb.create_load_balancer(Name="balancer", Subnets=stack.subnets, Scheme="internal")
    with refused("DuplicateTargetGroupName"):
        group_arn(stack.elb, stack.vpc, HealthCheckPath="/other")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "x" * 33}, "ValidationError"),
        ({"Name": "internal-x"}, "ValidationError"),
        ({"Subnets": ["subnet-missing"]}, "SubnetNotFound"),
        ({"SecurityGroups": ["sg-missing"]}, "InvalidSecurityGroup"),
    ],
)
def test_load_balancer_that_is_refused(stack: Stack, change: dict[str, Any], code: str) -> None:
    with refused(code):
        stack.elb.create_load_balancer(**{"Name": "other", "Subnets": stack.subnets, **change})


def test_public_load_balancer_needs_an_internet_gateway(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"ap-northeast-1{zone}")
        for n, zone in enumerate("ad")
    ]
    ids = [one["Subnet"]["SubnetId"] for one in subnets]
    with refused("InvalidSubnet", "no internet gateway"):
        account.client("elbv2").create_load_balancer(Name="cut-off", Subnets=ids)
    with refused("ValidationError", "two different Availability Zones"):
        account.client("elbv2").create_load_balancer(Name="narrow", Subnets=ids[:1])


def test_attribute_defaults_are_complete(stack: Stack) -> None:
    described = stack.elb.describe_load_balancer_attributes(LoadBalancerArn=stack.balancer)["Attributes"]
    attributes = {one["Key"]: one["Value"] for one in described}
    assert len(attributes) >= 20
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "false"
    wanted = [{"Key": "no.such.key", "Value": "1"}]
    with refused("ValidationError", "no.such.key"):
        stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.balancer, Attributes=wanted)


def test_access_logs_need_a_bucket_that_lets_them_in(stack: Stack) -> None:
    s3, number = stack.account.client("s3"), stack.account.number
    bucket = f"logs-{number}"
    settings = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": bucket, "access_logs.s3.prefix": "web"}
    wanted = [{"Key": key, "Value": value} for key, value in settings.items()]
    with refused("InvalidConfigurationRequest", "does not exist"):
        stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.balancer, Attributes=wanted)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    with refused("InvalidConfigurationRequest", "Access Denied"):
        stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.balancer, Attributes=wanted)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/web/AWSLogs/{number}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.balancer, Attributes=wanted)


def test_deletion_protection(stack: Stack) -> None:
    for value in ("true", "false"):
        wanted = [{"Key": "deletion_protection.enabled", "Value": value}]
        stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.balancer, Attributes=wanted)
        if value == "true":
            with refused("OperationNotPermitted"):
                stack.elb.delete_load_balancer(LoadBalancerArn=stack.balancer)
    stack.elb.delete_load_balancer(LoadBalancerArn=stack.balancer)
    with refused("ListenerNotFound"):
        stack.elb.describe_listeners(ListenerArns=[stack.secure])


def test_text_survives(stack: Stack) -> None:
    found = stack.elb.describe_listeners(ListenerArns=[stack.plain])["Listeners"][0]
    assert found["DefaultActions"][0]["FixedResponseConfig"]["MessageBody"] == "<none> & more"
    stack.elb.add_tags(ResourceArns=[stack.balancer], Tags=[{"Key": "a", "Value": "<b> & c"}])
    tags = stack.elb.describe_tags(ResourceArns=[stack.balancer])["TagDescriptions"][0]["Tags"]
    assert tags == [{"Key": "a", "Value": "<b> & c"}]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"Port": 443, "Protocol": "HTTPS"}, "DuplicateListener"),
        ({"Port": 8443, "Protocol": "HTTPS"}, "ValidationError"),
        (
            {"Port": 8443, "Protocol": "HTTPS", "Certificates": [{"CertificateArn": "arn:aws:acm:x"}]},
            "CertificateNotFound",
        ),
        ({"Port": 8080, "Protocol": "HTTP", "SslPolicy": "none"}, "SSLPolicyNotFound"),
    ],
)
def test_listener_that_is_refused(stack: Stack, wanted: dict[str, Any], code: str) -> None:
    with refused(code):
        listen(stack.elb, stack.balancer, **wanted)


def test_extra_certificates(stack: Stack) -> None:
    name = f"extra-{NAME}"
    extra = [{"CertificateArn": issue(stack.account, create_zone(stack.account, name), name)}]
    with refused("CertificateNotFound"):
        stack.elb.add_listener_certificates(ListenerArn=stack.secure, Certificates=UNKNOWN_CERTIFICATE)
    stack.elb.add_listener_certificates(ListenerArn=stack.secure, Certificates=extra)
    assert [one["IsDefault"] for one in listener_certificates(stack)] == [True, False]
    stack.elb.remove_listener_certificates(ListenerArn=stack.secure, Certificates=extra)
    assert [one["IsDefault"] for one in listener_certificates(stack)] == [True]


def listener_certificates(stack: Stack) -> list[dict[str, Any]]:
    return list(stack.elb.describe_listener_certificates(ListenerArn=stack.secure)["Certificates"])


def test_rules_keep_their_order_and_priorities(stack: Stack) -> None:
    first, second = create_rule(stack, 100, forward(stack)), create_rule(stack, 10, forward(stack))
    rules = stack.elb.describe_rules(ListenerArn=stack.secure)["Rules"]
    assert [rule["Priority"] for rule in rules] == ["10", "100", "default"]
    # AWS returns no order for an action that was sent without one.
    assert "Order" not in rules[0]["Actions"][0]
    with refused("PriorityInUse"):
        create_rule(stack, 10, forward(stack))
    swapped = [{"RuleArn": first, "Priority": 10}, {"RuleArn": second, "Priority": 100}]
    stack.elb.set_rule_priorities(RulePriorities=swapped)
    with refused("PriorityInUse"):
        stack.elb.set_rule_priorities(RulePriorities=[{"RuleArn": first, "Priority": 100}])
    with refused("OperationNotPermitted"):
        stack.elb.delete_rule(RuleArn=rules[-1]["RuleArn"])


def test_forward_configuration(stack: Stack) -> None:
    groups = [{"TargetGroupArn": stack.group, "Weight": 3}]
    stickiness = {"Enabled": True, "DurationSeconds": 60}
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}
    create_rule(stack, 5, [{"Type": "forward", "ForwardConfig": config}])
    action = stack.elb.describe_rules(ListenerArn=stack.secure)["Rules"][0]["Actions"][0]
    assert action["ForwardConfig"] == config
    assert action["TargetGroupArn"] == stack.group
    found = stack.elb.describe_target_groups(LoadBalancerArn=stack.balancer)["TargetGroups"]
    assert [one["LoadBalancerArns"] for one in found] == [[stack.balancer]]
    with refused("ResourceInUse"):
        stack.elb.delete_target_group(TargetGroupArn=stack.group)


def test_cognito_configuration_has_defaults(stack: Stack) -> None:
    config = login_config(stack.account, GenerateSecret=True)
    actions = [
        {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": config},
        {**forward(stack)[0], "Order": 2},
    ]
    with refused("InvalidLoadBalancerAction", "HTTPS"):
        create_rule(stack, 6, actions, stack.plain)
    with refused("InvalidLoadBalancerAction", "last action"):
        create_rule(stack, 6, actions[:1])
    create_rule(stack, 6, actions)
    found = stack.elb.describe_rules(ListenerArn=stack.secure)["Rules"][0]["Actions"][0]["AuthenticateCognitoConfig"]
    defaults = {"Scope": "openid", "SessionTimeout": 604800, "OnUnauthenticatedRequest": "authenticate"}
    assert found == {**config, **defaults, "SessionCookieName": "AWSELBAuthSessionCookie"}


def test_cognito_client_without_secret_is_refused(stack: Stack) -> None:
    config = login_config(stack.account, GenerateSecret=False)
    authenticate = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": config}
    with refused("InvalidLoadBalancerAction", "secret"):
        create_rule(stack, 6, [authenticate, {**forward(stack)[0], "Order": 2}])


def login_config(account: Account, **client: Any) -> dict[str, str]:
    cognito = account.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="pool")["UserPool"]
    made = cognito.create_user_pool_client(
        UserPoolId=pool["Id"],
        ClientName="client",
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        CallbackURLs=[f"https://{NAME}/oauth2/idpresponse"],
        **client,
    )["UserPoolClient"]
    return {"UserPoolArn": pool["Arn"], "UserPoolClientId": made["ClientId"], "UserPoolDomain": f"auth.{NAME}"}


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("describe_load_balancers", {"Names": ["missing"]}, "LoadBalancerNotFound"),
        ("describe_target_groups", {"Names": ["missing"]}, "TargetGroupNotFound"),
        ("describe_listeners", {"LoadBalancerArn": "arn:missing"}, "LoadBalancerNotFound"),
        ("describe_rules", {"ListenerArn": "arn:missing"}, "ListenerNotFound"),
        ("delete_rule", {"RuleArn": "arn:missing"}, "RuleNotFound"),
    ],
)
def test_missing_things_are_not_found(account: Account, call: str, arguments: dict[str, Any], code: str) -> None:
    with refused(code):
        getattr(account.client("elbv2"), call)(**arguments)


def test_target_health_follows_the_target(stack: Stack) -> None:
    def target_health() -> dict[str, Any]:
        described = stack.elb.describe_target_health(TargetGroupArn=stack.group)["TargetHealthDescriptions"]
        return dict(described[0]["TargetHealth"])

    stack.elb.register_targets(TargetGroupArn=stack.group, Targets=[{"Id": "127.0.0.1", "Port": 1}])
    assert target_health()["State"] == "unused"
    create_rule(stack, 7, forward(stack))
    assert target_health()["State"] == "initial"
