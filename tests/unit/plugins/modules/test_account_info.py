# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.modules import account_info as subject
from botocore.stub import Stubber

KEYS = {"region_name": "cn-north-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def test_the_partition_is_that_of_the_caller() -> None:
    client = boto3.client("sts", **KEYS)
    with Stubber(client) as stub:
        arn = "arn:aws-cn:sts::111122223333:assumed-role/deploy/ci"
        stub.add_response("get_caller_identity", {"Account": "111122223333", "Arn": arn, "UserId": "AROA:ci"})
        assert subject.read_caller(client) == {"id": "111122223333", "arn": arn, "partition": "aws-cn"}


def test_the_zones_are_asked_for_by_kind_and_sorted() -> None:
    client = boto3.client("ec2", **KEYS)
    with Stubber(client) as stub:
        zones = [{"ZoneName": "cn-north-1b"}, {"ZoneName": "cn-north-1a"}]
        stub.add_response("describe_availability_zones", {"AvailabilityZones": zones}, {"Filters": subject.OFFERED})
        assert subject.read_zones(client) == ["cn-north-1a", "cn-north-1b"]


def test_a_refusal_says_what_was_asked() -> None:
    client = boto3.client("ec2", **KEYS)
    with Stubber(client) as stub:
        stub.add_client_error("describe_availability_zones", "AuthFailure", "not able to validate the credentials")
        with pytest.raises(AnsibleAWSError, match="list the availability zones"):
            subject.read_zones(client)
