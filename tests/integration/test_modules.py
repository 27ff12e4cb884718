# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every module against the local AWS: predict, create, keep, repair, delete; one playbook for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, LocalAws, run_playbook

PLAYBOOKS = sorted(Path(__file__).with_name("modules").glob("*.yml"))


def test_every_module_has_its_playbook() -> None:
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert modules - {path.stem for path in PLAYBOOKS} == set()


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_module(local_aws: LocalAws, playbook: Path) -> None:
    run = run_playbook([str(playbook), "-i", "localhost,"], local_aws.environment)
    assert run.failure("localhost") == ""
    assert run.status == 0, run.stderr
