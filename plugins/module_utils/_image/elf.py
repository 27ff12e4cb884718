# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Looks into an ELF binary: will it run where there is nothing but itself?

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.platforms import PLATFORMS

MAGIC_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
# Type, machine, then the place, the size and the number of the program headers.
HEADER = struct.Struct("<16xHH12xQ14xHH6x")
# Kind, then offset, address and size in the file.
SEGMENT = struct.Struct("<I4xQQ8xQ16x")
DYNAMIC_ENTRY = struct.Struct("<qQ")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5
EXECUTABLE_TYPES = (2, 3)


@dataclass(frozen=True)
class Segment:
    """One program header."""

    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class Binary:
    """What the headers say."""

    machine: int
    interpreter: str
    libraries: tuple[str, ...]


def require_static(path: Path, platform: str) -> None:
    """Refuses anything but a static Linux program for the platform."""
    binary = read_binary(path)
    if binary.machine != PLATFORMS[platform].elf_machine:
        raise ImageError(
            f"Artifact {path} is built for {_machine_name(binary.machine)}, not for {platform}: "
            f"let the build command make it for {platform}, or change the platform."
        )
    if binary.interpreter or binary.libraries:
        needs = ", ".join(binary.libraries or (binary.interpreter,))
        raise ImageError(
            f"Artifact {path} is not static: it needs {needs}, and the image holds nothing but the program. "
            "For Rust set target-feature=+crt-static in .cargo/config.toml, or use builder docker."
        )


def read_binary(path: Path) -> Binary:
    """Reads machine, interpreter and needed libraries from the program headers."""
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except struct.error as error:
        raise ImageError(f"Artifact {path} is damaged: {error}. Build it again.") from error


def _read(path: Path, file: IO[bytes]) -> Binary:
    head = file.read(HEADER.size)
    if not head.startswith(MAGIC_64_BIT_LITTLE_ENDIAN):
        raise ImageError(f"Artifact {path} is no 64-bit Linux program: name the program that the build command makes.")
    kind, machine, table, entry_size, count = HEADER.unpack(head)
    if kind not in EXECUTABLE_TYPES:
        raise ImageError(f"Artifact {path} is no program but an object file: name the program the build command makes.")
    segments = [_segment(file, table + index * entry_size) for index in range(count)]
    return Binary(machine, _interpreter(file, segments), tuple(_libraries(file, segments)))


def _segment(file: IO[bytes], position: int) -> Segment:
    file.seek(position)
    return Segment(*SEGMENT.unpack(file.read(SEGMENT.size)))


def _interpreter(file: IO[bytes], segments: list[Segment]) -> str:
    for segment in segments:
        if segment.kind == PT_INTERP:
            file.seek(segment.offset)
            return file.read(segment.size).rstrip(b"\0").decode(errors="replace")
    return ""


def _libraries(file: IO[bytes], segments: list[Segment]) -> Iterator[str]:
    dynamic = [entry for segment in segments if segment.kind == PT_DYNAMIC for entry in _dynamic(file, segment)]
    names = next((value for tag, value in dynamic if tag == DT_STRTAB), 0)
    for tag, value in dynamic:
        if tag == DT_NEEDED:
            file.seek(_file_offset(segments, names) + value)
            yield file.read(256).split(b"\0")[0].decode(errors="replace")


def _dynamic(file: IO[bytes], segment: Segment) -> list[tuple[int, int]]:
    file.seek(segment.offset)
    content = file.read(segment.size - segment.size % DYNAMIC_ENTRY.size)
    return list(DYNAMIC_ENTRY.iter_unpack(content))


def _file_offset(segments: list[Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    return 0


def _machine_name(machine: int) -> str:
    known = {platform.elf_machine: name for name, platform in PLATFORMS.items()}
    return known.get(machine, f"ELF machine {machine}")
