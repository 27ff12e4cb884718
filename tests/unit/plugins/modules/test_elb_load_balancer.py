# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2 import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.shared_traffic import as_left
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.transformations import (
    ATTRIBUTES,
    actions_from_api,
    actions_to_api,
    attributes_from_api,
    attributes_to_api,
    conditions_from_api,
    conditions_to_api,
    normal_action,
    normal_conditions,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import elb_load_balancer as subject
from botocore.stub import ANY, Stubber

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/hello/50dc6c495c0c9188"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/hello/6d0ecf831eec9f09"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0f8b4a4c-7b77-4a55-9d4c-3f7e0e4f2a11"
POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"
TAGS = {"gatehouse:stack": "hello"}
FORWARD = {"type": "forward", "target_group_arn": GROUP}
LOGIN = {
    "type": "authenticate_cognito",
    "user_pool_arn": POOL,
    "user_pool_client_id": "client",
    "user_pool_domain": "auth.hello.example.com",
}
TOKEN = {
    "type": "jwt_validation",
    "jwks_endpoint": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc/.well-known/jwks.json",
    "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc",
}
LISTENERS: list[dict[str, Any]] = [
    {
        "port": 80,
        "protocol": "HTTP",
        "default_actions": [{"type": "redirect", "protocol": "HTTPS", "port": "443"}],
    },
    {
        "port": 443,
        "protocol": "HTTPS",
        "certificate_arn": CERTIFICATE,
        "default_actions": [{"type": "fixed_response"}],
        "rules": [
            {"priority": 50, "path_patterns": ["/healthz"], "actions": [FORWARD]},
            {"priority": 100, "path_patterns": ["/*"], "actions": [LOGIN, FORWARD]},
        ],
    },
]


def params(**more: Any) -> dict[str, Any]:
    given = {
        "name": "hello",
        "subnet_ids": ["subnet-b", "subnet-a"],
        "security_group_ids": ["sg-1"],
        "access_logs": {"bucket": "logs"},
        "listeners": LISTENERS,
        "tags": TAGS,
        **more,
    }
    # As they reach a module: through JSON, no part shared with another.
    validated = ArgumentSpecValidator(subject.ARGUMENT_SPEC).validate(json.loads(json.dumps(given)))
    assert validated.error_messages == []
    found: dict[str, Any] = validated.validated_parameters
    return found


def converged() -> dict[str, Any]:
    """The load balancer as AWS describes it once the plan for an empty account is carried out."""
    current: dict[str, Any] = deepcopy(subject.plan({}, params()).result)
    current.update(arn=ARN, dns_name="hello-1.elb.amazonaws.com", hosted_zone_id="Z1", vpc_id="vpc-1", status="active")
    for listener in current["listeners"]:
        listener["arn"] = f"listener-{listener['port']}"
        for rule in listener["rules"]:
            rule["arn"] = f"rule-{rule['priority']}"
    return current


def shown(planned: Any) -> list[tuple[str, str, str]]:
    return [(change.action.value, change.resource, change.name) for change in planned.changes]


def test_an_empty_account_gets_everything() -> None:
    planned = subject.plan({}, params(subnet_ids=[KNOWN_AFTER_APPLY]))
    assert shown(planned) == [
        ("create", "elb_load_balancer", "hello"),
        ("create", "elb_listener", "hello:80"),
        ("create", "elb_listener", "hello:443"),
        ("create", "elb_listener_rule", "hello:443/50"),
        ("create", "elb_listener_rule", "hello:443/100"),
    ]
    assert planned.result["dns_name"] == KNOWN_AFTER_APPLY


def test_a_converged_load_balancer_is_left_alone() -> None:
    assert subject.plan(converged(), params()).changes == ()


@pytest.mark.parametrize(
    ("field", "drifted"),
    [
        *(
            (name, "drifted" if isinstance(default, str) else not default)
            for name, (_key, default) in ATTRIBUTES.items()
        ),
        ("ip_address_type", "dualstack"),
        ("subnet_ids", ["subnet-a", "subnet-c"]),
        ("security_group_ids", ["sg-1", "sg-2"]),
        ("access_logs", {}),
        ("access_logs", {"bucket": "logs", "prefix": "stray"}),
        ("connection_logs", {"bucket": "logs", "prefix": ""}),
        ("tags", {}),
        ("tags", {**TAGS, "stray": "1"}),
    ],
)
def test_drift_of_the_load_balancer(field: str, drifted: Any) -> None:
    current = converged()
    if field == "drop_invalid_header_fields":
        drifted = False
    wanted = current[field]
    (change,) = subject.plan({**current, field: drifted}, params()).changes
    assert (change.resource, change.before, change.after) == ("elb_load_balancer", {field: drifted}, {field: wanted})


@pytest.mark.parametrize(
    ("port", "field", "drifted"),
    [
        (80, "default_actions", [normal_action(FORWARD)]),
        (443, "protocol", "HTTP"),
        (443, "certificate_arn", "other"),
        (443, "ssl_policy", "ELBSecurityPolicy-2016-08"),
        (443, "default_actions", [normal_action({"type": "fixed_response", "message_body": "hi"})]),
        (80, "tags", {}),
    ],
)
def test_drift_of_a_listener(port: int, field: str, drifted: Any) -> None:
    current = converged()
    listener = next(one for one in current["listeners"] if one["port"] == port)
    wanted, listener[field] = listener[field], drifted
    (change,) = subject.plan(current, params()).changes
    assert (change.resource, change.name) == ("elb_listener", f"hello:{port}")
    assert (change.before, change.after) == ({field: drifted}, {field: wanted})


@pytest.mark.parametrize(
    ("field", "drifted", "after"),
    [
        ("conditions", {"path_patterns": ["/x"]}, {"conditions": {"path_patterns": ["/*"]}}),
        (
            "conditions",
            {"path_patterns": ["/*"], "source_ips": ["10.0.0.0/8"]},
            {"conditions": {"path_patterns": ["/*"]}},
        ),
        ("actions", [FORWARD], {"actions": [normal_action(LOGIN), FORWARD]}),
        ("priority", 7, {"priority": 100}),
        ("transforms", [{"Type": "url-rewrite"}], {"transforms": []}),
        ("tags", {}, {"tags": TAGS}),
    ],
)
def test_drift_of_a_rule(field: str, drifted: Any, after: dict[str, Any]) -> None:
    current = converged()
    current["listeners"][1]["rules"][1][field] = drifted
    (change,) = subject.plan(current, params()).changes
    assert (change.action.value, change.name, change.after) == ("update", "hello:443/100", after)


def test_what_was_deleted_comes_back() -> None:
    current = converged()
    del current["listeners"][0], current["listeners"][0]["rules"][0]
    assert shown(subject.plan(current, params())) == [
        ("create", "elb_listener", "hello:80"),
        ("create", "elb_listener_rule", "hello:443/50"),
    ]


@pytest.mark.parametrize("purge", [True, False])
def test_what_was_added_goes_when_purging(purge: bool) -> None:
    current = converged()
    stray = {
        **current["listeners"][1]["rules"][0],
        "arn": "rule-3",
        "priority": 3,
        "conditions": {"path_patterns": ["/q"]},
    }
    current["listeners"][1]["rules"].insert(0, stray)
    current["listeners"].append({**current["listeners"][0], "arn": "listener-8080", "port": 8080})
    planned = subject.plan(current, params(purge_listeners=purge, purge_rules=purge))
    expected = [("delete", "elb_listener_rule", "hello:443/3"), ("delete", "elb_listener", "hello:8080")]
    assert shown(planned) == (expected if purge else [])
    assert len(planned.result["listeners"]) == (2 if purge else 3)


def test_listeners_left_out_are_not_managed() -> None:
    assert subject.plan(converged(), params(listeners=None)).changes == ()
    assert len(subject.plan(converged(), params(listeners=[])).changes) == 2


@pytest.mark.parametrize(
    ("listeners", "message"),
    [
        ([LISTENERS[0], LISTENERS[0]], "port of the listeners of hello is given more than once: 80"),
        ([{**LISTENERS[0], "default_actions": [LOGIN, FORWARD]}], "protocol HTTPS only"),
        ([{**LISTENERS[0], "default_actions": [FORWARD, FORWARD]}], "as the last"),
        ([{**LISTENERS[1], "default_actions": [LOGIN]}], "as the last"),
        ([{**LISTENERS[1], "default_actions": [TOKEN]}], "as the last"),
        ([{**LISTENERS[0], "default_actions": [TOKEN, FORWARD]}], "protocol HTTPS only"),
        ([{**LISTENERS[1], "rules": [{"priority": 1, "actions": [FORWARD]}]}], "has 0 values"),
        (
            [{**LISTENERS[1], "rules": [{"priority": 1, "path_patterns": list("abcdef"), "actions": [FORWARD]}]}],
            "has 6 values",
        ),
        (
            [{**LISTENERS[1], "rules": [{"priority": 50001, "path_patterns": ["/"], "actions": [FORWARD]}]}],
            "AWS takes 1 to 50000",
        ),
    ],
)
def test_listeners_that_aws_refuses(listeners: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, params(listeners=listeners))


def test_the_scheme_cannot_change() -> None:
    with pytest.raises(PlanRefusedError, match="scheme of load balancer hello is internet-facing"):
        subject.plan(converged(), params(scheme="internal"))


def test_a_protected_load_balancer_is_deleted_by_force_only() -> None:
    protected = {**converged(), "deletion_protection": True}
    with pytest.raises(PlanRefusedError, match="deletion_protection of load balancer hello is on"):
        subject.plan(protected, params(state="absent"))
    assert shown(subject.plan(protected, params(state="absent", force=True))) == [
        ("delete", "elb_load_balancer", "hello")
    ]


API_LOGIN = {
    "Type": "authenticate-cognito",
    "Order": 1,
    "AuthenticateCognitoConfig": {
        "UserPoolArn": POOL,
        "UserPoolClientId": "client",
        "UserPoolDomain": "auth.hello.example.com",
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "Scope": "openid",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
    },
}
ONE_GROUP = {
    "TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 1}],
    "TargetGroupStickinessConfig": {"Enabled": False},
}


@pytest.mark.parametrize(
    "answered",
    [
        [{"Type": "forward", "TargetGroupArn": GROUP}],
        [{"Type": "forward", "TargetGroupArn": GROUP, "Order": 1, "ForwardConfig": ONE_GROUP}],
        [{"Type": "forward", "ForwardConfig": ONE_GROUP}],
    ],
)
def test_every_spelling_of_a_plain_forward_is_the_same(answered: list[dict[str, Any]]) -> None:
    assert actions_from_api(answered) == [FORWARD]


GREEN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/hello-alternate/7d0ecf831eec9f10"
FOREIGN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/foreign/8d0ecf831eec9f11"
ONLY_GREEN = {**FORWARD, "target_group_arn": GREEN}
SHARED = {**FORWARD, "alternate_target_group_arn": GREEN}
RETIRING = {**FORWARD, "retiring_target_group": "hello-alternate"}


STICKY = {
    "type": "forward",
    "other": {
        "TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 0}, {"TargetGroupArn": GREEN, "Weight": 9}],
        "TargetGroupStickinessConfig": {"Enabled": True},
    },
}


def weighted(**weights: int) -> dict[str, Any]:
    groups = {"blue": GROUP, "green": GREEN, "foreign": FOREIGN}
    return {"type": "forward", "weights": {groups[name]: weight for name, weight in weights.items()}}


def test_weights_are_read_and_written() -> None:
    groups = [{"TargetGroupArn": GROUP, "Weight": 0}, {"TargetGroupArn": GREEN, "Weight": 100}]
    answered = {"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": groups}}
    assert actions_from_api([answered]) == [weighted(blue=0, green=100)]
    assert actions_to_api([weighted(blue=0, green=100)]) == [answered]


