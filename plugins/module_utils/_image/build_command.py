# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The build command of the app, and where its program ends up.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.platforms import PLATFORMS

SHOWN_LINES = 25
TARGET_FOLDER = "CARGO_TARGET_DIR"


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
    given = arguments or {}
    if artifact:
        return Build(folder, tuple(words), Path(artifact), given)
    program = Path(rust_target) / "release" / _cargo_program(folder)
    target = given.get(TARGET_FOLDER) or os.environ.get(TARGET_FOLDER)
    if not target:
        return Build(folder, tuple(words), "target" / program, given)
    own = _own_target_folder(folder, target)
    return Build(folder, tuple(words), own / program, {**given, TARGET_FOLDER: str(own)})


def _own_target_folder(folder: Path, target: str) -> Path:
    """Returns a target folder that no other app builds into.

    Cargo tells packages in a target folder apart by name, version and dependencies, not by where their source is, so
    that it would take the program of another app of the same name for this one's.
    """
    if (folder / target).resolve().is_relative_to(folder.resolve()):
        return Path(target)
    return Path(target) / f"gatehouse-{hashlib.sha256(bytes(folder.resolve())).hexdigest()[:16]}"


def _cargo_program(folder: Path) -> str:
    manifest = _cargo_manifest(folder)
    programs = [program["name"] for program in manifest.get("bin", []) if "name" in program]
    name = programs[0] if programs else manifest.get("package", {}).get("name")
    if not name or len(programs) > 1:
        raise ImageError(
            f"Cargo.toml in {folder} does not name exactly one program: set artifact to the path of the one to deploy."
        )
    return str(name)


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


@contextmanager
def alone_in(folder: Path, log: Path) -> Iterator[None]:
    """Keeps other builds in the folder waiting, of which each would read what another one is writing."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, f"Waits for another build in {folder}.\n", log)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, message: str, log: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with log.open("a", encoding="utf-8") as output:
            output.write(message)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        # Network file systems may lock no folders.
        return


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
