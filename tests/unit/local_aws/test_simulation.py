# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy simulator: roles with paths, boundaries, many resources, context, and what decided."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def role(account: Account) -> tuple[Any, str]:
    iam = account.client("iam")
    created = iam.create_role(RoleName="task", Path="/some/path/", AssumeRolePolicyDocument=policy(TRUST))
    iam.put_role_policy(RoleName="task", PolicyName="read", PolicyDocument=policy(READ))
    return iam, created["Role"]["Arn"]


def simulate(role: tuple[Any, str], *resources: str, **more: Any) -> Any:
    iam, arn = role
    request = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject"], "ResourceArns": list(resources), **more}
    return iam.simulate_principal_policy(**request)["EvaluationResults"][0]


def test_each_resource_has_its_decision(role: tuple[Any, str]) -> None:
    found = simulate(role, "arn:aws:s3:::a/1", "arn:aws:s3:::b/1")
    each = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in found["ResourceSpecificResults"]}
    assert each == {"arn:aws:s3:::a/1": "allowed", "arn:aws:s3:::b/1": "implicitDeny"}
    assert found["EvalDecision"] == "implicitDeny"


def test_a_denial_names_its_policy(role: tuple[Any, str]) -> None:
    denial = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    role[0].put_role_policy(RoleName="task", PolicyName="guard", PolicyDocument=policy(denial))
    found = simulate(role, "arn:aws:s3:::a/1")
    assert found["EvalDecision"] == "explicitDeny"
    assert [one["SourcePolicyId"] for one in found["MatchedStatements"]] == ["role_task_guard"]


def test_a_boundary_limits(role: tuple[Any, str]) -> None:
    other = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    boundary = role[0].create_policy(PolicyName="boundary", PolicyDocument=policy(other))["Policy"]["Arn"]
    assert "PermissionsBoundaryDecisionDetail" not in simulate(role, "arn:aws:s3:::a/1")
    role[0].put_role_permissions_boundary(RoleName="task", PermissionsBoundary=boundary)
    found = simulate(role, "arn:aws:s3:::a/1")
    assert found["EvalDecision"] == "implicitDeny"
    assert found["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_conditions_need_their_context(role: tuple[Any, str]) -> None:
    condition = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    role[0].put_role_policy(RoleName="task", PolicyName="read", PolicyDocument=policy({**READ, "Condition": condition}))
    (without,) = simulate(role, "arn:aws:s3:::a/1")["ResourceSpecificResults"]
    assert (without["EvalResourceDecision"], without["MissingContextValues"]) == ("implicitDeny", ["aws:SourceVpce"])
    given = {"ContextKeyName": "aws:SourceVpce", "ContextKeyValues": ["vpce-1"], "ContextKeyType": "string"}
    (found,) = simulate(role, "arn:aws:s3:::a/1", ContextEntries=[given])["ResourceSpecificResults"]
    assert (found["EvalResourceDecision"], found["MissingContextValues"]) == ("allowed", [])


def test_policies_without_a_role(account: Account) -> None:
    iam = account.client("iam")
    request = {"ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::a/1"]}
    found = iam.simulate_custom_policy(PolicyInputList=[policy(READ)], **request)["EvaluationResults"]
    assert [one["EvalDecision"] for one in found] == ["allowed", "implicitDeny"]
    with pytest.raises(ClientError, match="InvalidInput"):
        iam.simulate_custom_policy(PolicyInputList=[policy({**READ, "Principal": "*"})], **request)


def test_a_role_has_to_exist(role: tuple[Any, str]) -> None:
    iam, arn = role
    with pytest.raises(ClientError, match="NoSuchEntity"):
        simulate((iam, f"{arn}-2"), "arn:aws:s3:::a/1")
