# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One image for three accounts, wave by wave; one of two in the second wave fails once.

The tests build on one another, in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

REGION = "ap-northeast-1"
HOME = "111122223333"
ACCOUNTS = {
    "hello-dev": "222233334444",
    "hello-next": "333344445555",
    "hello-staging": "333344445555",
    "hello-production": "444455556666",
}
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PLAN = EPHEMERAL / "plan.json"
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NO_SERVICE = {"Effect": "Deny", "Action": "ecs:CreateService", "Resource": "*"}
HANDLER = "Build and push the image"


def client(service: str, account: str) -> Any:
    return boto3.client(service, region_name=REGION, aws_access_key_id=account, aws_secret_access_key="any")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(account: str, role: str, *statements: dict[str, Any]) -> None:
    client("iam", account).put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=document(*statements))


def make_role(account: str, role: str, trusted: list[str], **condition: Any) -> None:
    principals = [f"arn:aws:iam::{other}:root" for other in trusted]
    trust = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole", **condition}
    client("iam", account).create_role(RoleName=role, AssumeRolePolicyDocument=document(trust))
    allow(account, role, ANYTHING)


@pytest.fixture(scope="module")
def deployer() -> dict[str, str]:
    """Makes the accounts' roles, and a user who may do nothing but take them; returns the user's environment."""
    for name, account in ACCOUNTS.items():
        make_role(account, name, [HOME], Condition={"StringEquals": {"sts:ExternalId": "gate-1"}})
    make_role(HOME, "dns", sorted({*ACCOUNTS.values()}))
    iam = client("iam", HOME)
    iam.create_user(UserName="pipeline")
    taking = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/hello-*"}
    iam.put_user_policy(UserName="pipeline", PolicyName="roles", PolicyDocument=document(taking))
    key = iam.create_access_key(UserName="pipeline")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@dataclass(frozen=True)
class Rollout:
    """One run of rollout.yml."""

    status: int
    tasks: list[tuple[str, dict[str, dict[str, Any]]]]
    plan: dict[str, Any]
    output: str

    def builds(self) -> int:
        return sum(len(hosts) for name, hosts in self.tasks if name.endswith(HANDLER))

    def changed(self, host: str) -> list[str]:
        return [name for name, hosts in self.tasks if hosts.get(host, {}).get("changed")]

    def failures(self) -> dict[str, str]:
        return {
            host: str(result.get("msg"))
            for _name, hosts in self.tasks
            for host, result in hosts.items()
            if result.get("failed")
        }


def rollout(user: dict[str, str], *options: str) -> Rollout:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "gatehouse.fargate.rollout"]
    PLAN.unlink(missing_ok=True)
    settings = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_CALLBACKS_ENABLED": "gatehouse.fargate.plan",
        "GATEHOUSE_PLAN_FILE": str(PLAN),
    }
    done = subprocess.run(
        [*command, "-i", str(EPHEMERAL / "inventory"), *options], env={**os.environ, **settings, **user},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "{" in done.stdout, done.stderr
    # Other callbacks write after the report.
    report, _end = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])
    tasks = [(task["task"]["name"], task["hosts"]) for play in report["plays"] for task in play["tasks"]]
    ran = [(name, {host: one for host, one in hosts.items() if not one.get("skipped")}) for name, hosts in tasks]
    plan = json.loads(PLAN.read_text(encoding="utf-8")) if PLAN.exists() else {}
    return Rollout(done.returncode, ran, plan, done.stdout + done.stderr)


def deployed(name: str) -> str:
    """The digest that an environment's service stands on, empty when there is no service."""
    ecs = client("ecs", ACCOUNTS[name])
    if not ecs.list_clusters()["clusterArns"]:
        return ""
    services = ecs.describe_services(cluster=name, services=[name])["services"]
    if not services:
        return ""
    definition = ecs.describe_task_definition(taskDefinition=services[0]["taskDefinition"])["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"].partition("@")[2])


