# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who may reach the load balancer at all: an allow-list of address ranges instead of everybody."""

from __future__ import annotations

from typing import Any

from conftest import PARENT, LocalAws

PLAYBOOK = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - import_role: {name: gatehouse.fargate.network_endpoints}
"""
HOST = {
    "stack_name": "office",
    "stack_region": "ap-northeast-1",
    "stack_parent_domain": PARENT,
    "stack_domain": f"office.{PARENT}",
    "stack_https_cidrs": ["203.0.113.0/24", "198.51.100.7/32"],
    "stack_http_cidrs": [],
}


def ranges(local_aws: LocalAws) -> dict[int, set[str]]:
    wanted = [{"Name": "group-name", "Values": ["office-alb"]}]
    (group,) = local_aws.client("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"]
    return {one["FromPort"]: {found["CidrIp"] for found in one["IpRanges"]} for one in group["IpPermissions"]}


def test_only_the_listed_ranges_reach_the_load_balancer(play: Any, local_aws: LocalAws, tmp_path: Any) -> None:
    playbook = tmp_path / "network.yml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    run = play(str(playbook), {"hello": HOST})
    assert run.status == 0, run.failure("hello") + run.stderr
    assert ranges(local_aws) == {443: {"203.0.113.0/24", "198.51.100.7/32"}}

    changed = play(str(playbook), {"hello": {**HOST, "stack_https_cidrs": ["203.0.113.0/24"]}})
    assert changed.changed() == 1
    assert ranges(local_aws) == {443: {"203.0.113.0/24"}}
