# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules of the doctor on plain facts, for what the local AWS refuses to get into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor import entrance, oracle, permissions, reach
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.links import Link, judge, report
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.oracle import Answer, Oracle
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import Break
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import (
    BrokenError,
    Declared,
    NotCheckedError,
    State,
    Unread,
)
from botocore.exceptions import ClientError

Fields = dict[str, Any]
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/gatehouse/hello-execution"
DECLARED = Declared(
    "hello",
    "hello.example.com",
    "example.com",
    "eu-west-1",
    "aws",
    ACCOUNT,
    ("0.0.0.0/0",),
    ("0.0.0.0/0",),
    False,
    True,
)
GROUP = "arn:group"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/hello"


def container(**more: Any) -> Fields:
    base = {"name": "app", "image": f"{REPOSITORY}:1", "portMappings": [{"containerPort": 3000}]}
    return {**base, "linuxParameters": {"initProcessEnabled": True}, **more}


def balancer(*rules: Fields, **more: Any) -> Fields:
    listeners = [{"port": 443, "protocol": "HTTPS", "certificate_arn": "arn:c", "rules": list(rules)}]
    base = {"name": "hello", "status": "active", "scheme": "internet-facing", "ip_address_type": "ipv4"}
    return {**base, "subnet_ids": [], "security_group_ids": [], "listeners": listeners, **more}


def service(**more: Any) -> Fields:
    tie = {"target_group_arn": GROUP, "container_name": "app", "container_port": 3000}
    base = {"load_balancers": [tie], "desired_count": 1, "running_count": 1, "events": [], "subnets": []}
    return {**base, "security_groups": [], "enable_execute_command": True, **more}


def state(**facts: Any) -> State:
    task = {"executionRoleArn": ROLE, "taskRoleArn": ROLE, "containerDefinitions": [container()]}
    return State(DECLARED, {"balancer": balancer(), "service": service(), "task_definition": task, **facts})


def target_group(*targets: Fields, **more: Any) -> Fields:
    base = {"TargetGroupArn": GROUP, "TargetGroupName": "hello", "TargetType": "ip", "HealthCheckPath": "/healthz"}
    return {**base, "Matcher": {"HttpCode": "200"}, "health": list(targets), **more}


def target(status: str, reason: str = "", address: str = "10.0.0.9") -> Fields:
    return {"Target": {"Id": address, "Port": 3000}, "TargetHealth": {"State": status, "Reason": reason}}


def said(rule: Iterator[Break]) -> str:
    return " ".join(f"{one.broken_at} | {one.remedy}" for one in rule)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"status": "provisioning"}, "load balancer hello is provisioning"),
        ({"scheme": "internal"}, "is internal | AWS cannot change the scheme"),
        ({"ip_address_type": "dualstack-without-public-ipv4"}, "set the IP address type of hello to ipv4"),
    ],
)
def test_the_login_needs_a_load_balancer_with_public_addresses(changes: Fields, words: str) -> None:
    found = said(entrance.calls_login(state(balancer=balancer(**changes))))
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({"Status": "ISSUED", "DomainName": "hello.example.com"}, ""),
        ({"Status": "ISSUED", "DomainName": "x", "SubjectAlternativeNames": ["*.example.com"]}, ""),
        ({"Status": "PENDING_VALIDATION", "DomainName": "hello.example.com"}, "is PENDING_VALIDATION | publish"),
        ({"Status": "EXPIRED", "DomainName": "hello.example.com"}, "is EXPIRED"),
        ({"Status": "ISSUED", "DomainName": "*.com"}, "covers *.com, not hello.example.com"),
    ],
)
def test_the_certificate_is_issued_and_for_the_domain(certificate: Fields, words: str) -> None:
    found = said(entrance.certified(state(certificate=certificate)))
    assert words in found
    assert bool(found) is bool(words)


