# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.pacing import Pacer, pace
from botocore.awsrequest import AWSResponse


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pacer(self) -> Pacer:
        return Pacer(lambda: self.now, self.sleep)


@pytest.mark.parametrize(
    ("operation", "calls", "least", "most"),
    [
        ("CreateGroup", 21, 4.0, 5.1),
        ("AdminCreateUser", 1000, 39.0, 41.0),
        ("AdminAddUserToGroup", 1000, 79.0, 81.0),
        ("ListUsers", 1, 0.0, 0.0),
    ],
)
def test_calls_of_one_kind_keep_their_rate(operation: str, calls: int, least: float, most: float) -> None:
    clock = Clock()
    pacer = clock.pacer()
    for _number in range(calls):
        pacer.wait_for(operation)
    assert least <= clock.now - 100 <= most


def test_kinds_do_not_wait_for_each_other() -> None:
    clock = Clock()
    pacer = clock.pacer()
    for operation in ("CreateGroup", "AdminCreateUser", "ListUsers", "AdminDisableUser"):
        pacer.wait_for(operation)
    assert clock.now == 100


def test_every_request_of_a_paced_client_waits() -> None:
    clock = Clock()
    client = boto3.client("cognito-idp", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    pace(client, clock.pacer())
    answer = AWSResponse("http://localhost", 200, {}, None)
    answer._content = b"{}"
    client.meta.events.register_last("before-send.cognito-idp", lambda **_request: answer)
    for _number in range(3):
        client.create_group(UserPoolId="eu-west-1_AbCdEfGhI", GroupName="staff")
    assert clock.now == pytest.approx(100.5)
