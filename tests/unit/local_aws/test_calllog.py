# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The log of calls by IAM action."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account
from botocore.exceptions import ClientError


def calls(endpoint: str, method: str = "GET") -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{endpoint}/_local_aws/calls", method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return list(json.loads(answer.read()))


def test_calls_are_logged_by_action(endpoint: str, account: Account) -> None:
    calls(endpoint, "DELETE")
    account.client("ec2").describe_vpcs()
    account.client("route53").list_hosted_zones()
    account.client("logs").describe_log_groups()
    with pytest.raises(ClientError):
        account.client("s3").get_bucket_policy(Bucket="none")
    logged = [(call["action"], call["account"], call["status"]) for call in calls(endpoint)]
    assert logged == [
        ("ec2:DescribeVpcs", account.number, 200),
        ("route53:ListHostedZones", account.number, 200),
        ("logs:DescribeLogGroups", account.number, 200),
        ("s3:GetBucketPolicy", account.number, 404),
    ]
    assert calls(endpoint)[0]["region"] == REGION


def test_log_can_be_emptied(endpoint: str, account: Account) -> None:
    account.client("ec2").describe_vpcs()
    assert calls(endpoint, "DELETE") == []
    assert calls(endpoint) == []