def login_facts(**domain: Any) -> Fields:
    action = {
        "type": "authenticate_cognito",
        "user_pool_arn": "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/pool",
        "user_pool_client_id": "c1",
        "user_pool_domain": "hello-prefix",
        "scope": "openid",
    }
    held = {"UserPoolId": "pool", "Status": "ACTIVE", "ManagedLoginVersion": 2, **domain}
    return {"balancer": balancer({"actions": [action]}), "login_domain": held, "branding": True}


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({}, ""),
        ({"Status": "CREATING"}, "domain hello-prefix is CREATING | wait until it is ACTIVE"),
        ({"UserPoolId": "other"}, "domain hello-prefix belongs to user pool other, not pool"),
    ],
)
def test_the_login_pages_have_a_domain_of_the_pool(domain: Fields, words: str) -> None:
    found = said(entrance.login_pages(state(**login_facts(**domain))))
    assert words in found
    assert bool(found) is bool(words)


def test_an_app_client_without_a_secret_cannot_be_mended() -> None:
    client = {
        "ClientId": "c1",
        "CallbackURLs": ["https://hello.example.com/oauth2/idpresponse"],
        "AllowedOAuthScopes": ["openid"],
        "AllowedOAuthFlows": ["code"],
    }
    found = said(entrance.login_settings(state(**login_facts(), user_pool={"Id": "pool"}, app_client=client)))
    assert "has its OAuth flows switched off" in found
    assert "has no secret, which load balancers need | AWS cannot add one: delete app client c1 of pool" in found


FORWARD = {"actions": [{"type": "forward", "target_group_arn": GROUP}]}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, ""),
        ({"balancer": balancer()}, "no rule at port 443 of load balancer hello forwards to arn:group"),
        ({"target_groups": [target_group(TargetType="instance")]}, "has targets of type instance"),
        (
            {"task_definition": {"containerDefinitions": [container(portMappings=[{"containerPort": 8080}])]}},
            "the service registers port 3000, which container app does not open",
        ),
    ],
)
def test_listener_target_group_and_container_fit(facts: Fields, words: str) -> None:
    whole = {"balancer": balancer(FORWARD), "target_groups": [target_group()], **facts}
    found = said(reach.forwards(state(**whole)))
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize(
    ("weights", "said_of_health", "said_of_rules"),
    [
        ({GROUP: 0, "arn:green": 100}, "", ""),
        ({GROUP: 100, "arn:green": 0}, "Target.Timeout", ""),
        ({GROUP: 0, "arn:green": 0}, "", "no rule at port 443"),
    ],
)
def test_of_two_target_groups_the_one_with_the_traffic_is_judged(
    weights: dict[str, int], said_of_health: str, said_of_rules: str
) -> None:
    ill, well = target("unhealthy", "Target.Timeout"), target("healthy", address="10.0.0.8")
    tie = {**service()["load_balancers"][0], "advanced_configuration": {"alternate_target_group_arn": "arn:green"}}
    groups = [target_group(ill), target_group(well, TargetGroupArn="arn:green")]
    rule = {"actions": [{"type": "forward", "weights": weights}]}
    facts = {"balancer": balancer(rule), "service": service(load_balancers=[tie]), "target_groups": groups}
    rules = said(reach.forwards(state(**facts, stopped="")))
    assert said_of_rules in rules
    assert bool(rules) is bool(said_of_rules)
    if not rules:
        assert ("10.0.0.9" in said(reach.healthy(state(**facts, stopped="")))) is bool(said_of_health)


@pytest.mark.parametrize(
    ("targets", "more", "words"),
    [
        ([target("healthy")], {}, ""),
        ([target("healthy"), target("draining")], {}, ""),
        ([target("healthy"), target("unhealthy", "Target.Timeout")], {}, "let the app listen at that port"),
        ([target("unhealthy", "Target.ResponseCodeMismatch")], {}, "checked at /healthz expecting 200"),
        ([target("unhealthy", "Target.ResponseCodeMismatch")], {}, "alb_https_health_check_path"),
        ([], {"running_count": 0, "events": ["unable to place"]}, "0 of 1 tasks run: unable to place"),
    ],
)
def test_targets_are_healthy_or_tell_why_not(targets: list[Fields], more: Fields, words: str) -> None:
    found = said(reach.healthy(state(service=service(**more), target_groups=[target_group(*targets)], stopped="")))
    assert words in found
    assert bool(found) is bool(words)


