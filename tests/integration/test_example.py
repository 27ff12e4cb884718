# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The example inventory: what it says of each environment, and a plan of all of them on empty accounts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import HOME, client, make_role, make_user
from conftest import ROOT, LocalAws, PlaybookRun, run_playbook, running_local_aws

EXAMPLE = ROOT / "playbooks" / "inventories" / "example"
WAVES = ("hello-dev", "hello-staging", "hello-production")
DOMAIN = "example.com"


def variables(inventory: Path, *options: str) -> dict[str, dict[str, Any]]:
    command = ["ansible-inventory", "-i", str(inventory), "--list", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return found


def test_the_environments_are_what_the_readme_says() -> None:
    found = variables(EXAMPLE)
    assert set(found) == set(WAVES)
    dev, staging, production = (found[name] for name in WAVES)
    assert len({one["account"] for one in found.values()}) == 3
    assert (dev["stack_nat"], dev["stack_architecture"], dev["stack_cpu"]) == ("single", "arm64", 256)
    assert (production["stack_nat"], production["stack_deletion_protection"]) == ("none", True)
    assert (staging["stack_image_source"], production["stack_image_source"]) == ("hello-dev", "hello-staging")


def test_the_vault_can_be_encrypted(tmp_path: Path) -> None:
    copy = tmp_path / "example"
    shutil.copytree(EXAMPLE, copy)
    (tmp_path / "password").write_text("open sesame", encoding="utf-8")
    password = ["--vault-password-file", str(tmp_path / "password")]
    vault = copy / "group_vars" / "all" / "vault.yml"
    subprocess.run(["ansible-vault", "encrypt", *password, str(vault)], check=True, capture_output=True, cwd=ROOT)
    assert vault.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;")
    assert variables(copy, *password) == variables(EXAMPLE)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlaybookRun, LocalAws, dict[str, Any]]]:
    """A check of the whole inventory against empty accounts."""
    folder = tmp_path_factory.mktemp("example")
    with running_local_aws(folder / "aws", LOCAL_AWS_DOCKER="false") as aws:
        client(aws, "route53", HOME).create_hosted_zone(Name=DOMAIN, CallerReference=DOMAIN)
        accounts = [str(one["account"]) for one in variables(EXAMPLE).values()]
        for account in accounts:
            make_role(aws, account, external_id="gatehouse-example")
        make_role(aws, HOME, "gatehouse-dns", trusted=accounts)
        settings = {
            **aws.environment,
            **make_user(aws),
            "ANSIBLE_CALLBACKS_ENABLED": "gatehouse.fargate.plan",
            "GATEHOUSE_PLAN_FILE": str(folder / "plan.json"),
        }
        aws.forget_calls()
        run = run_playbook(["gatehouse.fargate.rollout", "-i", str(EXAMPLE), "--check", "--diff"], settings)
        yield run, aws, json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def test_every_role_plans_every_environment(planned: Any) -> None:
    run, aws, plan = planned
    assert [run.failure(name) for name in WAVES] == ["", "", ""]
    assert run.status == 0
    assert aws.writes() == []
    for name in WAVES:
        kinds = {change["resource"] for change in plan["hosts"][name]["changes"]}
        assert kinds >= {
            "vpc",
            "ecr_repository",
            "ecr_image",
            "cognito_user_pool",
            "elb_load_balancer",
            "ecs_service",
        }


def test_one_table_shows_all_of_them(planned: Any) -> None:
    run, _aws, _plan = planned
    _before, _banner, table = run.output.partition("GATEHOUSE PLAN FOR ALL")
    lines = [line.split() for line in table.splitlines() if line and not line.startswith("*")]
    rows = {words[0]: words[1:] for words in lines if len(words) == 1 + len(WAVES)}
    assert rows["resource"] == [*WAVES]
    assert rows["ecs_service"] == ["+1", "+1", "+1"]
    # One NAT gateway in dev, endpoints elsewhere.
    assert rows["nat_gateway"] == ["+1", ".", "."]


def test_no_password_is_shown(planned: Any) -> None:
    run, _aws, plan = planned
    assert "Replace-me" not in run.output + run.stderr + json.dumps(plan)
