# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.filter.scaling_problems import scaling_problems
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import application_autoscaling as subject
from botocore.stub import Stubber

ID = "service/hello/hello"
ARN = "arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/0ec5"
ELB = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
BALANCER, GROUP = f"{ELB}:loadbalancer/app/hello/50dc", f"{ELB}:targetgroup/hello/6d0e"
OWNER = {"gatehouse:stack": "hello"}
MORNING = {
    "name": "morning",
    "schedule": "cron(0 7 ? * MON-FRI *)",
    "timezone": "UTC",
    "min_capacity": 2,
    "max_capacity": None,
}


def desired(**fields: Any) -> dict[str, Any]:
    return {
        "cluster": "hello",
        "service": "hello",
        "state": "present",
        "min_capacity": 1,
        "max_capacity": 4,
        "cpu": 60.0,
        "memory": None,
        "requests_per_target": None,
        "load_balancer_arn": BALANCER,
        "target_group_arn": GROUP,
        "scale_in_cooldown": 300,
        "scale_out_cooldown": 60,
        "schedules": [MORNING],
        "tags": OWNER,
        "purge_tags": True,
        **fields,
    }


def current(**fields: Any) -> dict[str, Any]:
    """Returns the state to which desired() leads."""
    return {**subject.plan({}, desired()).result, "arn": ARN, **fields}


def changes(state: dict[str, Any], params: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    return [
        (one.action.value, one.resource, sorted(one.after or one.before)) for one in subject.plan(state, params).changes
    ]


def test_nothing_there_yet() -> None:
    planned = subject.plan({}, desired())
    assert [(one.action.value, one.resource, one.name) for one in planned.changes] == [
        ("create", "scalable_target", ID),
        ("create", "scaling_policy", "hello:cpu"),
        ("create", "scheduled_action", "hello:morning"),
    ]
    assert planned.result["arn"] == KNOWN_AFTER_APPLY


def test_nothing_to_do() -> None:
    assert changes(current(), desired()) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (desired(max_capacity=5), ("update", "scalable_target", ["max_capacity"])),
        (desired(tags={**OWNER, "a": "b"}), ("update", "scalable_target", ["tags"])),
        (desired(cpu=70.0), ("update", "scaling_policy", ["target_value"])),
        (desired(scale_in_cooldown=0), ("update", "scaling_policy", ["scale_in_cooldown"])),
        (desired(schedules=[{**MORNING, "timezone": "Asia/Tokyo"}]), ("update", "scheduled_action", ["timezone"])),
        (
            desired(schedules=[{**MORNING, "min_capacity": None, "max_capacity": 4}]),
            ("update", "scheduled_action", ["max_capacity", "min_capacity"]),
        ),
    ],
)
def test_one_difference_is_one_change(params: dict[str, Any], expected: tuple[str, str, list[str]]) -> None:
    assert changes(current(), params) == [expected]


def test_what_is_not_declared_goes() -> None:
    found = changes(current(), desired(cpu=None, memory=80.0, schedules=[]))
    assert [(action, resource) for action, resource, _fields in found] == [
        ("create", "scaling_policy"),
        ("delete", "scaling_policy"),
        ("delete", "scheduled_action"),
    ]


def test_limits_that_a_schedule_has_set_stay() -> None:
    assert changes(current(min_capacity=2), desired()) == []
    assert changes(current(min_capacity=3), desired()) == [("update", "scalable_target", ["min_capacity"])]
    assert subject.plan(current(min_capacity=2), desired(max_capacity=5)).changes[0].call == [
        ("register_scalable_target", {**subject.identity(desired()), "MinCapacity": 2, "MaxCapacity": 5})
    ]


@pytest.mark.parametrize("balancer", [BALANCER, KNOWN_AFTER_APPLY])
def test_the_label_of_the_request_count(balancer: str) -> None:
    planned = subject.plan({}, desired(cpu=None, requests_per_target=500.0, load_balancer_arn=balancer))
    label = planned.result["policies"]["requests_per_target"]["resource_label"]
    assert label == ("app/hello/50dc/targetgroup/hello/6d0e" if balancer == BALANCER else KNOWN_AFTER_APPLY)