def test_targets_that_were_never_checked_are_not_judged() -> None:
    with pytest.raises(NotCheckedError, match="first health checks"):
        list(reach.healthy(state(target_groups=[target_group(target("initial"))])))


class Simulator:
    """Answers as IAM's simulator, with recorded decisions."""

    def __init__(self, decide: Callable[[Fields], Fields]) -> None:
        self.asked: list[Fields] = []
        self._decide = decide

    def get_paginator(self, operation: str) -> Simulator:
        self.asked.append({"operation": operation})
        return self

    def paginate(self, **request: Any) -> list[Fields]:
        self.asked[-1] |= request
        results = [{"EvalActionName": action, **self._decide(request)} for action in request["ActionNames"]]
        return [{"EvaluationResults": results}]


def decision(word: str, **more: Any) -> Fields:
    return {"EvalDecision": word, **more}


SHELL = permissions.Need("ssmmessages", ROLE, ("ssmmessages:OpenDataChannel",), "*")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (decision("allowed"), ""),
        (decision("implicitDeny"), "let a policy of role hello-execution allow ssmmessages:OpenDataChannel on *"),
        (
            decision("explicitDeny", MatchedStatements=[{"SourcePolicyId": "guard"}]),
            "policy guard denies ssmmessages:OpenDataChannel on * | remove the statement",
        ),
        (
            decision("implicitDeny", PermissionsBoundaryDecisionDetail={"AllowedByPermissionsBoundary": False}),
            "permissions boundary arn:b of role hello-execution does not allow",
        ),
        (
            decision("implicitDeny", OrganizationsDecisionDetail={"AllowedByOrganizations": False}),
            "a service control policy of the organization does not allow",
        ),
        (
            decision("allowed", ResourceSpecificResults=[{"EvalResourceDecision": "implicitDeny"}]),
            "role hello-execution does not allow",
        ),
    ],
)
def test_what_denies_a_permission_is_named(result: Fields, words: str) -> None:
    role = {ROLE: {"PermissionsBoundary": {"PermissionsBoundaryArn": "arn:b"}}}
    found = said(permissions.permitted(state(**role), Oracle(Simulator(lambda _request: result)), SHELL))
    assert words in found
    assert bool(found) is bool(words)


def test_a_condition_that_only_a_request_knows_is_not_judged() -> None:
    result = decision("implicitDeny", ResourceSpecificResults=[{"MissingContextValues": ["aws:SourceVpce"]}])
    with pytest.raises(NotCheckedError, match="aws:SourceVpce"):
        list(permissions.permitted(state(**{ROLE: {"Arn": ROLE}}), Oracle(Simulator(lambda _request: result)), SHELL))


def test_a_caller_who_may_not_simulate_learns_what_to_allow() -> None:
    def refuse(_request: Fields) -> Fields:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy")

    facts = state(**{ROLE: {"Arn": ROLE}})
    link = Link("a", "b", lambda: permissions.permitted(facts, Oracle(Simulator(refuse)), SHELL))
    (verdict,) = judge([link])
    assert verdict["ok"] is None
    assert verdict["remedy"] == "allow your credential iam:SimulatePrincipalPolicy"


ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize(
    ("principal", "effect", "delegated", "asked"),
    [
        ("*", "Allow", False, True),
        ({"AWS": "*"}, "Allow", False, True),
        ({"AWS": [ROLE, "other"]}, "Allow", False, True),
        ({"AWS": ROOT}, "Allow", False, False),
        ({"AWS": ROOT}, "Allow", True, True),
        ({"AWS": ROOT}, "Deny", False, True),
        ({"AWS": "other"}, "Deny", True, False),
        ({"Service": "ecs.amazonaws.com"}, "Allow", True, False),
    ],
)
def test_statements_about_somebody_else_are_left_out(principal: Any, effect: str, delegated: bool, asked: bool) -> None:
    statement = {"Effect": effect, "Principal": principal, "Action": "ecr:*"}
    simulator = Simulator(lambda _request: decision("allowed"))
    who = permissions.who_is(state(), ROLE, delegated=delegated)
    found = Oracle(simulator).document({"Statement": statement}, who, ["ecr:BatchGetImage"], "arn:r")
    assert found == [Answer("ecr:BatchGetImage", "allowed" if asked else "implicitDeny")]
    if asked:
        (request,) = simulator.asked
        assert '"Principal"' not in request["PolicyInputList"][0]
        assert '"Resource": "*"' in request["PolicyInputList"][0]


