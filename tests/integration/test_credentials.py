# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Each environment reaches its own account, by one call of STS, and its secrets stay where they belong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from accounts import EXTERNAL_ID, make_role, make_user
from conftest import ROOT, LocalAws, PlaybookRun, run_playbook, running_local_aws

STAGING, PRODUCTION = "222233334444", "333344445555"
REMEMBER = """
from pathlib import Path
class FilterModule:
    def filters(self):
        return {"remember": lambda value, path: Path(path).write_text(str(value)) and ""}
"""
# Every argument that any module process gets.
INTERPRETER = """#!/bin/sh
printf '%s\\n' "$@" >> {log}
exec {python} "$@"
"""


@dataclass(frozen=True)
class Accounts:
    """A local AWS that enforces policies, and the environment variables of somebody who may only take roles."""

    aws: LocalAws
    user: dict[str, str]
    folder: Path

    def run(
        self, tasks: list[dict[str, Any]], hosts: dict[str, dict[str, Any]], *options: str, **environment: str
    ) -> PlaybookRun:
        playbook, inventory = self.folder / "play.yml", self.folder / "inventory.yml"
        variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "ansible_pipelining": True}
        play = {
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "vars": variables,
            "module_defaults": {
                "group/amazon.aws.aws": "{{ lookup('gatehouse.fargate.aws_options', stack_region) }}",
            },
            "tasks": tasks,
        }
        playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        settings = {**self.aws.environment, **self.user, **environment}
        return run_playbook([str(playbook), "-i", str(inventory), *options], settings)

    def taken(self) -> list[str]:
        return [call["action"] for call in self.aws.calls() if call["action"] == "sts:AssumeRole"]


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    with running_local_aws(folder / "aws", LOCAL_AWS_DOCKER="false", AUTH="true") as aws:
        for account in (STAGING, PRODUCTION):
            make_role(aws, account, external_id=EXTERNAL_ID)
        yield Accounts(aws, make_user(aws), folder)


def environment_in(account: str, **variables: Any) -> dict[str, Any]:
    return {
        "stack_name": "hello",
        "stack_region": "ap-northeast-1",
        "stack_role_arn": f"arn:aws:iam::{account}:role/gatehouse",
        "stack_role_external_id": EXTERNAL_ID,
        **variables,
    }


TAKE = {"ansible.builtin.import_role": {"name": "gatehouse.fargate.aws_session"}}
AGAIN = {"ansible.builtin.import_role": {"name": "gatehouse.fargate.aws_session", "tasks_from": "renew.yml"}}
ASK = {"amazon.aws.aws_caller_info": {}, "register": "caller"}
# The filter writes the facts where the test finds them, and nowhere else.
KEEP = {
    "ansible.builtin.set_fact": {"kept": "{{ aws_session | to_json | remember(keep ~ inventory_hostname) }}"},
    "no_log": True,
}
HOSTS = {"staging": environment_in(STAGING), "production": environment_in(PRODUCTION)}


