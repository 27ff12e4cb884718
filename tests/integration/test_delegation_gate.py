# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A parent domain that somebody else manages: the run stops with what to enter there, and goes on once it is there."""

from __future__ import annotations

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
    assert stopped.status == 2
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


def test_a_parent_of_somebody_else_takes_no_role(play: Any, playbook: str) -> None:
    role = "arn:aws:iam::123456789012:role/delegate"
    run = play(playbook, {"hello": {**HOST, "stack_parent_role_arn": role}})
    assert "stack_parent_managed" in run.failure("hello")
    assert role in run.failure("hello")
