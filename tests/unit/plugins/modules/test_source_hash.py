# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gatehouse.fargate.plugins.modules import source_hash as subject


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> Any:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        subject.main()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_never_changes_anything(capsys: pytest.CaptureFixture[str], tmp_path: Path, check_mode: bool) -> None:
    (tmp_path / "Cargo.lock").touch()
    found = run(capsys, path=str(tmp_path), _ansible_check_mode=check_mode)
    assert found["changed"] is False
    assert found["files"] == 1
    assert found["tag"] == f"src-{found['hash'][:32]}"


def test_a_folder_without_a_recipe_fails_with_one_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = run(capsys, path=str(tmp_path))
    assert found["failed"] is True
    assert "holds neither Dockerfile nor Cargo.lock" in found["msg"]
