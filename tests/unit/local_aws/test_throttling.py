# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route 53's limits: five requests a second of an account, and one change of a zone at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError

RATE = 5
FIRST, SECOND, THIRD, FOURTH = (f"30000000000{number}" for number in range(1, 5))


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


def add_records(route53: Any, zone: str, count: int) -> list[str]:
    """Adds records at the same time; returns the codes of what was refused."""

    def add(number: int) -> str:
        record = {
            "Name": f"host-{number}.example.com",
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        try:
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(count) as pool:
        return [code for code in pool.map(add, range(count)) if code]


def test_a_zone_takes_one_change_at_a_time(throttling_endpoint: str) -> None:
    account = Account(throttling_endpoint, THIRD)
    zone = account.client("route53").create_hosted_zone(Name="example.com", CallerReference="x")["HostedZone"]["Id"]
    impatient, refused = account.client("route53"), []
    for _round in range(20):
        # Two at once, as far as this machine starts them at once, and no more than the rate allows.
        refused += add_records(impatient, zone, 2)
        if refused:
            break
        time.sleep(2 / RATE)
    assert refused == ["PriorRequestNotComplete"]


def test_changes_that_wait_as_botocore_does_are_all_made(throttling_endpoint: str) -> None:
    account = Account(throttling_endpoint, FOURTH)
    patient = account.client("route53", attempts=10)
    zone = patient.create_hosted_zone(Name="example.com", CallerReference="x")["HostedZone"]["Id"]
    assert add_records(patient, zone, 4) == []


def test_other_services_have_none_of_it(throttling_endpoint: str) -> None:
    ec2 = Account(throttling_endpoint, FIRST).client("ec2")
    assert [ec2.describe_vpcs()["ResponseMetadata"]["HTTPStatusCode"] for _call in range(4 * RATE)] == [200] * 4 * RATE
