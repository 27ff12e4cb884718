# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Builds with Docker's buildx, which knows all of the Dockerfile language and other platforms.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import IO, Protocol

PROBE_SECONDS = 20


class Recipe(Protocol):
    """What buildx has to know of a Dockerfile."""

    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def arguments(self) -> Mapping[str, str]: ...


def is_installed() -> bool:
    try:
        probe = subprocess.run(["docker", "buildx", "version"], capture_output=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def command(recipe: Recipe, name: str) -> list[str]:
    """Returns the command that reads the context from its input and leaves the image on the engine.

    It does not push, so that it needs no login; the values of build arguments come from its environment.
    """
    words = ["docker", "buildx", "build", "--load", "--progress", "plain", "--provenance", "false"]
    words += ["--platform", recipe.platform, "--file", recipe.name, "--tag", name]
    for label, value in sorted(recipe.labels.items()):
        words += ["--label", f"{label}={value}"]
    for argument in sorted(recipe.arguments):
        words += ["--build-arg", argument]
    return [*words, "-"]


def build(words: list[str], arguments: Mapping[str, str], context: IO[bytes], output: IO[str]) -> int:
    """Runs the command; what it says goes into the log as it comes. Returns its exit code."""
    environment = {**os.environ, **arguments}
    return subprocess.run(words, stdin=context, stdout=output, stderr=output, env=environment, check=False).returncode
