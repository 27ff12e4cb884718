# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import ecs_cluster as subject
from botocore.stub import Stubber

DESIRED: dict[str, Any] = {
    "name": "hello",
    "state": "present",
    "container_insights": "disabled",
    "capacity_providers": None,
    "default_capacity_provider_strategy": None,
    "execute_command": None,
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}
SESSIONS: dict[str, Any] = {
    "logging": "OVERRIDE",
    "kms_key_id": None,
    "log_group": "/sessions",
    "log_encryption": False,
    "s3_bucket": None,
    "s3_prefix": None,
    "s3_encryption": False,
}
SPOT = [{"capacity_provider": "FARGATE_SPOT", "weight": 4, "base": 0}]
API: dict[str, Any] = {
    "clusterName": "hello",
    "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/hello",
    "status": "ACTIVE",
    "settings": [{"name": "containerInsights", "value": "disabled"}],
    "capacityProviders": [],
    "defaultCapacityProviderStrategy": [],
    "tags": [{"key": "gatehouse:stack", "value": "hello"}],
}
CURRENT = subject.described(API)


def test_an_empty_account_gets_the_cluster() -> None:
    planned = subject.plan({}, DESIRED)
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["arn"] == KNOWN_AFTER_APPLY


def test_a_converged_cluster_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("current", "params"),
    [
        ({"container_insights": "enabled"}, {}),
        ({"tags": {"stray": "1"}}, {}),
        ({"capacity_providers": ["FARGATE"]}, {"capacity_providers": []}),
        (
            {"default_capacity_provider_strategy": SPOT, "capacity_providers": ["FARGATE_SPOT"]},
            {"capacity_providers": ["FARGATE_SPOT"], "default_capacity_provider_strategy": []},
        ),
        ({"execute_command": {**SESSIONS, "log_group": "/other"}}, {"execute_command": SESSIONS}),
    ],
)
def test_drift_is_found_field_by_field(current: dict[str, Any], params: dict[str, Any]) -> None:
    (change,) = subject.plan({**CURRENT, **current}, {**DESIRED, **params}).changes
    assert change.before == {key: current[key] for key in change.after}
    assert len(change.after) == 1


def test_undeclared_capacity_providers_and_sessions_are_left_alone() -> None:
    drifted = {**CURRENT, "capacity_providers": ["FARGATE"], "execute_command": SESSIONS}
    assert subject.plan(drifted, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"default_capacity_provider_strategy": SPOT, "capacity_providers": ["FARGATE"]}, "names FARGATE_SPOT"),
        ({"execute_command": {**SESSIONS, "log_group": None}}, "name a log_group or an s3_bucket"),
        ({"execute_command": {**SESSIONS, "logging": "DEFAULT"}}, "need logging=OVERRIDE"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, {**DESIRED, **params})


@pytest.mark.parametrize(("current", "actions"), [(CURRENT, ["delete"]), ({}, [])])
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions


@pytest.fixture
def client() -> Any:
    return boto3.client("ecs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.mark.parametrize("found", [[], [{**API, "status": "INACTIVE"}]])
def test_a_deleted_cluster_counts_as_missing(client: Any, found: list[dict[str, Any]]) -> None:
    with Stubber(client) as stub:
        stub.add_response("describe_clusters", {"clusters": found})
        assert subject.describe(client, "hello") == {}


def test_creation_sends_every_declared_field(client: Any) -> None:
    params = {
        **DESIRED,
        "capacity_providers": ["FARGATE_SPOT"],
        "default_capacity_provider_strategy": SPOT,
        "execute_command": SESSIONS,
    }
    request = {
        "clusterName": "hello",
        "tags": [{"key": "gatehouse:stack", "value": "hello"}],
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        "configuration": {
            "executeCommandConfiguration": {
                "logging": "OVERRIDE",
                "logConfiguration": {
                    "cloudWatchLogGroupName": "/sessions",
                    "cloudWatchEncryptionEnabled": False,
                    "s3EncryptionEnabled": False,
                },
            }
        },
        "capacityProviders": ["FARGATE_SPOT"],
        "defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 4, "base": 0}],
    }
    with Stubber(client) as stub:
        stub.add_response("create_cluster", {}, request)
        subject.apply(client, subject.plan({}, params))
        stub.assert_no_pending_responses()


def test_an_update_sends_only_what_changed(client: Any) -> None:
    drifted = {**CURRENT, "container_insights": "enabled", "tags": {"gatehouse:stack": "hello", "stray": "1"}}
    with Stubber(client) as stub:
        stub.add_response(
            "update_cluster",
            {},
            {"cluster": "hello", "settings": [{"name": "containerInsights", "value": "disabled"}]},
        )
        stub.add_response("untag_resource", {}, {"resourceArn": CURRENT["arn"], "tagKeys": ["stray"]})
        subject.apply(client, subject.plan(drifted, DESIRED))
        stub.assert_no_pending_responses()


def test_a_deletion_waits_for_the_last_tasks(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with Stubber(client) as stub:
        stub.add_client_error("delete_cluster", "ClusterContainsTasksException")
        stub.add_response("delete_cluster", {}, {"cluster": "hello"})
        subject.delete(client, "hello")
        stub.assert_no_pending_responses()
