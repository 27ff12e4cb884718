# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs the checks of this repository and ends with one line: how many passed and how many failed.

    python tests/run.py            every part
    python tests/run.py lint units only these parts

A check that runs a test suite counts with the suite's own tests, every other check counts as one.
The whole output of each check is kept in .cache/logs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "logs"
PYTHON_SOURCES = ("plugins", "tests", "molecule")
# Two at a time, each with a local AWS of its own; the tests of a file share what they deployed.
PYTEST = (sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile")
SUITE_COUNT = re.compile(r"\b(\d+) (passed|failed|errors?|skipped)\b")
TAIL_LINES = 60


@dataclass(frozen=True)
class Check:
    """One command; a suite reports its own counts in its output."""

    part: str
    name: str
    command: tuple[str, ...]
    suite: bool = False
    folder: str = "."
    timeout: int = 1500


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: Counts) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


CHECKS = (
    Check("lint", "ruff-check", ("ruff", "check", ".")),
    Check("lint", "ruff-format", ("ruff", "format", "--check", ".")),
    Check("lint", "mypy", (sys.executable, "tests/typecheck.py")),
    Check("lint", "yamllint", ("yamllint", "--strict", ".")),
    Check("lint", "ansible-lint", ("ansible-lint", "--offline", "--strict")),
    Check("lint", "role-docs", (sys.executable, "tests/role_docs.py")),
    Check("lint", "changelog", ("antsibull-changelog", "lint")),
    # In the app's own folder, because cargo reads .cargo/config.toml from where it runs.
    Check("app", "rustfmt", ("cargo", "fmt", "--check"), folder="app"),
    Check("app", "clippy", ("cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings"), folder="app"),
    Check("app", "cargo-test", ("cargo", "test", "--locked"), suite=True, folder="app"),
    Check("sanity", "ansible-test-sanity", ("bash", "tests/sanity.sh")),
    Check("units", "pytest-units", (*PYTEST, "tests/unit"), suite=True),
    Check("integration", "pytest-integration", (*PYTEST, "tests/integration"), suite=True, timeout=2700),
    Check("molecule", "molecule-default", ("molecule", "test", "--scenario-name", "default")),
    Check("molecule", "molecule-nat_no_auth", ("molecule", "test", "--scenario-name", "nat_no_auth")),
    Check("molecule", "molecule-users", ("molecule", "test", "--scenario-name", "users")),
    Check("molecule", "molecule-rebuild", ("molecule", "test", "--scenario-name", "rebuild")),
    Check("molecule", "molecule-service", ("molecule", "test", "--scenario-name", "service")),
    Check("molecule", "molecule-multi_env", ("molecule", "test", "--scenario-name", "multi_env")),
)
PARTS = tuple(dict.fromkeys(check.part for check in CHECKS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"any of {', '.join(PARTS)}; default: all")
    parts = parser.parse_args().parts or PARTS
    total = run_all(check for check in CHECKS if check.part in parts)
    print(total)
    return 1 if total.failed else 0


def run_all(checks: Iterable[Check]) -> Counts:
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Counts()
    for check in checks:
        total.add(run(check))
    return total


def run(check: Check) -> Counts:
    """Runs one check, shows one line of it, and the end of its output when it failed."""
    started = time.monotonic()
    status, output = execute(check)
    counts = suite_counts(output) if check.suite else Counts()
    if status == 0 and not counts.passed:
        counts = Counts(passed=0 if check.suite else 1, failed=1 if check.suite else 0)
    elif status != 0 and not counts.failed:
        counts.failed = 1
    verdict = "FAILED" if counts.failed else "ok"
    print(f"{check.part:12} {check.name:22} {verdict:6} {counts} ({time.monotonic() - started:.0f} s)", flush=True)
    if counts.failed:
        show_failure(check, output)
    return counts


def execute(check: Check) -> tuple[int, str]:
    log = LOGS / f"{check.name}.log"
    environment = {**os.environ, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "CARGO_TERM_COLOR": "never"}
    with log.open("w", encoding="utf-8") as stream:
        try:
            status = subprocess.run(
                check.command, cwd=ROOT / check.folder, env=environment, stdin=subprocess.DEVNULL, stdout=stream,
                stderr=subprocess.STDOUT, timeout=check.timeout, check=False,
            ).returncode  # fmt: skip
        except (subprocess.TimeoutExpired, FileNotFoundError) as error:
            stream.write(f"\n{error}\n")
            status = 1
    return status, log.read_text(encoding="utf-8", errors="replace")


def suite_counts(output: str) -> Counts:
    """Adds up the summary lines that pytest and cargo write."""
    counts = Counts()
    for line in output.splitlines():
        if line.startswith("test result:") or re.match(r"^=* ?\d+ (passed|failed|error|skipped).* in [\d.]+", line):
            for number, what in SUITE_COUNT.findall(line):
                field = {"passed": "passed", "skipped": "skipped"}.get(what, "failed")
                setattr(counts, field, getattr(counts, field) + int(number))
    return counts


def show_failure(check: Check, output: str) -> None:
    print(f"--- {' '.join(check.command)}\n--- the last {TAIL_LINES} lines of .cache/logs/{check.name}.log:")
    print("\n".join(output.splitlines()[-TAIL_LINES:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
