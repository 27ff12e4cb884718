# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A parent domain that somebody else manages: the run stops with what to enter there, and goes on once it is there."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from conftest import PARENT, LocalAws, PlaybookRun

DOMAIN = f"elsewhere.{PARENT}"
HOST = {
    "stack_name": "elsewhere",
    "stack_region": "ap-northeast-1",
    "stack_parent_domain": PARENT,
    "stack_parent_managed": False,
    "stack_domain": DOMAIN,
}
PLAYBOOK = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - import_role: {name: gatehouse.fargate.network_endpoints}
    - import_role: {name: gatehouse.fargate.network_endpoints, tasks_from: delegation.yml}
"""


def failed_result(run: PlaybookRun) -> dict[str, Any]:
    tasks = [
        task["hosts"]["hello"] for play in run.report["plays"] for task in play["tasks"] if "hello" in task["hosts"]
    ]
    found: dict[str, Any] = next(result for result in tasks if result.get("failed"))
    return found


def enter(local_aws: LocalAws, records: list[str]) -> None:
    """Enters the records as printed, as the owner of the parent domain does."""
    fields = [record.split() for record in records]
    route53 = local_aws.client("route53")
    zone = route53.list_hosted_zones_by_name(DNSName=PARENT)["HostedZones"][0]["Id"]
    record = {
        "Name": fields[0][0],
        "Type": fields[0][3],
        "TTL": int(fields[0][1]),
        "ResourceRecords": [{"Value": field[4]} for field in fields],
    }
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


@pytest.fixture
def playbook(tmp_path: Any) -> str:
    path = tmp_path / "network.yml"
    path.write_text(PLAYBOOK, encoding="utf-8")
    return str(path)


def test_the_run_stops_with_the_records_and_resumes(play: Any, local_aws: LocalAws, playbook: str) -> None:
    started = time.monotonic()
    stopped = play(playbook, {"hello": HOST})
    assert time.monotonic() - started < 60
    failed = failed_result(stopped)
    assert stopped.status == 11
    assert failed["failure"]["code"] == "delegation_missing"
    assert failed["msg"].startswith(f"delegation_missing: {DOMAIN} ")
    assert f"in the zone {PARENT}" in failed["msg"]
    assert (
        local_aws.client("ec2").describe_vpcs(Filters=[{"Name": "tag:gatehouse:stack", "Values": ["elsewhere"]}])[
            "Vpcs"
        ]
        == []
    )
    enter(local_aws, failed["failure"]["records"])
    resumed = play(playbook, {"hello": HOST})
    assert resumed.status == 0, resumed.failure("hello") + resumed.stderr
    zones = local_aws.client("route53").list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"]
    assert [zone["Name"] for zone in zones].count(f"{DOMAIN}.") == 1


@pytest.mark.parametrize(
    "environment",
    [{"GATEHOUSE_DELEGATION_EXIT_CODE": "0"}, {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.timer"}],
    ids=["zero", "no callback"],
)
def test_who_wants_ansibles_own_status_gets_it(play: Any, playbook: str, environment: dict[str, str]) -> None:
    other = {**HOST, "stack_name": "other", "stack_domain": f"other.{PARENT}"}
    assert play(playbook, {"hello": other}, **environment).status == 2


def test_another_failure_beside_it_is_a_failure(play: Any, playbook: str) -> None:
    other = {**HOST, "stack_name": "other", "stack_domain": f"other.{PARENT}"}
    run = play(playbook, {"hello": other, "broken": {**other, "stack_name": "-"}})
    assert failed_result(run)["failure"]["code"] == "delegation_missing"
    assert run.status == 2


OTHER_PARENT = "company.localhost"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def other_account(local_aws: LocalAws) -> LocalAws:
    """Another account, which owns a parent domain and lets a role of its own write there."""
    account = LocalAws({**local_aws.environment, "AWS_ACCESS_KEY_ID": "999988887777"})
    account.client("route53").create_hosted_zone(Name=OTHER_PARENT, CallerReference=OTHER_PARENT)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    account.client("iam").create_role(RoleName="delegate", AssumeRolePolicyDocument=policy)
    return account


def test_a_parent_in_another_account_is_written_through_its_role(
    play: Any, local_aws: LocalAws, playbook: str, other_account: LocalAws
) -> None:
    domain = f"hello.{OTHER_PARENT}"
    variables = {
        **HOST,
        "stack_name": "across",
        "stack_parent_domain": OTHER_PARENT,
        "stack_parent_managed": True,
        "stack_parent_role_arn": "arn:aws:iam::999988887777:role/delegate",
        "stack_domain": domain,
    }
    run = play(playbook, {"hello": variables})
    assert run.status == 0, run.failure("hello") + run.stderr
    ours = local_aws.client("route53").list_hosted_zones_by_name(DNSName=domain)["HostedZones"][0]
    served = local_aws.client("route53").get_hosted_zone(Id=ours["Id"])["DelegationSet"]["NameServers"]
    route53 = other_account.client("route53")
    (parent,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=parent["Id"])["ResourceRecordSets"]
    (delegation,) = [one for one in records if (one["Name"], one["Type"]) == (f"{domain}.", "NS")]
    assert sorted(one["Value"].rstrip(".") for one in delegation["ResourceRecords"]) == sorted(served)
    assert play(playbook, {"hello": variables}).changed() == 0


def test_a_parent_of_somebody_else_takes_no_role(play: Any, playbook: str) -> None:
    role = "arn:aws:iam::123456789012:role/delegate"
    run = play(playbook, {"hello": {**HOST, "stack_parent_role_arn": role}})
    assert "stack_parent_managed" in run.failure("hello")
    assert role in run.failure("hello")
