# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The closed network with login: what stands in the account, and what a visitor meets."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import client, containers_run, owned, visitor

NAME = "hello-test"
HOST = "hello.gatehouse.localhost"
needs_containers = pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here")


def endpoint_services() -> set[str]:
    endpoints = client("ec2").describe_vpc_endpoints(Filters=owned(NAME))["VpcEndpoints"]
    return {endpoint["ServiceName"].split(".", 3)[-1] for endpoint in endpoints}


def test_the_network_is_closed() -> None:
    assert endpoint_services() == {"ecr.api", "ecr.dkr", "logs", "ssmmessages", "s3"}
    assert client("ec2").describe_nat_gateways(Filters=owned(NAME))["NatGateways"] == []


def test_the_tasks_reach_only_endpoints_and_s3() -> None:
    groups = client("ec2").describe_security_groups(Filters=owned(NAME))["SecurityGroups"]
    (service,) = [group for group in groups if group["GroupName"].endswith("-service")]
    outbound = service["IpPermissionsEgress"]
    assert {permission["FromPort"] for permission in outbound} == {443}
    assert [permission for permission in outbound if permission.get("IpRanges")] == []


def test_the_parent_zone_delegates_the_sub_domain() -> None:
    route53 = client("route53")
    zones = {zone["Name"]: zone["Id"] for zone in route53.list_hosted_zones()["HostedZones"]}
    served = route53.get_hosted_zone(Id=zones[f"{HOST}."])["DelegationSet"]["NameServers"]
    records = route53.list_resource_record_sets(HostedZoneId=zones["gatehouse.localhost."])["ResourceRecordSets"]
    (delegation,) = [record for record in records if record["Name"] == f"{HOST}." and record["Type"] == "NS"]
    assert {record["Value"].rstrip(".") for record in delegation["ResourceRecords"]} == {s.rstrip(".") for s in served}
    assert delegation["TTL"] == 300


def test_both_certificates_are_issued() -> None:
    for region, name in (("ap-northeast-1", HOST), ("us-east-1", f"auth.{HOST}")):
        found = client("acm", region).list_certificates()["CertificateSummaryList"]
        assert [(c["DomainName"], c["Status"]) for c in found] == [(name, "ISSUED")]


def test_the_image_tag_cannot_be_overwritten() -> None:
    (repository,) = client("ecr").describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    (image,) = client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    assert image["imageSizeInBytes"] < 15_000_000


def test_the_task_runs_the_digest_read_only_under_an_init() -> None:
    ecs = client("ecs")
    (service,) = ecs.describe_services(cluster=NAME, services=[NAME])["services"]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    (image,) = client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    assert container["image"].endswith(f"@{image['imageDigest']}")
    assert container["linuxParameters"]["initProcessEnabled"] is True
    assert service["enableExecuteCommand"] is True
    breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert (breaker["enable"], breaker["rollback"]) == (True, True)


def test_every_declared_user_is_there() -> None:
    cognito = client("cognito-idp")
    (pool,) = [pool for pool in cognito.list_user_pools(MaxResults=60)["UserPools"] if pool["Name"] == NAME]
    assert {user["Username"] for user in cognito.list_users(UserPoolId=pool["Id"])["Users"]} == {"alice", "bob"}


def test_http_is_sent_to_https() -> None:
    page = visitor().get(f"http://{HOST}/some/page", follow=False)
    assert page.status == 301
    assert urlsplit(page.location)[:3] == ("https", urlsplit(page.location).netloc, "/some/page")
    assert urlsplit(page.location).hostname == HOST


def test_without_a_session_the_visitor_is_sent_to_login() -> None:
    page = visitor().get(f"https://{HOST}/", follow=False)
    asked = urlsplit(page.location)
    assert page.status == 302
    assert asked.hostname == f"auth.{HOST}"
    assert parse_qs(asked.query)["redirect_uri"] == [f"https://{HOST}/oauth2/idpresponse"]


@needs_containers
def test_the_public_path_needs_no_login() -> None:
    page = visitor().get(f"https://{HOST}/healthz", follow=False)
    assert (page.status, page.text.strip()) == (200, "ok")


@needs_containers
def test_login_leads_to_the_app() -> None:
    page = visitor().sign_in(f"https://{HOST}/", "bob", "Welcome-to-Gatehouse-2", "Chosen-at-first-login-2")
    assert page.status == 200
    assert "Hello World from Rust app" in page.text
    assert "bob" in page.text


def test_a_wrong_password_is_refused() -> None:
    stranger = visitor()
    refused = stranger.fill(stranger.get(f"https://{HOST}/"), "alice", "not-the-password")
    assert urlsplit(refused.url).hostname == f"auth.{HOST}"
