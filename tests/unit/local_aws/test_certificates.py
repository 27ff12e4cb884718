# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ACM: certificates wait for their record, and are held by those who use them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    CERTIFICATE_REGION,
    build_network,
    create_zone,
    issue,
    upsert,
    validation_record,
)

NAME = "certificates.example.com"


@pytest.fixture
def acm(account: Account) -> Any:
    return account.client("acm")


def describe(acm: Any, arn: str) -> dict[str, Any]:
    return dict(acm.describe_certificate(CertificateArn=arn)["Certificate"])


def request(acm: Any, name: str = NAME, **more: Any) -> str:
    return str(acm.request_certificate(DomainName=name, ValidationMethod="DNS", **more)["CertificateArn"])


def test_pending_until_the_record_is_published(account: Account, acm: Any) -> None:
    zone, arn = create_zone(account, NAME), request(acm)
    before = describe(acm, arn)
    assert before["Status"] == "PENDING_VALIDATION"
    assert "IssuedAt" not in before
    record = validation_record(acm, arn)
    assert re.fullmatch(rf"_[0-9a-f]{{32}}\.{re.escape(NAME)}\.", record["Name"])
    assert re.fullmatch(r"_[0-9a-f]{32}\.[0-9a-z]{10}\.acm-validations\.aws\.", record["ResourceRecords"][0]["Value"])
    upsert(account, zone, {**record, "ResourceRecords": [{"Value": "_wrong.acm-validations.aws."}]})
    assert describe(acm, arn)["Status"] == "PENDING_VALIDATION"
    upsert(account, zone, record)
    after = describe(acm, arn)
    assert (after["Status"], after["DomainValidationOptions"][0]["ValidationStatus"]) == ("ISSUED", "SUCCESS")
    assert "IssuedAt" in after


def test_every_name_needs_its_record(account: Account, acm: Any) -> None:
    zone = create_zone(account, NAME)
    arn = request(acm, SubjectAlternativeNames=[f"*.{NAME}", f"www.{NAME}"])
    options = describe(acm, arn)["DomainValidationOptions"]
    records = {option["DomainName"]: option["ResourceRecord"] for option in options}
    assert records[NAME] == records[f"*.{NAME}"] != records[f"www.{NAME}"]
    upsert(account, zone, validation_record(acm, arn))
    assert describe(acm, arn)["Status"] == "PENDING_VALIDATION"


def test_regions_share_the_record_but_not_the_certificate(account: Account, acm: Any) -> None:
    other = account.client("acm", CERTIFICATE_REGION)
    here, there = request(acm), request(other)
    assert validation_record(acm, here) == validation_record(other, there)
    with refused("ResourceNotFoundException"):
        acm.describe_certificate(CertificateArn=there)


def test_token_makes_the_request_idempotent(acm: Any) -> None:
    first = request(acm, IdempotencyToken="once")
    assert request(acm, IdempotencyToken="once") == first
    assert request(acm, IdempotencyToken="twice") != first
    assert request(acm, f"other.{NAME}", IdempotencyToken="once") != first


def test_in_use_by_a_listener(account: Account, acm: Any) -> None:
    arn = issue(account, create_zone(account, NAME), NAME)
    elb, (subnets, _vpc) = account.client("elbv2"), build_network(account)
    balancer = elb.create_load_balancer(Name="user", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    wanted = {"Port": 443, "Protocol": "HTTPS", "DefaultActions": [fixed]}
    with refused("UnsupportedCertificate"):
        pending = [{"CertificateArn": request(acm, f"pending.{NAME}")}]
        elb.create_listener(LoadBalancerArn=balancer, Certificates=pending, **wanted)
    elb.create_listener(LoadBalancerArn=balancer, Certificates=[{"CertificateArn": arn}], **wanted)
    assert describe(acm, arn)["InUseBy"] == [balancer]
    assert [one["InUse"] for one in acm.list_certificates()["CertificateSummaryList"]] == [True, False]
    with refused("ResourceInUseException"):
        acm.delete_certificate(CertificateArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    acm.delete_certificate(CertificateArn=arn)
