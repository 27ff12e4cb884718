# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The build command of the app, and where its program ends up.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tomllib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.platforms import PLATFORMS

SHOWN_LINES = 25


@dataclass(frozen=True)
class Build:
    """A command to run in the app's folder, and the program it makes, relative to that folder."""

    folder: Path
    command: tuple[str, ...]
    artifact: Path
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        return self.folder / self.artifact


def build_of(
    folder: Path, command: str, artifact: str, platform: str, arguments: Mapping[str, str] | None = None
) -> Build:
    """Fills in what Cargo does by default."""
    rust_target = PLATFORMS[platform].rust_target
    words = shlex.split(command or f"cargo build --release --locked --target {rust_target}")
    program = Path(artifact) if artifact else _cargo_artifact(folder, rust_target)
    return Build(folder, tuple(words), program, arguments or {})


def _cargo_artifact(folder: Path, rust_target: str) -> Path:
    manifest = _cargo_manifest(folder)
    programs = [program["name"] for program in manifest.get("bin", []) if "name" in program]
    name = programs[0] if programs else manifest.get("package", {}).get("name")
    if not name or len(programs) > 1:
        raise ImageError(
            f"Cargo.toml in {folder} does not name exactly one program: set artifact to the path of the one to deploy."
        )
    return Path(os.environ.get("CARGO_TARGET_DIR", "target")) / rust_target / "release" / name


def _cargo_manifest(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ImageError(f"Folder {folder} holds no Cargo.toml: set build_command and artifact.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImageError(f"Cargo.toml in {folder} cannot be read: {error}.") from error


def missing_program(build: Build) -> str:
    """Returns why the command cannot be run, or nothing if it can."""
    program = build.command[0]
    found = (build.folder / program).is_file() if "/" in program else shutil.which(program)
    return "" if found else f"the build command's program {program} is not installed"


def run_build(build: Build, log: Path) -> None:
    """Runs the command; its output goes to the end of the log while it runs."""
    with log.open("ab") as output:
        output.write(f"$ {shlex.join(build.command)}\n".encode())
        output.flush()
        finished = subprocess.run(
            build.command,
            cwd=build.folder,
            env={**os.environ, **build.arguments},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if finished.returncode:
        raise build_failed(f"The build command ended with code {finished.returncode}", log)
    if not build.program.is_file():
        raise ImageError(
            f"The build command made no {build.artifact} in {build.folder}: set artifact to the program it makes."
        )


def build_failed(what: str, log: Path) -> ImageError:
    """Makes the error of a failed build: nothing was pushed, this is where to look."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        last = "".join(deque(lines, SHOWN_LINES))
    return ImageError(f"{what}; nothing was pushed. The whole log is {log}; it ends:\n{last}")