def test_a_forward_that_sticks_to_a_group_is_a_difference() -> None:
    groups = [{"TargetGroupArn": GROUP, "Weight": 1}, {"TargetGroupArn": GREEN, "Weight": 9}]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
    assert actions_from_api([{"Type": "forward", "ForwardConfig": config}]) == [{"type": "forward", "other": config}]


@pytest.mark.parametrize(
    ("held", "declared", "kept"),
    [
        pytest.param(None, SHARED, weighted(blue=100, green=0), id="a new rule"),
        pytest.param(FORWARD, SHARED, weighted(blue=100, green=0), id="rolling until now"),
        pytest.param(ONLY_GREEN, SHARED, weighted(blue=0, green=100), id="the other one"),
        pytest.param(weighted(blue=0, green=100), SHARED, weighted(blue=0, green=100), id="after a deployment"),
        pytest.param(weighted(blue=95, green=5), SHARED, weighted(blue=95, green=5), id="during a canary"),
        pytest.param(weighted(blue=0, green=0), SHARED, weighted(blue=100, green=0), id="nobody gets any"),
        pytest.param(weighted(blue=0, green=9, foreign=1), SHARED, weighted(blue=0, green=9), id="foreign besides"),
        pytest.param(weighted(green=9, foreign=1), SHARED, weighted(blue=0, green=9), id="foreign instead"),
        pytest.param({"type": "forward", "other": {}}, SHARED, weighted(blue=100, green=0), id="unreadable"),
        pytest.param(STICKY, SHARED, weighted(blue=0, green=9), id="sticky until now"),
        pytest.param(weighted(blue=0, green=100), FORWARD, FORWARD, id="one group alone"),
        pytest.param(weighted(blue=0, green=100), RETIRING, weighted(blue=0, green=100), id="retiring"),
        pytest.param(weighted(blue=100, green=0), RETIRING, weighted(blue=100, green=0), id="retiring, idle"),
        pytest.param(ONLY_GREEN, RETIRING, ONLY_GREEN, id="retiring alone"),
        pytest.param(weighted(blue=1, foreign=1), RETIRING, FORWARD, id="retiring, but foreign"),
        pytest.param(FORWARD, RETIRING, FORWARD, id="retired"),
        pytest.param(None, RETIRING, FORWARD, id="never there"),
    ],
)  # fmt: skip
def test_weights_stay_as_who_deploys_left_them(
    held: dict[str, Any] | None, declared: dict[str, Any], kept: dict[str, Any]
) -> None:
    login = normal_action(LOGIN)
    assert as_left([login, normal_action(declared)], [login, held] if held else []) == [login, kept]


