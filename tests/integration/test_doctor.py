# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The doctor: each link of a deployed stack is broken in turn, named with its remedy, alone, and whole when mended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import breakages as broken
import pytest
import yaml
from breakages import EPHEMERAL, Case, Ground
from conftest import PARENT, LocalAws, PlaybookRun, run_playbook, running_local_aws
from in_process import Modules, Task
from stack import HOST, Stack

Fields = dict[str, Any]
DOMAIN = f"{HOST}.{PARENT}"
SERVICES = ("ecr.api", "ecr.dkr", "logs", "ssmmessages", "secretsmanager", "ssm")
CLIENT_443, CLIENT_80 = "client -> load balancer:443", "client -> load balancer:80"
COGNITO, TASKS = "load balancer -> Cognito:443", "load balancer -> tasks:3000"
SETTINGS, PAGES = "load balancer -> user pool client", "client -> login pages"
ENDPOINTS = {f"tasks -> {one}:443" for one in SERVICES}
S3 = "tasks -> s3:443"
BY, LOG_GROUP = f"role {HOST}-execution", f"log group /gatehouse/{HOST}"
IMAGE = f"{BY} -> image"

# What is done, the links that it breaks, and words of what the doctor says.
CASES: dict[str, tuple[Case, set[str], list[str]]] = {
    "delegation": (
        broken.with_record("NS", "{1}", "{0}", broken.other_servers),
        {f"zone {PARENT} -> zone {DOMAIN}"},
        ["NS record", "ns1.example.com"],
    ),
    "record": (
        broken.with_record("A", "{0}", "{0}", broken.elsewhere),
        {f"client -> name {DOMAIN}"},
        [f"A record {DOMAIN}", "alias of"],
    ),
    "https-group": (
        broken.without_rule("alb", "ingress", 443),
        {CLIENT_443},
        ["sg-", f"({HOST}-alb): no inbound rule lets TCP 443 in from 0.0.0.0/0", "add an inbound rule to sg-"],
    ),
    "http-group": (broken.without_rule("alb", "ingress", 80), {CLIENT_80}, ["no inbound rule lets TCP 80"]),
    "listener": (broken.listener_elsewhere, {CLIENT_80}, ["no listener at port 80"]),
    "public-route": (
        broken.without_default_route("public"),
        {CLIENT_443, CLIENT_80, COGNITO},
        ["route table rtb-", "no route to 0.0.0.0/0", "0.0.0.0/0 to igw-"],
    ),
    "gateway": (broken.without_gateway, {CLIENT_443, CLIENT_80, COGNITO}, ["no internet gateway attached"]),
    "acl-https": (
        broken.with_acl("public", {"egress": False, "ports": (443, 443)}),
        {CLIENT_443},
        ["network ACL acl-", "inbound rule 10 denies connections, TCP 443", "with a number below 10"],
    ),
    "acl-answers": (
        broken.with_acl("public", {"egress": True, "ports": EPHEMERAL}),
        {CLIENT_443, CLIENT_80},
        ["outbound rule 10 denies answers, TCP 1024-65535 to 0.0.0.0/0"],
    ),
    "certificate": (broken.other_certificate, {"client -> certificate"}, [f"covers other.{DOMAIN}, not {DOMAIN}"]),
    "login-group": (
        broken.without_rule("alb", "egress", 443),
        {COGNITO},
        [f"({HOST}-alb): no outbound rule lets TCP 443 out to 0.0.0.0/0"],
    ),
    "login-acl": (
        broken.with_acl("public", {"egress": True, "ports": (443, 443)}),
        {COGNITO},
        ["outbound rule 10 denies connections, TCP 443"],
    ),
    "login-rule": (broken.without_login_rule, {SETTINGS, PAGES}, ["no rule at port 443", "asks for a login"]),
    "callback": (
        broken.with_client(CallbackURLs=["https://other.example.com/"]),
        {SETTINGS},
        [f"lacks the callback URL https://{DOMAIN}/oauth2/idpresponse"],
    ),
    "scope": (broken.with_client(AllowedOAuthScopes=["email"]), {SETTINGS}, ["lacks the OAuth scope openid"]),
    "flow": (broken.with_client(AllowedOAuthFlows=["implicit"]), {SETTINGS}, ["lacks the OAuth flow code"]),
    "login-record": (
        broken.with_record("A", "{0}", "auth.{0}", broken.elsewhere),
        {PAGES},
        [f"A record auth.{DOMAIN}"],
    ),
    "branding": (broken.without_branding, {PAGES}, ["has no managed login style"]),
    "app-egress": (
        broken.without_rule("alb", "egress", 3000),
        {TASKS},
        [f"({HOST}-alb): no outbound rule lets TCP 3000 out to sg-"],
    ),
    "app-ingress": (
        broken.without_rule("service", "ingress", 3000),
        {TASKS},
        [f"({HOST}-service): no inbound rule lets TCP 3000 in from sg-"],
    ),
    "app-acl": (
        broken.with_acl("private", {"egress": False, "ports": (3000, 3000)}),
        {TASKS},
        ["inbound rule 10 denies connections, TCP 3000"],
    ),
    "app-answers": (
        broken.with_acl("public", {"egress": False, "ports": EPHEMERAL, "cidr": "10.0.0.0/16"}),
        {TASKS},
        ["inbound rule 10 denies answers, TCP 1024-65535 from 10.0."],
    ),
    "target": (
        broken.ill_target,
        {"load balancer -> healthy targets"},
        ["target 10.0.32.10:3000", "checked at /healthz expecting 200"],
    ),
    "dns": (broken.without_dns_names, {"tasks -> DNS"}, ["enableDnsHostnames of vpc-"]),
    "task-egress": (
        broken.without_rule("service", "egress", 443, "UserIdGroupPairs"),
        ENDPOINTS,
        [f"({HOST}-service): no outbound rule lets TCP 443 out to sg-"],
    ),
    "endpoint-ingress": (
        broken.without_rule("endpoints", "ingress", 443),
        ENDPOINTS,
        [f"({HOST}-endpoints): no inbound rule lets TCP 443 in from sg-"],
    ),
    "task-acl": (
        broken.with_acl("private", {"egress": True, "ports": (443, 443)}),
        {*ENDPOINTS, S3},
        ["outbound rule 10 denies connections, TCP 443"],
    ),
    "endpoint-missing": (broken.without_endpoint, {"tasks -> logs:443"}, ["has no endpoint for com.amazonaws."]),
    "endpoint-names": (
        broken.with_endpoint("ssm", PrivateDnsEnabled=False),
        {"tasks -> ssm:443"},
        ["has no private DNS", "enable private DNS of vpce-"],
    ),
    "endpoint-policy": (
        broken.with_endpoint("secretsmanager", PolicyDocument=broken.document({
            "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:ListSecrets", "Resource": "*",
        })),
        {"tasks -> secretsmanager:443"},
        ["the policy of endpoint vpce-", "does not allow secretsmanager:GetSecretValue"],
    ),
    "s3-table": (broken.s3_off_a_table, {S3}, ["is not on route table rtb-", "to vpce-"]),
    "s3-egress": (broken.without_rule("service", "egress", 443, "PrefixListIds"), {S3}, ["TCP 443 out to pl-"]),
    "s3-policy": (
        broken.with_endpoint("s3", PolicyDocument=broken.document({
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::mine/*",
        })),
        {S3},
        ["does not allow s3:GetObject on arn:aws:s3:::prod-ap-northeast-1-starport-layer-bucket"],
    ),
    "trust-service": (
        broken.with_trust("execution", Principal={"Service": "ec2.amazonaws.com"}),
        {f"ECS -> {BY}"},
        ["trust policy", "does not allow ecs-tasks.amazonaws.com"],
    ),
    "trust-condition": (
        broken.with_trust("task", Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}}),
        {f"ECS -> role {HOST}-task"},
        ["trust policy", "aws:SourceAccount 111122223333"],
    ),
    "pull-permission": (
        broken.without_permission("execution", "ecr:BatchGetImage"),
        {IMAGE},
        [f"role {HOST}-execution does not allow ecr:BatchGetImage", "let a policy of role"],
    ),
    "repository-policy": (broken.with_repository_policy, {IMAGE}, ["denies ecr:BatchGetImage", "remove the statement"]),
    "image": (broken.without_image, {IMAGE}, ["is not in the registry of account 111122223333"]),
    "log-denial": (
        broken.with_denial("logs:PutLogEvents"),
        {f"{BY} -> {LOG_GROUP}"},
        ["denies logs:PutLogEvents", f"from policy role_{HOST}-execution_denial"],
    ),
    "log-boundary": (
        broken.with_boundary,
        {f"{BY} -> {LOG_GROUP}"},
        ["permissions boundary arn:aws:iam::111122223333:policy/boundary", "does not allow logs:PutLogEvents"],
    ),
    "log-group": (broken.without_log_group, {f"{BY} -> {LOG_GROUP}"}, [f"{LOG_GROUP} does not exist"]),
    "exec-permission": (
        broken.without_permission("task", "ssmmessages:OpenDataChannel"),
        {f"role {HOST}-task -> ECS Exec"},
        ["does not allow ssmmessages:OpenDataChannel"],
    ),
    "secret-permission": (
        broken.without_permission("execution", "secretsmanager:GetSecretValue"),
        {f"{BY} -> secret TOKEN"},
        ["does not allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:"],
    ),
    "secret-policy": (broken.with_secret_policy, {f"{BY} -> secret TOKEN"}, ["denies secretsmanager:GetSecretValue"]),
    "secret-deleted": (broken.secret_going, {f"{BY} -> secret TOKEN"}, ["is scheduled for deletion"]),
    "key-permission": (
        broken.without_permission("execution", "kms:Decrypt"),
        {f"{BY} -> secret TOKEN"},
        ["does not allow kms:Decrypt on arn:aws:kms:"],
    ),
    "key-disabled": (broken.key_off, {f"{BY} -> secret TOKEN"}, ["is Disabled", "enable KMS key"]),
    "parameter-permission": (
        broken.without_permission("execution", "ssm:GetParameters"),
        {f"{BY} -> secret MODE"},
        ["does not allow ssm:GetParameters on arn:aws:ssm:"],
    ),
    "parameter": (broken.without_parameter, {f"{BY} -> secret MODE"}, ["parameter/app/mode does not exist"]),
}  # fmt: skip
# The layers of images come through the gateway endpoint of S3 there as well.
WITH_NAT = {"tasks -> ecr.api:443", "tasks -> ecr.dkr:443", "tasks -> logs:443"}
NAT_CASES: dict[str, tuple[Case, set[str], list[str]]] = {
    "nat-route": (broken.without_default_route("private"), WITH_NAT, ["no route to 0.0.0.0/0", "0.0.0.0/0 to nat-"]),
    "nat-gone": (broken.without_nat, WITH_NAT, ["replace the route 0.0.0.0/0 of rtb-"]),
    "nat-acl": (
        broken.with_acl("public", {"egress": False, "ports": EPHEMERAL}),
        {*WITH_NAT, TASKS},
        ["inbound rule 10 denies answers, TCP 1024-65535 from 0.0.0.0/0"],
    ),
}


READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


class Doctor:
    """A deployed stack, and what the doctor says of it."""

    def __init__(self, modules: Modules, name: str, **options: Any) -> None:
        self.ground = Ground(modules.client, name, f"{name}.{PARENT}")
        given = {"name": name, "domain": self.ground.domain, "parent_domain": PARENT}
        self._task = Task("stack_doctor_info", {**given, "region": "ap-northeast-1", **options})
        self._modules = modules

    def ill(self) -> list[Fields]:
        return [one for one in self._modules.run(self._task)["links"] if one["ok"] is not True]

    def check(self, case: tuple[Case, set[str], list[str]]) -> None:
        damage, links, words = case
        assert self.ill() == []
        with damage(self.ground):
            found = self.ill()
        said = " ".join(f"{one['broken_at']} {one['remedy']}" for one in found)
        assert {one["ok"] for one in found} == {False}, found
        assert {between(one) for one in found} == links, found
        assert [word for word in words if word not in said] == [], said
        assert self.ill() == []


def between(link: Fields) -> str:
    """Names a link; the digest of an image is another one in each run."""
    return f"{link['from']} -> {link['to'].partition(f' {HOST}@')[0]}"


@pytest.fixture(scope="module")
def own_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS that enforces policies."""
    with running_local_aws(tmp_path_factory.mktemp("own-aws"), LOCAL_AWS_DOCKER="false", AUTH="true") as running:
        yield running


def reader(aws: LocalAws, name: str, *denied: str) -> LocalAws:
    """The same account for a user who may only read, and not even everything."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=READ_ONLY)
    if denied:
        denial = broken.document({"Effect": "Deny", "Action": list(denied), "Resource": "*"})
        iam.put_user_policy(UserName=name, PolicyName="denial", PolicyDocument=denial)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return LocalAws({**aws.environment, **keys})


@pytest.fixture(scope="module")
def secrets(own_aws: LocalAws) -> dict[str, str]:
    key = own_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret = own_aws.client("secretsmanager").create_secret(Name="token", SecretString="x", KmsKeyId=key)["ARN"]
    own_aws.client("ssm").put_parameter(Name="/app/mode", Value="quick", Type="String")
    return {"key": key, "TOKEN": secret, "MODE": "arn:aws:ssm:ap-northeast-1:111122223333:parameter/app/mode"}


@pytest.fixture(scope="module")
def stack(own_aws: LocalAws, secrets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    found = Stack(tmp_path_factory.mktemp("stack"), own_aws)
    found.variables |= {
        "stack_exec": True,
        "cognito_auth_managed_login_version": 2,
        "network_endpoints_extra_services": ["secretsmanager", "ssm"],
        "ecs_service_secrets": {name: secrets[name] for name in ("TOKEN", "MODE")},
        "ecs_service_secrets_kms_key_arns": [secrets["key"]],
    }
    found.site()
    return found


@pytest.fixture(scope="module")
def modules(own_aws: LocalAws) -> Iterator[Modules]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Modules(own_aws, monkeypatch)


@pytest.fixture(scope="module")
def doctor(stack: Stack, modules: Modules) -> Doctor:
    del stack
    return Doctor(modules, HOST)


@pytest.fixture(scope="module")
def nat_doctor(own_aws: LocalAws, modules: Modules, tmp_path_factory: pytest.TempPathFactory) -> Doctor:
    """Of a stack without endpoints and without a login."""
    found = Stack(tmp_path_factory.mktemp("nat"), own_aws)
    found.variables |= {"stack_name": "open", "stack_domain": f"open.{PARENT}", "stack_nat": "single"}
    found.variables |= {"stack_login": False, "ecr_image_log_path": str(tmp_path_factory.mktemp("log") / "build.log")}
    del found.variables["stack_users"]
    found.site()
    return Doctor(modules, "open", nat=True, login=False)


@pytest.mark.parametrize("name", CASES)
def test_each_broken_link_is_named_alone_with_its_remedy(doctor: Doctor, name: str) -> None:
    doctor.check(CASES[name])


@pytest.mark.parametrize("name", NAT_CASES)
def test_each_broken_link_through_nat_is_named(nat_doctor: Doctor, name: str) -> None:
    nat_doctor.check(NAT_CASES[name])


def test_a_denial_of_one_port_is_taken_as_meant(doctor: Doctor) -> None:
    with broken.with_acl("public", {"egress": False, "ports": (3389, 3389)})(doctor.ground):
        assert doctor.ill() == []


def examine(stack: Stack, aws: LocalAws, **variables: Any) -> PlaybookRun:
    inventory = stack.plan_file.with_name("doctor.yml")
    hosts = {HOST: {**stack.variables, **variables}}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    return run_playbook(["gatehouse.fargate.doctor", "-i", str(inventory)], aws.environment)


def result(run: PlaybookRun, task: str) -> Fields:
    tasks = [one for play in run.report["plays"] for one in play["tasks"]]
    found: Fields = next(one["hosts"][HOST] for one in tasks if one["task"]["name"] == task)
    return found


def test_the_playbook_finds_all_well_with_a_credential_that_may_only_read(stack: Stack, own_aws: LocalAws) -> None:
    only_reading = reader(own_aws, "reader")
    own_aws.forget_calls()
    run = examine(stack, only_reading)
    assert run.status == 0, run.stderr
    assert result(run, "Tell what was found")["msg"]["summary"] == f"{HOST} has 26 links, all of them fine"
    assert own_aws.writes() == []
    assert run.changed() == 0


@pytest.mark.usefixtures("stack")
def test_what_the_caller_may_not_read_is_not_called_broken(own_aws: LocalAws) -> None:
    blind = reader(
        own_aws, "blind", "iam:SimulatePrincipalPolicy", "ec2:DescribeNetworkAcls", "acm:DescribeCertificate"
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = Doctor(Modules(blind, monkeypatch), HOST).ill()
    assert {one["ok"] for one in found} == {None}
    unknown = {between(one): f"{one['broken_at']} {one['remedy']}" for one in found}
    assert "iam:SimulatePrincipalPolicy" in unknown[f"{BY} -> {LOG_GROUP}"]
    assert "ec2:DescribeNetworkAcls" in unknown[TASKS]
    assert "acm:DescribeCertificate" in unknown["client -> certificate"]
    assert SETTINGS not in unknown


def test_the_playbook_fails_with_the_broken_links(stack: Stack, own_aws: LocalAws, doctor: Doctor) -> None:
    with broken.without_rule("service", "ingress", 3000)(doctor.ground):
        run = examine(stack, own_aws)
    assert run.status == 2
    told = result(run, "Tell what was found")["msg"]["broken"]
    assert list(told) == [TASKS]
    assert "add an inbound rule to sg-" in told[TASKS][0]["do"]
    assert TASKS in run.failure(HOST)


def test_a_stack_that_is_not_there_is_told_in_a_few_words(modules: Modules) -> None:
    nobody = Doctor(modules, "nobody")
    found = {between(one): one["broken_at"] for one in nobody.ill() if one["ok"] is False}
    assert found == {
        f"client -> name nobody.{PARENT}": f"there is no public zone nobody.{PARENT}",
        CLIENT_443: "there is no load balancer nobody",
        CLIENT_80: "there is no load balancer nobody",
        "ECS -> service nobody": "there is no service nobody",
    }
