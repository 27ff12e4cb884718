# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documented times, scaled: what is slow on AWS is pending for so long, and not longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.local_aws.provisioning import DOCUMENTED
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.conftest import TIME_SCALE
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    CERTIFICATE_REGION,
    create_zone,
    request_certificate,
    upsert,
    validation_record,
    wait_for,
)

SLACK_SECONDS = 2.0


def took(start: Callable[[], Any], is_done: Callable[[], Any]) -> float:
    """Starts something, waits until it is done, and returns the seconds that this took."""
    started = time.monotonic()
    start()
    wait_for(is_done)
    return time.monotonic() - started


def described(acm: Any, arn: str) -> dict[str, Any]:
    return dict(acm.describe_certificate(CertificateArn=arn)["Certificate"])


def address_record(name: str) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}


def within(measured: float, *parts: str) -> bool:
    """Whether a time is what these things take together, but for the time of a slow machine."""
    expected = sum(DOCUMENTED[part] for part in parts) * TIME_SCALE
    return expected <= measured <= expected + SLACK_SECONDS


@pytest.fixture
def name(scaled_account: Account) -> str:
    """Zones of one name in several accounts would answer for each other."""
    return f"timed-{scaled_account.number}.example.com"


@pytest.fixture
def zone(scaled_account: Account, name: str) -> str:
    return create_zone(scaled_account, name)


def test_certificate_waits_for_its_record(scaled_account: Account, name: str, zone: str) -> None:
    acm = scaled_account.client("acm")
    arns: list[str] = []

    def request() -> None:
        arns.append(request_certificate(scaled_account, name)[1])

    def publish() -> None:
        upsert(scaled_account, zone, validation_record(acm, arns[0]))

    known = took(request, lambda: "ResourceRecord" in described(acm, arns[0])["DomainValidationOptions"][0])
    assert within(known, "acm.record")
    issued = took(publish, lambda: described(acm, arns[0])["Status"] == "ISSUED")
    assert within(issued, "route53.change", "acm.validation")


def test_change_of_records_spreads(scaled_account: Account, name: str, zone: str) -> None:
    route53 = scaled_account.client("route53")
    changes = [{"Action": "UPSERT", "ResourceRecordSet": address_record(name)}]
    submitted: list[str] = []

    def submit() -> None:
        answer = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        submitted.append(answer["ChangeInfo"]["Id"])

    def is_in_sync() -> bool:
        return bool(route53.get_change(Id=submitted[0])["ChangeInfo"]["Status"] == "INSYNC")

    assert within(took(submit, is_in_sync), "route53.change")


def test_login_domain_comes_and_goes(scaled_account: Account, name: str, zone: str) -> None:
    cognito, domain = scaled_account.client("cognito-idp"), f"auth.{name}"
    pool = cognito.create_user_pool(PoolName="timed")["UserPool"]["Id"]
    wanted = {
        "UserPoolId": pool,
        "Domain": domain,
        "CustomDomainConfig": {"CertificateArn": issued(scaled_account, zone, domain)},
    }

    def create() -> None:
        cognito.create_user_pool_domain(**wanted)

    def delete() -> None:
        cognito.delete_user_pool_domain(UserPoolId=pool, Domain=domain)

    def status() -> str | None:
        return cognito.describe_user_pool_domain(Domain=domain)["DomainDescription"].get("Status")

    upsert(scaled_account, zone, address_record(name))
    with refused("InvalidParameterException", "Was not able to resolve a DNS A record"):
        create()
    time.sleep(DOCUMENTED["route53.change"] * TIME_SCALE)
    assert within(took(create, lambda: status() == "ACTIVE"), "cognito.custom_domain")
    assert within(took(delete, lambda: status() is None), "cognito.domain_deletion")


def issued(account: Account, zone: str, domain: str) -> str:
    acm, arn = request_certificate(account, domain, CERTIFICATE_REGION)
    wait_for(lambda: "ResourceRecord" in described(acm, arn)["DomainValidationOptions"][0])
    upsert(account, zone, validation_record(acm, arn))
    wait_for(lambda: described(acm, arn)["Status"] == "ISSUED")
    return arn


def test_service_drains(scaled_account: Account) -> None:
    ecs = scaled_account.client("ecs")
    ecs.create_cluster(clusterName="apps")
    container = {"name": "web", "image": "web", "portMappings": [{"containerPort": 3000}]}
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", cpu="256", memory="512", containerDefinitions=[container]
    )
    ecs.create_service(cluster="apps", serviceName="web", taskDefinition="web", desiredCount=0)

    def delete() -> None:
        ecs.delete_service(cluster="apps", service="web", force=True)

    def status() -> str:
        return str(ecs.describe_services(cluster="apps", services=["web"])["services"][0]["status"])

    assert within(took(delete, lambda: status() == "INACTIVE"), "ecs.service_deletion")