def test_a_rule_whose_weights_moved_is_kept_and_one_that_lost_its_login_is_not() -> None:
    app = {**LISTENERS[1]["rules"][1], "actions": [LOGIN, SHARED]}
    wanted = params(listeners=[LISTENERS[0], {**LISTENERS[1], "rules": [LISTENERS[1]["rules"][0], app]}])
    moved, current = [normal_action(LOGIN), weighted(blue=5, green=95)], converged()
    rule = current["listeners"][1]["rules"][1]
    rule["actions"] = moved
    assert subject.plan(current, wanted).changes == ()
    rule["actions"] = moved[1:]
    (change,) = subject.plan(current, wanted).changes
    assert (change.name, change.after) == ("hello:443/100", {"actions": moved})


def test_defaults_of_the_login_are_no_difference() -> None:
    forward = {"Type": "forward", "Order": 2, "TargetGroupArn": GROUP}
    assert actions_from_api([forward, API_LOGIN]) == [normal_action(LOGIN), FORWARD]
    assert actions_to_api([normal_action(LOGIN), FORWARD]) == [API_LOGIN, forward]


API_TOKEN = {
    "Type": "jwt-validation",
    "Order": 1,
    "JwtValidationConfig": {"JwksEndpoint": TOKEN["jwks_endpoint"], "Issuer": TOKEN["issuer"]},
}


