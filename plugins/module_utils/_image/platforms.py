# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The platforms that Fargate runs, and what they are called elsewhere.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Platform:
    """One platform: OCI's name of the architecture, ELF's number for it, and the Rust target that suits it."""

    architecture: str
    elf_machine: int
    rust_target: str


PLATFORMS = {
    "linux/amd64": Platform("amd64", 62, "x86_64-unknown-linux-gnu"),
    "linux/arm64": Platform("arm64", 183, "aarch64-unknown-linux-gnu"),
}
