# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route 53's five requests a second: who asks faster is refused, and other accounts are not."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError

RATE = 5
FIRST, SECOND = "300000000001", "300000000002"


def refusals(route53: Any, requests: int) -> list[Any]:
    found = []
    for _request in range(requests):
        try:
            route53.list_hosted_zones()
        except ClientError as error:
            found.append(error.response)
    return found


def test_what_comes_too_fast_is_refused_in_route_53s_words(throttling_endpoint: str) -> None:
    route53 = Account(throttling_endpoint, FIRST).client("route53")
    began = time.monotonic()
    refused = refusals(route53, 4 * RATE)
    taken = 4 * RATE - len(refused)
    assert RATE <= taken <= RATE * (1 + time.monotonic() - began)
    assert {answer["Error"]["Code"] for answer in refused} == {"Throttling"}
    assert {answer["Error"]["Message"] for answer in refused} == {"Rate exceeded"}
    assert {answer["ResponseMetadata"]["HTTPStatusCode"] for answer in refused} == {400}


def test_an_account_has_its_own_rate(throttling_endpoint: str) -> None:
    assert refusals(Account(throttling_endpoint, FIRST).client("route53"), 4 * RATE)
    assert refusals(Account(throttling_endpoint, SECOND).client("route53"), 1) == []


def test_who_waits_as_botocore_does_gets_every_answer(throttling_endpoint: str) -> None:
    assert refusals(Account(throttling_endpoint, FIRST).client("route53", attempts=10), 3 * RATE) == []


def test_other_services_have_none_of_it(throttling_endpoint: str) -> None:
    ec2 = Account(throttling_endpoint, FIRST).client("ec2")
    assert [ec2.describe_vpcs()["ResponseMetadata"]["HTTPStatusCode"] for _call in range(4 * RATE)] == [200] * 4 * RATE
