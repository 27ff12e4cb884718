# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import elf as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

AMD64, ARM64 = 62, 183
PROGRAM, OBJECT = 2, 1
ADDRESS = 0x400000


def elf(machine: int = AMD64, kind: int = PROGRAM, interpreter: str = "", libraries: tuple[str, ...] = ()) -> bytes:
    """Makes a file with just the headers that a loader reads."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in libraries)
    start = 64 + 3 * 56
    dynamic = [(1, names.index(name.encode())) for name in libraries] + [(5, ADDRESS + start), (0, 0)]
    table = b"".join(struct.pack("<qQ", *entry) for entry in dynamic) if libraries else b""
    path = interpreter.encode() + b"\0"
    pieces = [(1, 0, ADDRESS, start + len(names)), (2, start + len(names), 0, len(table))]
    pieces += [(3, start + len(names) + len(table), 0, len(path))] if interpreter else [(4, 0, 0, 0)]
    segments = b"".join(struct.pack("<IIQQQQQQ", kind_, 4, at, to, to, size, size, 1) for kind_, at, to, size in pieces)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHI3QI6H", kind, machine, 1, ADDRESS, 64, 0, 0, 64, 56, len(pieces), 0, 0, 0
    )
    return head + segments + names + table + path


@pytest.mark.parametrize(("machine", "platform"), [(AMD64, "linux/amd64"), (ARM64, "linux/arm64")])
def test_a_static_program_for_the_platform_passes(tmp_path: Path, machine: int, platform: str) -> None:
    (tmp_path / "app").write_bytes(elf(machine))
    subject.require_static(tmp_path / "app", platform)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (elf(ARM64), "is built for linux/arm64, not for linux/amd64"),
        (elf(40), "is built for ELF machine 40, not for linux/amd64"),
        (elf(interpreter="/lib64/ld-linux-x86-64.so.2"), "not static: it needs /lib64/ld-linux-x86-64.so.2"),
        (
            elf(interpreter="/lib64/ld-linux-x86-64.so.2", libraries=("libssl.so.3", "libc.so.6")),
            r"needs libssl.so.3, libc.so.6, .*crt-static",
        ),
        (elf(kind=OBJECT), "is no program but an object file"),
        (b"#!/bin/sh\n", "is no 64-bit Linux program"),
        (b"", "is no 64-bit Linux program"),
        (elf()[:70], "is damaged"),
        (b"\x7fELF\x02\x01", "is damaged"),
    ],
)
def test_anything_else_is_refused_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "app").write_bytes(content)
    with pytest.raises(ImageError, match=message):
        subject.require_static(tmp_path / "app", "linux/amd64")


@pytest.mark.skipif(sys.platform != "linux", reason="reads this machine's own Python")
def test_a_real_dynamic_program_names_its_c_library() -> None:
    binary = subject.read_binary(Path(sys.executable).resolve())
    assert binary.interpreter.startswith("/lib")
    assert [name for name in binary.libraries if name.startswith("libc.")]