def test_a_token_without_more_claims_is_no_difference() -> None:
    assert actions_from_api([API_TOKEN]) == [normal_action(TOKEN)]
    assert actions_to_api([normal_action(TOKEN)]) == [API_TOKEN]


def test_claims_of_a_token_survive_the_round_trip_in_any_order() -> None:
    scope = {"name": "scope", "format": "space_separated_values", "values": ["b", "a"]}
    use = {"name": "token_use", "format": "single_string", "values": ["access"]}
    wanted = normal_action({**TOKEN, "additional_claims": [use, scope]})
    assert wanted == normal_action({**TOKEN, "additional_claims": [{**scope, "values": ["a", "b"]}, use]})
    (sent,) = actions_to_api([wanted])
    assert sent["JwtValidationConfig"]["AdditionalClaims"][0] == {
        "Name": "scope",
        "Format": "space-separated-values",
        "Values": ["a", "b"],
    }
    assert actions_from_api([sent]) == [wanted]


def test_a_token_rule_satisfies_the_api(elbv2: Any) -> None:
    claims = [{"name": "scope", "format": "string_array", "values": ["a"]}]
    action = normal_action({**TOKEN, "additional_claims": claims})
    rule = {"priority": 1, "conditions": {"path_patterns": ["/machine/*"]}, "actions": [action, FORWARD], "tags": {}}
    with Stubber(elbv2) as stubber:
        stubber.add_response("create_rule", {})
        api.create_rule(elbv2, "l", rule)
        stubber.assert_no_pending_responses()


