# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import cloudwatch_alarms as subject
from botocore.stub import Stubber

ARN = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:hello-5xx"
ALARM: dict[str, Any] = {
    "name": "hello-5xx",
    "description": "errors",
    "namespace": "AWS/ApplicationELB",
    "metric_name": "HTTPCode_Target_5XX_Count",
    "dimensions": {"LoadBalancer": "app/hello/1"},
    "statistic": "Sum",
    "period": 60,
    "evaluation_periods": 1,
    "comparison_operator": "GreaterThanOrEqualToThreshold",
    "threshold": 10.0,
    "treat_missing_data": "notBreaching",
}
TAGS = {"gatehouse:stack": "hello"}
PARAMS: dict[str, Any] = {
    "alarms": [ALARM],
    "others": [],
    "state": "present",
    "adopt": False,
    "tags": TAGS,
    "purge_tags": True,
}
# As AWS describes the alarm, with an action that somebody added.
DESCRIBED: dict[str, Any] = {
    "AlarmName": "hello-5xx",
    "AlarmArn": ARN,
    "AlarmDescription": "errors",
    "Namespace": "AWS/ApplicationELB",
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Dimensions": [{"Name": "LoadBalancer", "Value": "app/hello/1"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 10.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
    "StateValue": "OK",
    "ActionsEnabled": True,
    "AlarmActions": ["arn:aws:sns:eu-west-1:111122223333:people"],
}
REQUEST: dict[str, Any] = {
    **{key: value for key, value in DESCRIBED.items() if key not in ("AlarmArn", "StateValue", *subject.KEPT)},
    "DatapointsToAlarm": 1,
}


def described(params: dict[str, Any], *alarms: dict[str, Any], tags: dict[str, str] | None = None) -> dict[str, Any]:
    shown = TAGS if tags is None else tags
    client = boto3.client("cloudwatch", region_name="eu-west-1")
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", {"MetricAlarms": list(alarms)})
        for one in alarms:
            if one["AlarmName"] in [alarm["name"] for alarm in params["alarms"]]:
                listed = [{"Key": key, "Value": value} for key, value in shown.items()]
                stub.add_response("list_tags_for_resource", {"Tags": listed}, {"ResourceARN": one["AlarmArn"]})
        return subject.describe(client, params)


def applied(planned: Any, *calls: tuple[str, dict[str, Any]]) -> None:
    client = boto3.client("cloudwatch", region_name="eu-west-1")
    with Stubber(client) as stub:
        for operation, request in calls:
            stub.add_response(operation, {}, request)
        subject.apply(client, planned)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"AlarmDescription": "other"}, "description"),
        ({"Namespace": "Other"}, "namespace"),
        ({"Threshold": 11.0}, "threshold"),
        ({"Unit": "Count"}, "unit"),
        ({"EvaluationPeriods": 3, "DatapointsToAlarm": 1}, "evaluation_periods"),
        ({"Dimensions": []}, "dimensions"),
        ({"TreatMissingData": "missing"}, "treat_missing_data"),
    ],
)
def test_drift_is_told_and_mended_without_losing_actions(changed: dict[str, Any], field: str) -> None:
    current = described(PARAMS, {**DESCRIBED, **changed})
    planned = subject.plan(current, PARAMS)
    assert [list(change.after) for change in planned.changes] == [[field]]
    kept = {"ActionsEnabled": True, "AlarmActions": DESCRIBED["AlarmActions"]}
    applied(planned, ("put_metric_alarm", {**REQUEST, **kept}))


def test_an_alarm_as_declared_is_left_alone() -> None:
    assert subject.plan(described(PARAMS, DESCRIBED), PARAMS).changes == ()


def test_a_new_alarm_is_created_with_its_tags() -> None:
    planned = subject.plan(described(PARAMS), PARAMS)
    assert planned.result["own"]["hello-5xx"]["arn"] == KNOWN_AFTER_APPLY
    applied(planned, ("put_metric_alarm", {**REQUEST, "Tags": [{"Key": "gatehouse:stack", "Value": "hello"}]}))


def test_tags_are_changed_alone() -> None:
    planned = subject.plan(described(PARAMS, DESCRIBED, tags={**TAGS, "stray": "1"}), PARAMS)
    assert [list(change.after) for change in planned.changes] == [["tags"]]
    applied(planned, ("untag_resource", {"ResourceARN": ARN, "TagKeys": ["stray"]}))


def test_what_is_there_is_deleted() -> None:
    params = {**PARAMS, "state": "absent"}
    applied(subject.plan(described(params, DESCRIBED), params), ("delete_alarms", {"AlarmNames": ["hello-5xx"]}))
    assert subject.plan(described(params), params).changes == ()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_alarm_of_somebody_else_is_refused(state: str) -> None:
    with pytest.raises(PlanRefusedError, match="alarm hello-5xx exists and carries no tag gatehouse:stack"):
        subject.plan(described(PARAMS, DESCRIBED, tags={}), {**PARAMS, "state": state})


def test_names_that_lead_nowhere_are_refused() -> None:
    params = {**PARAMS, "alarms": [], "others": ["slow", "errors"]}
    current = described(params, {**DESCRIBED, "AlarmName": "slow"})
    assert current == {"own": {}, "others": {"slow": "OK"}}
    with pytest.raises(PlanRefusedError, match="others names errors, and there is no such alarm"):
        subject.plan(current, params)


def test_alarms_that_are_up_already_are_told() -> None:
    current = described(
        {**PARAMS, "others": ["slow"]}, DESCRIBED, {**DESCRIBED, "AlarmName": "slow", "StateValue": "ALARM"}
    )
    assert list(subject.warnings(current)) == [
        "Alarm slow is in the state ALARM: ECS may not watch it in a deployment that starts now."
    ]