def calls() -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{ENDPOINT}/_local_aws/calls") as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def forget_calls() -> None:
    urllib.request.urlopen(urllib.request.Request(f"{ENDPOINT}/_local_aws/calls", method="DELETE")).close()


def writes(account: str) -> list[str]:
    reading = ("Describe", "Get", "List", "Batch", "Head", "AssumeRole")
    actions = [call["action"] for call in calls() if call["account"] == account]
    return [action for action in actions if not action.split(":")[-1].startswith(reading)]


def test_a_wave_that_fails_is_the_last(deployer: dict[str, str]) -> None:
    allow(ACCOUNTS["hello-staging"], "hello-staging", ANYTHING, NO_SERVICE)
    forget_calls()
    run = rollout(deployer)
    assert run.status != 0
    assert run.builds() == 1, run.output
    assert "ecs:CreateService" in run.failures()["hello-staging"]
    assert "Wave production does not start" in run.failures()["hello-production"]
    assert "hello-staging" in run.failures()["hello-production"]
    assert deployed("hello-dev").startswith("sha256:")
    assert deployed("hello-next") == deployed("hello-dev")
    assert deployed("hello-staging") == ""
    assert writes(ACCOUNTS["hello-production"]) == []
    # One session for each environment; dns is taken by whoever delegates.
    taken = [call for call in calls() if call["action"] == "sts:AssumeRole" and call["account"] == HOME]
    assert len(taken) == len(ACCOUNTS)
    assert "hello-staging     -" in run.output
    assert "failed: Deploy | Run the service" in run.output
    assert "not started" in run.output


def test_a_wave_that_needs_approval_waits(deployer: dict[str, str]) -> None:
    forget_calls()
    run = rollout(deployer, "--limit", "hello-production")
    assert run.status != 0
    assert "-e approve=production" in run.failures()["hello-production"]
    assert writes(ACCOUNTS["hello-production"]) == []


def test_the_same_again_goes_on_where_it_stopped(deployer: dict[str, str]) -> None:
    allow(ACCOUNTS["hello-staging"], "hello-staging", ANYTHING)
    run = rollout(deployer, "-e", "approve=production")
    assert (run.failures(), run.status, run.builds()) == ({}, 0, 0), run.output
    assert run.changed("hello-dev") == []
    assert "Deploy | Run the service" in " ".join(run.changed("hello-staging"))
    digests = {deployed(name) for name in ACCOUNTS}
    assert len(digests) == 1
    (digest,) = digests
    reports = {name: host["report"] for name, host in run.plan["hosts"].items()}
    assert {report["digest"] for report in reports.values()} == {digest}
    assert {report["verdict"] for report in reports.values()} == {"passed"}
    for name, report in reports.items():
        assert report["address"] == f"https://{name}.gatehouse.localhost/"
        assert report["usd_a_month"] == pytest.approx(115.19, abs=0.02)


def test_what_is_done_is_neither_asked_about_nor_touched(deployer: dict[str, str]) -> None:
    forget_calls()
    run = rollout(deployer)
    assert (run.failures(), run.status, run.builds()) == ({}, 0, 0), run.output
    assert [run.changed(name) for name in ACCOUNTS] == [[]] * len(ACCOUNTS)
    assert [writes(account) for account in ACCOUNTS.values()] == [[]] * len(ACCOUNTS)


def test_no_environment_reached_another_account(deployer: dict[str, str]) -> None:
    """Every role's key was used in its own account alone; the parent zone is the one thing that they share."""
    assert deployer["AWS_ACCESS_KEY_ID"]
    used: dict[str, set[str]] = {}
    for call in calls():
        used.setdefault(call["key"], set()).add(call["account"])
    assert all(len(accounts) == 1 for accounts in used.values())
    for account in ACCOUNTS.values():
        repositories = client("ecr", account).describe_repositories()["repositories"]
        names = [name for name, owner in ACCOUNTS.items() if owner == account]
        assert sorted(repository["repositoryName"] for repository in repositories) == names
