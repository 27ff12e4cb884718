# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The build context: what ``COPY . .`` would see of a folder.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.dockerignore import (
    NOTHING_MATCHED,
    Ignore,
    Matched,
    read_patterns,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError


@dataclass(frozen=True)
class Entry:
    """One path of the context, relative to its root and with forward slashes."""

    path: str
    mode: int

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_executable(self) -> bool:
        return self.is_file and bool(self.mode & stat.S_IXUSR)


def read_ignore(folder: Path, name: str) -> Ignore:
    """Reads the ignore file of the folder; without one nothing is left out."""
    content = b""
    with suppress(FileNotFoundError):
        content = (folder / name).read_bytes()
    return Ignore(read_patterns(content))


def entries(folder: Path, ignore: Ignore) -> Iterator[Entry]:
    """Walks the context in a stable order that depends on names alone."""
    yield from _below(folder, "", ignore, NOTHING_MATCHED)


def _below(folder: Path, prefix: str, ignore: Ignore, parent: Matched) -> Iterator[Entry]:
    for found in sorted(os.scandir(folder / prefix), key=lambda item: os.fsencode(item.name)):
        mode = found.stat(follow_symlinks=False).st_mode
        entry = Entry(prefix + found.name, mode)
        left_out, matched = ignore.check(entry.path, parent)
        # Docker cannot send a socket either.
        if not left_out and not stat.S_ISSOCK(mode):
            yield entry
        if entry.is_folder and (not left_out or ignore.may_return(entry.path)):
            yield from _below(folder, f"{entry.path}/", ignore, matched)


def write_tar(folder: Path, ignore: Ignore, always: tuple[str, ...], target: IO[bytes]) -> None:
    """Writes the context as the archive that the Docker engine builds from.

    ``always`` names files the engine needs even if they are left out; it keeps those from ``COPY`` by itself.
    """
    included: set[str] = set()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for entry in entries(folder, ignore):
            archive.add(folder / entry.path, arcname=entry.path, recursive=False)
            included.add(entry.path)
        for name in always:
            if name not in included and (folder / name).is_file():
                archive.add(folder / name, arcname=name, recursive=False)


def require_folder(folder: Path) -> None:
    """Refuses a folder that is not there."""
    if not folder.is_dir():
        raise ImageError(f"Folder {folder} does not exist: give the folder of the app's source.")
