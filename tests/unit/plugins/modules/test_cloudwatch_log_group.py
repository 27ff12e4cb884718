# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import cloudwatch_log_group as subject
from botocore.stub import Stubber

NAME = "/gatehouse/hello"
ARN = f"arn:aws:logs:eu-west-1:123456789012:log-group:{NAME}"
DESIRED: dict[str, Any] = {
    "name": NAME,
    "state": "present",
    "retention": 30,
    "kms_key_id": None,
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}
CURRENT: dict[str, Any] = {
    "name": NAME,
    "arn": ARN,
    "retention": 30,
    "kms_key_id": "",
    "tags": {"gatehouse:stack": "hello"},
}


@pytest.mark.parametrize(
    ("changed", "params", "fields"),
    [
        ({}, {}, []),
        ({"retention": 7}, {}, ["retention"]),
        ({"retention": 0}, {}, ["retention"]),
        ({}, {"retention": 0}, ["retention"]),
        ({"kms_key_id": "arn:key"}, {}, []),
        ({"kms_key_id": "arn:key"}, {"kms_key_id": ""}, ["kms_key_id"]),
        ({"tags": {}}, {}, ["tags"]),
        ({"tags": {"gatehouse:stack": "hello", "more": "1"}}, {}, ["tags"]),
        ({"tags": {"gatehouse:stack": "hello", "more": "1"}}, {"purge_tags": False}, []),
    ],
)
def test_drift_field_by_field(changed: dict[str, Any], params: dict[str, Any], fields: list[str]) -> None:
    planned = subject.plan({**CURRENT, **changed}, {**DESIRED, **params})
    assert [list(change.after) for change in planned.changes] == ([fields] if fields else [])


def test_a_new_log_group_is_predicted_whole() -> None:
    planned = subject.plan({}, DESIRED)
    assert planned.result == {**CURRENT, "arn": KNOWN_AFTER_APPLY}
    assert [change.action.value for change in planned.changes] == ["create"]


@pytest.mark.parametrize(
    ("current", "params", "calls"),
    [
        (
            {},
            DESIRED,
            [
                ("create_log_group", {"logGroupName": NAME, "tags": {"gatehouse:stack": "hello"}}),
                ("put_retention_policy", {"logGroupName": NAME, "retentionInDays": 30}),
            ],
        ),
        (CURRENT, {**DESIRED, "retention": 0}, [("delete_retention_policy", {"logGroupName": NAME})]),
        (CURRENT, {**DESIRED, "kms_key_id": ARN}, [("associate_kms_key", {"logGroupName": NAME, "kmsKeyId": ARN})]),
        (
            {**CURRENT, "tags": {"stray": "1"}},
            DESIRED,
            [
                ("untag_resource", {"resourceArn": ARN, "tagKeys": ["stray"]}),
                ("tag_resource", {"resourceArn": ARN, "tags": {"gatehouse:stack": "hello"}}),
            ],
        ),
        (CURRENT, {**DESIRED, "state": "absent"}, [("delete_log_group", {"logGroupName": NAME})]),
        ({}, {**DESIRED, "state": "absent"}, []),
    ],
)
def test_a_plan_becomes_these_requests(
    current: dict[str, Any], params: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    client = boto3.client("logs", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        for operation, request in calls:
            stub.add_response(operation, {}, request)
        subject.apply(client, subject.plan(current, params))
        stub.assert_no_pending_responses()


def test_a_group_that_only_starts_alike_is_another_one() -> None:
    client = boto3.client("logs", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("describe_log_groups", {"logGroups": [{"logGroupName": f"{NAME}-old", "arn": f"{ARN}:*"}]})
        assert subject.describe(client, NAME) == {}