def callers(run: PlaybookRun) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for play in run.report["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                if "account" in result:
                    found.setdefault(host, set()).add(result["account"])
    return found


def test_each_environment_is_in_its_own_account_by_one_call(accounts: Accounts) -> None:
    accounts.aws.forget_calls()
    run = accounts.run([TAKE, ASK, AGAIN, ASK], HOSTS)
    assert run.status == 0, run.output
    assert callers(run) == {"staging": {STAGING}, "production": {PRODUCTION}}
    assert len(accounts.taken()) == 2
    assert run.changed() == 0


def test_no_secret_is_in_output_arguments_or_files(accounts: Accounts, tmp_path: Path) -> None:
    arguments, interpreter = tmp_path / "arguments", tmp_path / "python"
    interpreter.write_text(INTERPRETER.format(log=arguments, python=sys.executable), encoding="utf-8")
    interpreter.chmod(0o755)
    filters = accounts.folder / "filter_plugins"
    filters.mkdir()
    (filters / "remember.py").write_text(REMEMBER, encoding="utf-8")
    run = accounts.run(
        [TAKE, ASK, KEEP], HOSTS, "-vvvvv",
        "-e", f"keep={tmp_path}/", "-e", f"ansible_python_interpreter={interpreter}",
        # A module that had to be written to a file could not run.
        ANSIBLE_REMOTE_TEMP="/proc/nowhere", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default",
    )  # fmt: skip
    assert run.status == 0, run.output
    shown = run.output + run.stderr
    sessions = [json.loads((tmp_path / host).read_text(encoding="utf-8")) for host in HOSTS]
    for session in sessions:
        for secret in (session["secret_key"], session["session_token"]):
            assert len(secret) > 20
            assert secret not in shown
            assert secret not in arguments.read_text(encoding="utf-8")
    assert sessions[0]["secret_key"] != sessions[1]["secret_key"]


def test_a_session_is_renewed_before_it_ends(accounts: Accounts) -> None:
    accounts.aws.forget_calls()
    # Nearly over from the start: 900 seconds are the shortest that AWS gives, and the margin is half of them.
    expire = {
        "ansible.builtin.set_fact": {
            "aws_session": "{{ aws_session | combine({'ends': aws_session.ends | int - 600}) }}"
        }
    }
    run = accounts.run([TAKE, expire, AGAIN, ASK, AGAIN], {"staging": environment_in(STAGING, stack_role_duration=900)})
    assert run.status == 0, run.output
    assert len(accounts.taken()) == 2
    assert callers(run) == {"staging": {STAGING}}


def test_a_profile_goes_before_keys_of_the_process(accounts: Accounts) -> None:
    config = accounts.folder / "credentials"
    config.write_text(f"[other]\naws_access_key_id = {PRODUCTION}\naws_secret_access_key = example\n", encoding="utf-8")
    host = {"stack_name": "hello", "stack_region": "ap-northeast-1", "stack_profile": "other"}
    run = accounts.run([TAKE, ASK], {"one": host}, AWS_SHARED_CREDENTIALS_FILE=str(config))
    assert run.status == 0, run.output
    assert callers(run) == {"one": {PRODUCTION}}


def test_without_its_own_credentials_nothing_is_asked_of_aws(accounts: Accounts) -> None:
    accounts.aws.forget_calls()
    run = accounts.run([ASK], {"staging": environment_in(STAGING)})
    assert run.status != 0
    assert "stack_role_arn of staging" in run.output
    assert "gatehouse.fargate.aws_session" in run.output
    assert accounts.aws.calls() == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"stack_role_arn": "gatehouse"}, ["stack_role_arn (aws_session_role_arn) is 'gatehouse'"]),
        ({"stack_role_arn": ""}, ["stack_role_external_id (aws_session_external_id) is set"]),
        ({"stack_role_duration": 60}, ["stack_role_duration (aws_session_duration) is 60", "900"]),
        ({"stack_role_session_name": "a b"}, ["stack_role_session_name (aws_session_name) is 'a b'"]),
        ({"stack_role_external_id": "wrong"}, ["AccessDenied", "stack_role_external_id", f"{STAGING}:role/gatehouse"]),
    ],
)
def test_a_role_that_cannot_be_taken_is_refused(
    accounts: Accounts, variables: dict[str, Any], words: list[str]
) -> None:
    run = accounts.run([TAKE, ASK], {"staging": environment_in(STAGING, **variables)})
    assert run.status != 0
    assert [word for word in words if word not in run.failure("staging")] == [], run.failure("staging")


def test_the_stack_is_planned_with_the_role(accounts: Accounts) -> None:
    """All roles, by the playbook that a user runs."""
    accounts.aws.forget_calls()
    inventory = accounts.folder / "site.yml"
    domain = {
        "stack_parent_domain": "gatehouse.localhost",
        "stack_app_path": str(ROOT / "app"),
        "stack_parent_managed": False,
    }
    hosts = {name: {**host, **domain, "stack_domain": f"{name}.gatehouse.localhost"} for name, host in HOSTS.items()}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    settings = {**accounts.aws.environment, **accounts.user, "ANSIBLE_REMOTE_TEMP": "/proc/nowhere"}
    run = run_playbook(["gatehouse.fargate.site", "-i", str(inventory), "--check"], settings)
    assert (run.failure("staging"), run.failure("production"), run.status) == ("", "", 0)
    calls = accounts.aws.calls()
    assert len(accounts.taken()) == 2
    assert {call["account"] for call in calls if call["action"] != "sts:AssumeRole"} == {STAGING, PRODUCTION}
    assert accounts.aws.writes() == []
