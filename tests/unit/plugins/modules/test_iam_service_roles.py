# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import iam_service_roles as subject
from botocore.stub import ANY, Stubber

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["a:One", "a:Two"], "Resource": "*"}],
}
SAME_POLICY = {
    "Statement": [{"Resource": ["*"], "Action": ["a:Two", "a:One"], "Effect": "Allow"}],
    "Version": "2012-10-17",
}
OTHER_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
MANAGED = "arn:aws:iam::aws:policy/ReadOnlyAccess"
DESIRED: dict[str, Any] = {
    "name": "hello-task",
    "state": "present",
    "path": "/gatehouse/",
    "description": "Tasks",
    "service": "ecs-tasks.amazonaws.com",
    "service_condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    "assume_role_policy_document": None,
    "max_session_duration": 3600,
    "permissions_boundary": None,
    "policies": {"app": POLICY},
    "managed_policies": [],
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
    "adopt": False,
}
TRUST = subject.trust_policy(DESIRED)
CURRENT: dict[str, Any] = {
    "name": "hello-task",
    "arn": "arn:aws:iam::123456789012:role/gatehouse/hello-task",
    "path": "/gatehouse/",
    "description": "Tasks",
    "assume_role_policy_document": TRUST,
    "max_session_duration": 3600,
    "permissions_boundary": "",
    "policies": {"app": SAME_POLICY},
    "managed_policies": [],
    "tags": {"gatehouse:stack": "hello"},
}


def test_an_empty_account_gets_the_role_with_unknown_arn() -> None:
    planned = subject.plan_role({}, DESIRED)
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["arn"] == KNOWN_AFTER_APPLY
    assert planned.result["policies"] == {"app": POLICY}


def test_the_trust_policy_names_service_and_condition() -> None:
    (statement,) = TRUST["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"] == DESIRED["service_condition"]


def test_a_policy_that_means_the_same_is_left_alone() -> None:
    assert subject.plan_role(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("field", "drifted"),
    [
        ("description", "changed"),
        ("max_session_duration", 7200),
        ("assume_role_policy_document", OTHER_POLICY),
        ("policies", {}),
        ("policies", {"app": OTHER_POLICY}),
        ("policies", {"app": POLICY, "stray": OTHER_POLICY}),
        ("managed_policies", [MANAGED]),
        ("tags", {}),
        ("tags", {"gatehouse:stack": "hello", "stray": "1"}),
    ],
)
def test_drift_is_found_field_by_field(field: str, drifted: Any) -> None:
    (change,) = subject.plan_role({**CURRENT, field: drifted}, DESIRED).changes
    assert change.before == {field: drifted}
    assert change.after.keys() == {field}


def test_undeclared_policies_are_left_alone() -> None:
    current = {**CURRENT, "managed_policies": [MANAGED], "permissions_boundary": MANAGED}
    assert subject.plan_role(current, {**DESIRED, "policies": None, "managed_policies": None}).changes == ()


def test_the_path_cannot_change() -> None:
    with pytest.raises(PlanRefusedError, match="path of role hello-task is /gatehouse/"):
        subject.plan_role(CURRENT, {**DESIRED, "path": "/"})


@pytest.mark.parametrize(("current", "actions"), [(CURRENT, ["delete"]), ({}, [])])
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan_role(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions


@pytest.fixture
def client() -> Any:
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_creation_sends_trust_and_every_policy(client: Any) -> None:
    name = {"RoleName": "hello-task"}
    with Stubber(client) as stub:
        stub.add_response(
            "create_role",
            {"Role": role()},
            {
                **name,
                "Path": "/gatehouse/",
                "Description": "Tasks",
                "AssumeRolePolicyDocument": json.dumps(TRUST),
                "MaxSessionDuration": 3600,
                "Tags": [{"Key": "gatehouse:stack", "Value": "hello"}],
            },
        )
        stub.add_response("get_role", {"Role": role(), "ResponseMetadata": {"HTTPStatusCode": 200}}, name)
        stub.add_response("put_role_policy", {}, {**name, "PolicyName": "app", "PolicyDocument": json.dumps(POLICY)})
        stub.add_response("attach_role_policy", {}, {**name, "PolicyArn": MANAGED})
        subject.apply(client, subject.plan_role({}, {**DESIRED, "managed_policies": [MANAGED]}))
        stub.assert_no_pending_responses()


def test_a_stray_policy_goes_after_the_declared_one_is_written(client: Any) -> None:
    drifted = {**CURRENT, "policies": {"stray": OTHER_POLICY}, "managed_policies": [MANAGED]}
    name = {"RoleName": "hello-task"}
    with Stubber(client) as stub:
        stub.add_response("put_role_policy", {}, {**name, "PolicyName": "app", "PolicyDocument": ANY})
        stub.add_response("delete_role_policy", {}, {**name, "PolicyName": "stray"})
        stub.add_response("detach_role_policy", {}, {**name, "PolicyArn": MANAGED})
        subject.apply(client, subject.plan_role(drifted, DESIRED))
        stub.assert_no_pending_responses()


def test_deletion_takes_every_policy_off_first(client: Any) -> None:
    current = {**CURRENT, "managed_policies": [MANAGED]}
    name = {"RoleName": "hello-task"}
    with Stubber(client) as stub:
        stub.add_response("delete_role_policy", {}, {**name, "PolicyName": "app"})
        stub.add_response("detach_role_policy", {}, {**name, "PolicyArn": MANAGED})
        stub.add_response("delete_role", {}, name)
        subject.apply(client, subject.plan_role(current, {**DESIRED, "state": "absent"}))
        stub.assert_no_pending_responses()


def test_a_missing_role_is_no_error(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("get_role", "NoSuchEntity")
        assert subject.describe_role(client, "hello-task") == {}


def role() -> dict[str, Any]:
    return {
        "Path": "/gatehouse/",
        "RoleName": "hello-task",
        "RoleId": "AROAEXAMPLEEXAMPLEXX",
        "Arn": CURRENT["arn"],
        "CreateDate": "2026-01-01T00:00:00Z",
    }


OF_ALL = ("state", "tags", "purge_tags", "adopt")


def declared(*names: str, **of_all: Any) -> dict[str, Any]:
    role = {key: value for key, value in DESIRED.items() if key not in OF_ALL}
    return {"roles": [{**role, "name": name} for name in names], **{key: DESIRED[key] for key in OF_ALL}, **of_all}


def test_roles_are_planned_each_by_itself() -> None:
    drifted = {**CURRENT, "name": "two", "description": "other"}
    planned = subject.plan({"one": {}, "two": drifted, "three": CURRENT}, declared("one", "two", "three"))
    assert [(change.action.value, change.name) for change in planned.changes] == [("create", "one"), ("update", "two")]
    assert {name: role["description"] for name, role in planned.result.items()} == dict.fromkeys(
        ["one", "two", "three"], "Tasks"
    )


def test_one_role_of_somebody_else_stops_all() -> None:
    foreign = {**CURRENT, "tags": {}}
    with pytest.raises(PlanRefusedError, match="role two exists and carries no tag"):
        subject.plan({"one": {}, "two": foreign}, declared("one", "two"))
    assert len(subject.plan({"one": {}, "two": foreign}, declared("one", "two", adopt=True)).changes) == 2


def test_a_role_listed_twice_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match="one is listed more than once"):
        subject.plan({"one": {}}, declared("one", "one"))


def test_a_role_that_nobody_may_assume_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match="hello-task has neither service nor assume_role_policy_document"):
        subject.plan_role({}, {**DESIRED, "service": None, "service_condition": None})
