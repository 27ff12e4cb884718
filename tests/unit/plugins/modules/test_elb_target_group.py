# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import elb_target_group as subject
from botocore.stub import Stubber

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/hello/6d0ecf831eec9f09"
FIELDS: dict[str, Any] = {
    "name": "hello",
    "vpc_id": "vpc-1",
    "port": 3000,
    "protocol": "HTTP",
    "protocol_version": "HTTP1",
    "target_type": "ip",
    "health_check_path": "/healthz",
    "health_check_port": "traffic-port",
    "health_check_protocol": "HTTP",
    "health_check_interval": 10,
    "health_check_timeout": 5,
    "healthy_threshold": 2,
    "unhealthy_threshold": 2,
    "matcher": "200",
    "deregistration_delay": 30,
    "slow_start": 0,
    "load_balancing_algorithm": "round_robin",
    "stickiness": 0,
    "tags": {"gatehouse:stack": "hello"},
}
DESIRED: dict[str, Any] = {**FIELDS, "state": "present", "purge_tags": True}
CURRENT: dict[str, Any] = {**FIELDS, "arn": ARN, "load_balancer_arns": ["arn:lb"]}
DRIFT: list[tuple[str, Any]] = [
    ("health_check_path", "/"),
    ("health_check_port", "8080"),
    ("health_check_protocol", "HTTPS"),
    ("health_check_interval", 30),
    ("health_check_timeout", 9),
    ("healthy_threshold", 5),
    ("unhealthy_threshold", 5),
    ("matcher", "200-299"),
    ("deregistration_delay", 300),
    ("slow_start", 60),
    ("load_balancing_algorithm", "weighted_random"),
    ("stickiness", 86400),
    ("stickiness", "app_cookie"),
    ("tags", {}),
    ("tags", {"gatehouse:stack": "hello", "stray": "1"}),
]


@pytest.fixture
def elbv2() -> Any:
    return boto3.client("elbv2", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_an_empty_account_gets_the_group() -> None:
    planned = subject.plan({}, {**DESIRED, "vpc_id": KNOWN_AFTER_APPLY})
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["arn"] == KNOWN_AFTER_APPLY


def test_a_converged_group_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(("field", "drifted"), DRIFT)
def test_drift_is_found_field_by_field(field: str, drifted: Any) -> None:
    (change,) = subject.plan({**CURRENT, field: drifted}, DESIRED).changes
    assert (change.action.value, change.before, change.after) == ("update", {field: drifted}, {field: CURRENT[field]})


IMMUTABLE = [("port", 8080), ("protocol", "HTTPS"), ("vpc_id", "vpc-2"), ("target_type", "instance")]


@pytest.mark.parametrize(("field", "value"), IMMUTABLE)
def test_what_cannot_change_is_refused_while_in_use(field: str, value: Any) -> None:
    with pytest.raises(PlanRefusedError, match=f"AWS cannot change {field} from"):
        subject.plan({**CURRENT, field: value}, DESIRED)


@pytest.mark.parametrize(("field", "value"), IMMUTABLE)
def test_an_unused_group_is_replaced(field: str, value: Any) -> None:
    (change,) = subject.plan({**CURRENT, field: value, "load_balancer_arns": []}, DESIRED).changes
    assert (change.action.value, change.before) == ("replace", {field: value})


@pytest.mark.parametrize("name", ["x" * 33, "-hello", "hello-", "hello_app", "internal-hello"])
def test_names_that_aws_refuses(name: str) -> None:
    with pytest.raises(PlanRefusedError, match="at most 32 letters"):
        subject.plan({}, {**DESIRED, "name": name})


def test_creation_satisfies_the_api(elbv2: Any) -> None:
    with Stubber(elbv2) as stubber:
        stubber.add_response("create_target_group", {"TargetGroups": [{"TargetGroupArn": ARN}]})
        stubber.add_response("modify_target_group_attributes", {})
        subject.apply(elbv2, subject.plan({}, DESIRED))
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("field", "drifted", "method"),
    [
        ("health_check_path", "/", "modify_target_group"),
        ("matcher", "201", "modify_target_group"),
        ("deregistration_delay", 300, "modify_target_group_attributes"),
        ("stickiness", 60, "modify_target_group_attributes"),
        ("tags", {}, "add_tags"),
    ],
)
def test_one_difference_makes_one_request(elbv2: Any, field: str, drifted: Any, method: str) -> None:
    with Stubber(elbv2) as stubber:
        stubber.add_response(method, {})
        subject.apply(elbv2, subject.plan({**CURRENT, field: drifted}, DESIRED))
        stubber.assert_no_pending_responses()


def test_a_group_that_is_not_there_is_described_as_nothing(elbv2: Any) -> None:
    with Stubber(elbv2) as stubber:
        stubber.add_client_error("describe_target_groups", "TargetGroupNotFound")
        assert subject.describe(elbv2, "hello") == {}


def test_a_group_described_is_the_group_created(elbv2: Any) -> None:
    answer = {
        "TargetGroupArn": ARN,
        "LoadBalancerArns": ["arn:lb"],
        "Matcher": {"HttpCode": "200"},
        **{key: FIELDS[option] for option, key in {**subject.IDENTITY, **subject.HEALTH_CHECK}.items()},
    }
    attributes = {
        "deregistration_delay.timeout_seconds": "30",
        "slow_start.duration_seconds": "0",
        "load_balancing.algorithm.type": "round_robin",
        "stickiness.enabled": "false",
    }
    tags = {"ResourceArn": ARN, "Tags": [{"Key": "gatehouse:stack", "Value": "hello"}]}
    with Stubber(elbv2) as stubber:
        stubber.add_response("describe_target_groups", {"TargetGroups": [answer]}, {"Names": ["hello"]})
        listed = [{"Key": key, "Value": value} for key, value in attributes.items()]
        stubber.add_response("describe_target_group_attributes", {"Attributes": listed})
        stubber.add_response("describe_tags", {"TagDescriptions": [tags]})
        assert subject.describe(elbv2, "hello") == CURRENT


@pytest.mark.parametrize(
    ("current", "delay", "changed"),
    [({}, 0, {}), (CURRENT, 30, {}), ({**CURRENT, "port": 80, "matcher": "404"}, 0, {"deregistration_delay": 0})],
    ids=["missing", "as-wanted", "lowered-and-nothing-else"],
)
def test_drained_sets_the_delay_alone(current: dict[str, Any], delay: int, changed: dict[str, Any]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "drained", "deregistration_delay": delay, "tags": {}})
    assert [(change.action.value, change.after) for change in planned.changes] == (
        [("update", changed)] if changed else []
    )
