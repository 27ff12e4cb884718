# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The runner of the checks has to fail when a check fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def runner(tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_checks", Path(__file__).parents[1] / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.LOGS = tmp_path  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("script", "suite", "expected"),
    [
        ("true", False, (1, 0)),
        ("exit 3", False, (0, 1)),
        ("echo '== 4 passed, 1 skipped in 0.5s =='", True, (4, 0)),
        ("echo '5 passed, 2 failed in 0.5s'; exit 1", True, (5, 2)),
        ("echo 'test result: ok. 3 passed; 0 failed;'; echo 'test result: ok. 2 passed; 0 failed;'", True, (5, 0)),
        ("echo 'nothing ran'", True, (0, 1)),
        ("echo '3 passed in 0.1s'; exit 1", True, (3, 1)),
        ("no-such-command", False, (0, 1)),
    ],
)
def test_counts(runner: ModuleType, script: str, suite: bool, expected: tuple[int, int]) -> None:
    command = ("no-such-command",) if script == "no-such-command" else ("sh", "-c", script)
    counts = runner.run(runner.Check("part", "name", command, suite=suite))
    assert (counts.passed, counts.failed) == expected