def test_not_principal_is_not_judged() -> None:
    who = permissions.who_is(state(), ROLE)
    with pytest.raises(NotCheckedError, match="NotPrincipal"):
        oracle.naming({"Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "*"}]}, who)


def test_another_account_has_to_allow_the_pull_as_well() -> None:
    image = f"{REPOSITORY.replace(ACCOUNT, '444455556666')}:1"
    there = state(task_definition={"executionRoleArn": ROLE, "containerDefinitions": [container(image=image)]})
    facts = {**there.facts, ROLE: {"Arn": ROLE}, "image hello:1": {"imageDigest": "x"}, "repository hello:1": ""}
    abroad = State(DECLARED, facts)
    found = said(permissions.pulls(abroad, Oracle(Simulator(lambda _request: decision("allowed"))), abroad.images[0]))
    assert f"does not allow ecr:BatchGetImage to account {ACCOUNT}" in found
    assert (
        f"let the policy of arn:aws:ecr:eu-west-1:444455556666:repository/hello allow ecr:BatchGetImage to {ROLE}"
        in found
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"readonlyRootFilesystem": True}, "read-only root file system, which ECS Exec cannot work with"),
        ({"linuxParameters": {}}, "container app runs no init process"),
    ],
)
def test_ecs_exec_conflicts_are_named(changes: Fields, words: str) -> None:
    task = {"executionRoleArn": ROLE, "taskRoleArn": ROLE, "containerDefinitions": [container(**changes)]}
    facts = state(task_definition=task, **{ROLE: {"Arn": ROLE}})
    found = said(permissions.shell(facts, Oracle(Simulator(lambda _request: decision("allowed")))))
    assert words in found
    assert bool(found) is bool(words)


def test_ecs_exec_needs_a_task_role() -> None:
    facts = state(task_definition={"executionRoleArn": ROLE, "containerDefinitions": [container()]})
    with pytest.raises(BrokenError, match="no task role"):
        list(permissions.shell(facts, Oracle(Simulator(lambda _request: decision("allowed")))))


def test_what_may_not_be_read_is_not_judged() -> None:
    facts = state(certificate=Unread("AWS refuses: not authorized to perform acm:DescribeCertificate"))
    (verdict,) = judge([Link("client", "certificate", lambda: entrance.certified(facts))])
    assert verdict["ok"] is None
    assert "acm:DescribeCertificate" in verdict["broken_at"]


def test_a_cause_is_told_once_and_every_cause_is_told() -> None:
    def twice() -> Iterator[Break]:
        yield Break("in subnet-a", "mend rtb-1")
        yield Break("in subnet-b", "mend rtb-1")
        raise BrokenError("there is no endpoint", "create it")

    found = judge([Link("tasks", "logs", twice)])
    assert [(one["ok"], one["broken_at"], one["remedy"]) for one in found] == [
        (False, "in subnet-a", "mend rtb-1"),
        (False, "there is no endpoint", "create it"),
    ]


def test_the_block_has_the_ill_in_full_and_the_healthy_in_short() -> None:
    verdicts = judge([
        Link("client", "name", lambda: iter(())),
        Link("client", "port", lambda: iter(())),
        Link("tasks", "logs", lambda: iter([Break("sg-1", "add a rule")])),
    ])  # fmt: skip
    unknown = {"from": "ECS", "to": "role", "ok": None, "broken_at": "AWS refuses", "remedy": "allow it"}
    assert report("hello", [*verdicts, unknown]) == {
        "broken": {"tasks -> logs": [{"at": "sg-1", "do": "add a rule"}]},
        "not checked": {"ECS -> role": "AWS refuses; allow it"},
        "ok": {"client": "name, port"},
        "summary": "hello has 4 links, 1 broken, 1 not checked",
    }
