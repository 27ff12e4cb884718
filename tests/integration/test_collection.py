# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The collection as a user gets it: built, installed elsewhere, run by its name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, LocalAws, PlaybookRun, run_playbook
from test_bad_input import GOOD


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the built collection was installed."""
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(target)], cwd=ROOT, check=True)
    (archive,) = target.glob("gatehouse-fargate-*.tar.gz")
    command = ["ansible-galaxy", "collection", "install", str(archive), "--no-deps", "--force", "-p", str(target)]
    subprocess.run(command, cwd=target, check=True)
    return target


@pytest.fixture(scope="module")
def planned(installed: Path, local_aws: LocalAws) -> tuple[PlaybookRun, list[str]]:
    """A plan on an empty account made by the installed collection, and the writes that it sent."""
    inventory = installed / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"hello": GOOD}}}), encoding="utf-8")
    local_aws.forget_calls()
    environment = {**local_aws.environment, "ANSIBLE_COLLECTIONS_PATH": str(installed)}
    run = run_playbook(["gatehouse.fargate.site", "-i", str(inventory), "--check", "--diff"], environment)
    return run, local_aws.writes()


def test_the_archive_holds_what_a_user_needs_and_no_more(installed: Path) -> None:
    root = installed / "ansible_collections" / "gatehouse" / "fargate"
    assert (root / "playbooks" / "site.yml").is_file()
    assert [name for name in (".git", ".venv", "app/target", ".cache") if (root / name).exists()] == []


def test_a_plan_on_an_empty_account_runs_to_its_end(planned: tuple[PlaybookRun, list[str]]) -> None:
    run, _writes = planned
    assert run.failure("hello") == ""
    assert run.status == 0, run.stderr
    assert run.changed() > 0
    assert "[WARNING]" not in run.stderr


def test_a_plan_writes_nothing(planned: tuple[PlaybookRun, list[str]]) -> None:
    _run, writes = planned
    assert writes == []