def test_absent_takes_policies_and_schedules_along() -> None:
    (change,) = subject.plan(current(), desired(state="absent")).changes
    assert (change.action.value, change.name, change.before["policies"].keys()) == ("delete", ID, {"cpu"})
    assert subject.plan({}, desired(state="absent")).changes == ()


REFUSED = [
    ({"min_capacity": 5}, "min_capacity is 5 and max_capacity is 4: the first must not exceed"),
    ({"min_capacity": -1}, "they must be 0 or more"),
    ({"min_capacity": None}, "min_capacity is None and max_capacity is 4: give both"),
    ({"cpu": None, "schedules": []}, "Nothing would ever scale"),
    ({"cpu": 101.0}, "cpu is 101.0: give more than 0, at most 100"),
    ({"memory": 0.0}, "memory is 0.0"),
    ({"schedules": [MORNING, MORNING]}, "schedules names morning, morning: give each name once"),
    ({"schedules": [{**MORNING, "schedule": "0 7 * * *"}]}, "schedule is '0 7 . . .' in the schedule morning"),
    ({"schedules": [{**MORNING, "schedule": "cron(0 7 * * *)"}]}, "minutes hours day month weekday year"),
    ({"schedules": [{**MORNING, "min_capacity": None}]}, "neither min_capacity nor max_capacity .* morning"),
    ({"schedules": [{**MORNING, "max_capacity": 1}]}, "min_capacity is 2 and max_capacity is 1 in the schedule"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_the_impossible_is_refused_before_anything_is_sent(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, desired(**fields))
    assert len(scaling_problems(desired(**fields))) == 1


def test_requests_are_not_counted_without_a_load_balancer() -> None:
    with pytest.raises(PlanRefusedError, match=r"requests_per_target is 500\.0, but load_balancer_arn is ''"):
        subject.plan({}, desired(requests_per_target=500.0, load_balancer_arn=None))


def client() -> Any:
    return boto3.client(
        "application-autoscaling", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def test_every_request_satisfies_the_api_model() -> None:
    api = client()
    answers = {"put_scaling_policy": {"PolicyARN": ARN}, "register_scalable_target": {"ScalableTargetARN": ARN}}
    everything = desired(memory=70.0, requests_per_target=500.0)
    for state, params in (
        ({}, everything),
        (current(), desired(tags={}, max_capacity=9)),
        (current(), desired(cpu=None, memory=70.0, schedules=[], tags={"a": "b"})),
        (current(), desired(state="absent")),
    ):
        planned = subject.plan(state, params)
        with Stubber(api) as stubber:
            for operation, request in (call for change in planned.changes for call in change.call):
                stubber.add_response(operation, answers.get(operation, {}), request)
            subject.apply(api, planned)
            stubber.assert_no_pending_responses()


def test_what_aws_describes_is_what_was_declared() -> None:
    api, named = client(), subject.identity(desired())
    planned = subject.plan({}, desired(requests_per_target=500.0))
    sent = [request for change in planned.changes for _operation, request in change.call]
    target, *policies, action = sent
    answered = {key: target[key] for key in (*named, "MinCapacity", "MaxCapacity")}
    answered |= {"RoleARN": "arn:aws:iam::1:role/x", "CreationTime": 0, "ScalableTargetARN": ARN}
    with Stubber(api) as stubber:
        stubber.add_response("describe_scalable_targets", {"ScalableTargets": [answered]})
        stubber.add_response("list_tags_for_resource", {"Tags": OWNER}, {"ResourceARN": ARN})
        found = [{**policy, "PolicyARN": ARN, "CreationTime": 0} for policy in policies]
        stubber.add_response("describe_scaling_policies", {"ScalingPolicies": found}, named)
        actions = [{**action, "ScheduledActionARN": ARN, "CreationTime": 0}]
        stubber.add_response("describe_scheduled_actions", {"ScheduledActions": actions}, named)
        state = subject.describe(api, desired())
    assert state == {**planned.result, "arn": ARN}
