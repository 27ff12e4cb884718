# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A base image like the official one of Rust, made of this machine's toolchain, for machines that cannot pull it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import docker

TOOLS = ("sh", "cp", "mkdir", "touch", "cc", "gcc", "as", "ld", "ld.bfd")
# What the linker needs, without the compilers of C and C++.
LINKER_PARTS = ("collect2", "lto-wrapper", "liblto_plugin.so")
LIBRARIES = re.compile(r"(?:lib\w+(?:[-_.]\w+)*\.(?:a|so)|\w*crt\w*\.o)$")
NO_PART_OF_A_BUILD = ("bin/clippy", "bin/rustdoc", "bin/rustfmt", "bin/rust-", "bin/cargo-", "share/", "etc/")

# Every stage that starts from the image inherits it, so that they can be found again.
LABEL = "gatehouse.test"


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def import_image(name: str, cargo_home: Path) -> None:
    """Imports the image; it holds a shell, the linker, Rust, and the packages that are in this folder of Cargo's."""
    environment = {"PATH": "/rust/bin:/usr/bin:/bin", "CARGO_HOME": "/cargo", "CARGO_NET_OFFLINE": "true"}
    changes = [f"LABEL {LABEL}={name}", *(f"ENV {key}={value}" for key, value in environment.items())]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        writer = threading.Thread(target=_write, args=(os.fdopen(writing, "wb"), cargo_home), daemon=True)
        writer.start()
        repository, _colon, tag = name.partition(":")
        docker.from_env(timeout=300).api.import_image_from_stream(stream, repository, tag, changes)
        writer.join()


def remove_image(name: str) -> None:
    """Removes the image and what builds have left on top of it."""
    images = docker.from_env(timeout=300).images
    images.prune(filters={"dangling": True, "label": f"{LABEL}={name}"})
    images.remove(name)


def _write(stream: IO[bytes], cargo_home: Path) -> None:
    with stream, tarfile.open(fileobj=stream, mode="w|", dereference=False) as tar:
        for path in sorted({*_with_needs(_programs()), *_linker_files()}):
            tar.add(path.resolve(), str(path), recursive=False)
        # Where a Dockerfile's RUN looks for it, whichever of the two folders is a link on this machine.
        tar.addfile(_link("bin/sh", str(shutil.which("sh"))))
        tar.add("/tmp", "tmp", recursive=False)
        tar.add(_sysroot(), "rust", filter=_is_needed)
        tar.add(cargo_home, "cargo")


def _link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
    return member


def _sysroot() -> str:
    return output("rustc", "--print", "sysroot").strip()


def _is_needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    inside = member.name.removeprefix("rust/")
    return None if inside.startswith(NO_PART_OF_A_BUILD) else member


def _programs() -> list[Path]:
    tools = [Path(found) for tool in TOOLS if (found := shutil.which(tool))]
    parts = [Path(output("gcc", f"-print-prog-name={part}").strip()) for part in LINKER_PARTS[:2]]
    plugin = Path(output("gcc", f"-print-file-name={LINKER_PARTS[2]}").strip())
    rust = [Path(_sysroot(), "bin", name) for name in ("rustc", "cargo")]
    return [*tools, *(_plain(part) for part in [*parts, plugin]), *rust]


def _with_needs(programs: Iterable[Path]) -> Iterator[Path]:
    """Yields the programs outside Rust's own folder, and the shared libraries that all of them load."""
    for program in programs:
        if not program.is_relative_to(_sysroot()):
            yield program
        needs = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
        yield from (Path(path) for path in re.findall(r"(/\S+) \(0x", needs) if not path.startswith(_sysroot()))


def _linker_files() -> Iterator[Path]:
    folders = {
        _plain(Path(output("gcc", f"-print-file-name={name}").strip())).parent for name in ("crt1.o", "crtbeginT.o")
    }
    for folder in folders:
        for path in folder.iterdir():
            if path.is_file() and LIBRARIES.fullmatch(path.name) and path.stat().st_size < 20_000_000:
                yield path


def _plain(path: Path) -> Path:
    """Returns the path without its dots, but with its links: /lib may be one to /usr/lib."""
    return Path(os.path.normpath(path))
