# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Several accounts of a local AWS that enforces policies: a user who may take roles, and a role in each account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import boto3
from conftest import LocalAws

HOME = "111122223333"
ROLE = "gatehouse"
EXTERNAL_ID = "gate-1"
SECRET = "example-key-of-the-stand-in"
ANYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def role_arn(account: str, name: str = ROLE) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def client(aws: LocalAws, service: str, account: str, region: str = "ap-northeast-1") -> Any:
    """A client that may do anything in an account."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=aws.environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=account,
        aws_secret_access_key=SECRET,
    )


def document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def make_role(
    aws: LocalAws,
    account: str,
    name: str = ROLE,
    statements: list[dict[str, Any]] | None = None,
    *,
    trusted: Sequence[str] = (HOME,),
    external_id: str = "",
) -> str:
    """Returns the ARN of a role that the trusted accounts may take, and that may do what the statements say."""
    iam = client(aws, "iam", account)
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{other}:root" for other in trusted]},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document([trust]))
    iam.put_role_policy(RoleName=name, PolicyName="deploy", PolicyDocument=document(statements or ANYTHING))
    return role_arn(account, name)


def make_user(aws: LocalAws, name: str = "pipeline") -> dict[str, str]:
    """Returns the environment of a user of the home account who may do nothing but take roles."""
    iam = client(aws, "iam", HOME)
    iam.create_user(UserName=name)
    statements = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/*"}]
    iam.put_user_policy(UserName=name, PolicyName="roles", PolicyDocument=document(statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
