# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs mypy over the collection under its import name, and over the tests as plain files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def check(folder: Path, targets: list[str], search: list[Path]) -> int:
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *targets]
    environment = {"MYPYPATH": ":".join(map(str, search)), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def main() -> int:
    """Modules import each other as ansible_collections.gatehouse.fargate, so they are checked below such a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch, "ansible_collections", "gatehouse")
        package.mkdir(parents=True)
        (package / "fargate").symlink_to(ROOT, target_is_directory=True)
        collection = "ansible_collections/gatehouse/fargate"
        plugins = check(Path(scratch), [f"{collection}/plugins"], [Path(scratch)])
        tests = check(ROOT, ["tests/local_aws", "tests/bench"], [ROOT / "tests"])
        scripts = check(Path(scratch), [f"{collection}/tests/unit", f"{collection}/tests/run.py"], [Path(scratch)])
    return plugins or tests or scripts


if __name__ == "__main__":
    sys.exit(main())
