# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The identity of a source: one hash over the build context and the recipe.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.context import (
    Entry,
    entries,
    read_ignore,
    require_folder,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

# Part of the hash: raise it when the same source has to give another image.
FORMAT = "gatehouse-source-1"
TAG_DIGITS = 32
SMALL_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024

encode = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True)
class SourceHash:
    """The hash and the number of files it covers, folders aside."""

    hash: str
    files: int

    @property
    def tag(self) -> str:
        return f"src-{self.hash[:TAG_DIGITS]}"


def source_hash(folder: Path, dockerfile: str, dockerignore: str, recipe: Any, platform: str) -> SourceHash:
    """Hashes what the build can see; names of owners, times and the order of files play no part."""
    require_folder(folder)
    require_recipe(folder, dockerfile, recipe)
    total = hashlib.sha256()
    _add(total, [FORMAT, platform, recipe, _dockerfile_digest(folder / dockerfile)])
    files = 0
    try:
        for entry in entries(folder, read_ignore(folder, dockerignore)):
            _add(total, [*_identity(folder, entry)])
            files += not entry.is_folder
    except OSError as error:
        raise ImageError(
            f"Cannot read the source: {error}. Make it readable, or leave it out in {dockerignore}."
        ) from (error)
    return SourceHash(total.hexdigest(), files)


def require_recipe(folder: Path, dockerfile: str, recipe: Any) -> None:
    """Refuses a folder that nothing says how to build."""
    has_command = isinstance(recipe, dict) and recipe.get("build_command")
    if has_command or (folder / dockerfile).is_file() or (folder / "Cargo.lock").is_file():
        return
    raise ImageError(
        f"Folder {folder} holds neither {dockerfile} nor Cargo.lock: add one of them, or give a build command."
    )


def _dockerfile_digest(dockerfile: Path) -> str:
    """Returns the digest of the recipe, which counts even where the ignore file leaves it out of the context."""
    return _digest(dockerfile) if dockerfile.is_file() else ""


def _identity(folder: Path, entry: Entry) -> tuple[str, int, bool, str]:
    kind = stat.S_IFMT(entry.mode)
    # Paths as plain text: building a Path for every file would take as long as hashing it.
    return entry.path, kind, entry.is_executable, _content(f"{folder}/{entry.path}", entry)


def _content(path: str, entry: Entry) -> str:
    if entry.is_link:
        return os.readlink(path)
    return _digest(path) if entry.is_file else ""


def _digest(path: Path | str) -> str:
    # Most source files are small: one read, without the buffers that a large one needs.
    with open(path, "rb", buffering=0) as content:
        total = hashlib.sha256(content.read(SMALL_BYTES))
        if content.tell() == SMALL_BYTES:
            while block := content.read(BLOCK_BYTES):
                total.update(block)
        return total.hexdigest()


def _add(total: Any, record: list[Any]) -> None:
    # JSON with surrogates escaped keeps every name apart from every other, whatever bytes it holds.
    total.update(encode(record).encode() + b"\n")
