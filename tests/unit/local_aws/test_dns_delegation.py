# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A zone is found by the world only through its parent: seen by a certificate that waits for its record."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account

_numbers = itertools.count(1)


@pytest.fixture
def parent() -> str:
    """A domain of its own for each test, since zones of all accounts are searched."""
    return f"delegation{next(_numbers)}.example"


def create_zone(account: Account, name: str) -> tuple[str, list[str]]:
    created = account.client("route53").create_hosted_zone(Name=name, CallerReference=name)
    return created["HostedZone"]["Id"], created["DelegationSet"]["NameServers"]


def put(account: Account, zone: str, name: str, kind: str, *values: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    account.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def request_certificate(account: Account, zone: str, name: str) -> str:
    """Request a certificate and publish its record in the zone."""
    acm = account.client("acm")
    arn = str(acm.request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"])
    record = describe(account, arn)["DomainValidationOptions"][0]["ResourceRecord"]
    put(account, zone, record["Name"], record["Type"], record["Value"])
    return arn


def describe(account: Account, arn: str) -> dict[str, Any]:
    return dict(account.client("acm").describe_certificate(CertificateArn=arn)["Certificate"])


def test_certificate_waits_for_the_delegation(account: Account, other_account: Account, parent: str) -> None:
    name = f"app.{parent}"
    parent_zone, _servers = create_zone(other_account, parent)
    zone, servers = create_zone(account, name)
    arn = request_certificate(account, zone, name)
    assert describe(account, arn)["Status"] == "PENDING_VALIDATION"
    put(other_account, parent_zone, name, "NS", "ns-1.awsdns-01.com.", "ns-2.awsdns-02.net.")
    assert describe(account, arn)["Status"] == "PENDING_VALIDATION"
    put(other_account, parent_zone, name, "NS", *servers)
    assert describe(account, arn)["Status"] == "ISSUED"


def test_record_in_a_forgotten_zone_does_not_count(account: Account, other_account: Account, parent: str) -> None:
    name = f"app.{parent}"
    parent_zone, _servers = create_zone(other_account, parent)
    _zone, servers = create_zone(other_account, name)
    put(other_account, parent_zone, name, "NS", *servers)
    forgotten, _servers = create_zone(account, name)
    assert describe(account, request_certificate(account, forgotten, name))["Status"] == "PENDING_VALIDATION"


def test_zone_without_a_parent_here_is_found(account: Account, parent: str) -> None:
    zone, _servers = create_zone(account, parent)
    assert describe(account, request_certificate(account, zone, parent))["Status"] == "ISSUED"
