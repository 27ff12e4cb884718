# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
from ansible_collections.gatehouse.fargate.plugins.modules import account_info as subject
from botocore.stub import Stubber

KEYS = {"region_name": "cn-north-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def test_the_partition_is_that_of_the_caller() -> None:
    client = boto3.client("sts", **KEYS)
    with Stubber(client) as stub:
        arn = "arn:aws-cn:sts::111122223333:assumed-role/deploy/ci"
        stub.add_response("get_caller_identity", {"Account": "111122223333", "Arn": arn, "UserId": "AROA:ci"})
        assert subject.read_caller(client) == {"id": "111122223333", "arn": arn, "partition": "aws-cn"}