CONDITIONS: list[dict[str, Any]] = [
    {"path_patterns": ["/a", "/b"]},
    {"host_headers": ["x.example.com"], "http_methods": ["GET"], "source_ips": ["10.0.0.0/8"]},
    {"http_headers": [{"name": "A", "values": ["1"]}, {"name": "B", "values": ["2", "3"]}]},
    {"query_strings": [{"key": "", "value": "v"}, {"key": "k", "value": "w"}]},
]


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_conditions_survive_the_round_trip(conditions: dict[str, Any]) -> None:
    assert conditions_from_api(conditions_to_api(normal_conditions(conditions))) == conditions


def test_conditions_in_the_old_spelling_are_the_same() -> None:
    assert conditions_from_api([{"Field": "path-pattern", "Values": ["/b", "/a"]}]) == {"path_patterns": ["/a", "/b"]}


def test_a_regular_expression_is_a_difference() -> None:
    foreign = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a"]}, "RegexValues": ["^/a"]}
    assert conditions_from_api([foreign]) == {"other": [foreign]}


def test_attributes_survive_the_round_trip() -> None:
    fields = {**attributes_from_api({}), "idle_timeout": 90, "access_logs": {"bucket": "b", "prefix": "p"}}
    texts = {key: str(value).lower() for key, value in attributes_to_api(fields).items()}
    assert attributes_from_api(texts) == fields


