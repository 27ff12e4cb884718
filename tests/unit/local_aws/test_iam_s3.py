# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM and S3 defaults and refusals that plain ministack lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account
from botocore.exceptions import ClientError

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.mark.parametrize("arn", ["arn:aws:iam::aws:policy/NoSuchPolicy", "arn:aws:iam::{account}:policy/none"])
def test_role_takes_only_policies_that_exist(account: Account, arn: str) -> None:
    iam = account.client("iam")
    iam.create_role(RoleName="task", AssumeRolePolicyDocument=policy(TRUST))
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.attach_role_policy(RoleName="task", PolicyArn=arn.format(account=account.number))
    iam.attach_role_policy(RoleName="task", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


@pytest.mark.parametrize("document", ["{", policy({**TRUST, "Resource": "*"}), policy({"Effect": "Allow"})])
def test_trust_policy_must_be_one(account: Account, document: str) -> None:
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        account.client("iam").create_role(RoleName="task", AssumeRolePolicyDocument=document)


def test_description_may_hold_markup_but_tags_may_not(account: Account) -> None:
    iam = account.client("iam")
    iam.create_role(RoleName="task", AssumeRolePolicyDocument=policy(TRUST), Description="a & b")
    assert iam.get_role(RoleName="task")["Role"]["Description"] == "a & b"
    with pytest.raises(ClientError, match="ValidationError"):
        iam.tag_role(RoleName="task", Tags=[{"Key": "Owner", "Value": "a & b"}])


def test_service_linked_role_has_its_name(account: Account) -> None:
    iam = account.client("iam")
    role = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert role["Arn"].endswith(":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
    assert iam.get_role(RoleName="AWSServiceRoleForECS")["Role"]["Arn"] == role["Arn"]
    with pytest.raises(ClientError, match="has been taken in this account") as raised:
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert raised.value.response["Error"]["Code"] == "InvalidInput"


@pytest.fixture
def s3(account: Account) -> Any:
    client = account.client("s3")
    client.create_bucket(Bucket=f"logs-{account.number}", CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


def test_new_bucket_blocks_public_access(account: Account, s3: Any) -> None:
    found = s3.get_public_access_block(Bucket=f"logs-{account.number}")["PublicAccessBlockConfiguration"]
    assert len(found) == 4
    assert all(found.values())


@pytest.mark.parametrize("resource", ["arn:aws:s3:::another-bucket/*", None])
def test_bucket_policy_speaks_of_its_bucket(account: Account, s3: Any, resource: str | None) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource}
    sent = {key: value for key, value in statement.items() if value}
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket=f"logs-{account.number}", Policy=policy(sent))