@pytest.fixture
def elbv2() -> Any:
    return boto3.client("elbv2", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_creation_satisfies_the_api(elbv2: Any) -> None:
    with Stubber(elbv2) as stubber:
        stubber.add_response("create_load_balancer", {"LoadBalancers": [{"LoadBalancerArn": ARN}]})
        stubber.add_response("modify_load_balancer_attributes", {}, {"LoadBalancerArn": ARN, "Attributes": ANY})
        stubber.add_response("create_listener", {"Listeners": [{"ListenerArn": "listener-80"}]})
        stubber.add_response("create_listener", {"Listeners": [{"ListenerArn": "listener-443"}]})
        for priority in (50, 100):
            expected = {
                "ListenerArn": "listener-443",
                "Priority": priority,
                "Conditions": ANY,
                "Actions": ANY,
                "Tags": ANY,
            }
            stubber.add_response("create_rule", {}, expected)
        subject.apply(elbv2, params(), subject.plan({}, params()))
        stubber.assert_no_pending_responses()


def test_every_condition_satisfies_the_api(elbv2: Any) -> None:
    with Stubber(elbv2) as stubber:
        for conditions in CONDITIONS:
            stubber.add_response("create_rule", {})
            api.create_rule(elbv2, "l", {"priority": 1, "conditions": conditions, "actions": [FORWARD], "tags": {}})


@pytest.mark.parametrize(
    ("drift", "methods"),
    [
        ({"idle_timeout": 90}, ["modify_load_balancer_attributes"]),
        ({"ip_address_type": "dualstack"}, ["set_ip_address_type"]),
        ({"security_group_ids": []}, ["set_security_groups"]),
        ({"subnet_ids": []}, ["set_subnets"]),
        ({"tags": {"stray": "1"}}, ["remove_tags", "add_tags"]),
    ],
)
def test_one_difference_makes_one_request(elbv2: Any, drift: dict[str, Any], methods: list[str]) -> None:
    with Stubber(elbv2) as stubber:
        for method in methods:
            stubber.add_response(method, {})
        subject.apply(elbv2, params(), subject.plan({**converged(), **drift}, params()))
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("field", "drifted", "method", "request_fields"),
    [
        ("priority", 7, "set_rule_priorities", {"RulePriorities": [{"RuleArn": "rule-100", "Priority": 100}]}),
        ("conditions", {}, "modify_rule", {"RuleArn": "rule-100", "Conditions": ANY}),
        ("actions", [], "modify_rule", {"RuleArn": "rule-100", "Actions": [API_LOGIN, ANY]}),
        ("transforms", [{}], "modify_rule", {"RuleArn": "rule-100", "ResetTransforms": True}),
    ],
)
def test_a_rule_is_changed_in_place(elbv2: Any, field: str, drifted: Any, method: str, request_fields: Any) -> None:
    current = converged()
    current["listeners"][1]["rules"][1][field] = drifted
    with Stubber(elbv2) as stubber:
        stubber.add_response(method, {}, request_fields)
        subject.apply(elbv2, params(), subject.plan(current, params()))
        stubber.assert_no_pending_responses()


def test_deletion_lifts_the_protection_first(elbv2: Any) -> None:
    absent = params(state="absent", force=True)
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    with Stubber(elbv2) as stubber:
        stubber.add_response("modify_load_balancer_attributes", {}, {"LoadBalancerArn": ARN, "Attributes": off})
        stubber.add_response("delete_load_balancer", {}, {"LoadBalancerArn": ARN})
        subject.apply(elbv2, absent, subject.plan({**converged(), "deletion_protection": True}, absent))
        stubber.assert_no_pending_responses()


def test_a_log_bucket_that_is_not_ready_yet_is_tried_again(elbv2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    message = "Access Denied for bucket: logs. Please check S3bucket permission"
    with Stubber(elbv2) as stubber:
        stubber.add_client_error("modify_load_balancer_attributes", "InvalidConfigurationRequest", message)
        stubber.add_response("modify_load_balancer_attributes", {})
        api.set_attributes(elbv2, ARN, {"idle_timeout": 90})
    assert naps == [2]


def test_another_wrong_configuration_fails_at_once(elbv2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    with Stubber(elbv2) as stubber:
        stubber.add_client_error("modify_load_balancer_attributes", "InvalidConfigurationRequest", "wrong region")
        with pytest.raises(Exception, match=r"change the attributes of the load balancer: .*wrong region"):
            api.set_attributes(elbv2, ARN, {"idle_timeout": 90})
    assert naps == []


@pytest.mark.parametrize(
    ("status", "wait", "check_mode", "waits"),
    [
        ("provisioning", True, False, True),
        ("provisioning", False, False, False),
        ("provisioning", True, True, False),
        ("active", True, False, False),
    ],
)
def test_waits_once_nothing_else_is_left_to_do(
    monkeypatch: pytest.MonkeyPatch, status: str, wait: bool, check_mode: bool, waits: bool
) -> None:
    waited: list[str] = []
    monkeypatch.setattr(api, "describe", lambda _client, _name: {**converged(), "status": status})
    monkeypatch.setattr(api, "wait_active", lambda _client, arn, _timeout: waited.append(arn))
    assert subject.describe(None, params(wait=wait), check_mode)["status"] == ("active" if waits else status)
    assert waited == ([ARN] if waits else [])
