# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page that the benchmark writes."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = DOCS / "performance.md"
RESULTS = DOCS.parent / ".cache" / "bench"
REMARKS = Path(__file__).resolve().parent / "remarks.md"


@dataclass(frozen=True)
class Figure:
    """One line of a table: what was measured, the figure with its unit, and the target if there is one."""

    what: str
    measured: str
    target: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; pictures are file names below docs/ with their SVG text."""

    title: str
    lead: str
    figures: list[Figure]
    notes: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)


def keep(part: str, section: Section) -> None:
    """Parts can be measured one by one: the page is put together from the last result of each."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{part}.json").write_text(json.dumps(asdict(section)), encoding="utf-8")


def kept(part: str) -> Section | None:
    file = RESULTS / f"{part}.json"
    if not file.exists():
        return None
    fields = json.loads(file.read_text(encoding="utf-8"))
    return Section(**{**fields, "figures": [Figure(**figure) for figure in fields["figures"]]})


def page(sections: Iterable[Section], scale: float) -> str:
    lines = [
        "# How fast it is",
        "",
        f"Written by `make bench` on {platform.machine()} with {os.cpu_count()} processors against the local AWS,",
        f"AWS's documented times multiplied by {scale:g} where a section says so.",
        "",
    ]
    for section in sections:
        lines += section_lines(section)
    if REMARKS.exists():
        lines += [REMARKS.read_text(encoding="utf-8").rstrip(), ""]
    return "\n".join(lines)


def section_lines(section: Section) -> list[str]:
    lines = [f"## {section.title}", "", section.lead, ""]
    if section.figures:
        lines += ["| | measured | target |", "|---|---|---|"]
        lines += [f"| {figure.what} | {figure.measured} | {figure.target} |" for figure in section.figures]
        lines += [""]
    lines += [*section.notes, *([""] if section.notes else [])]
    for name in section.pictures:
        lines += [f"![{section.title}]({name})", ""]
    return lines


def write(text: str, sections: Iterable[Section]) -> None:
    PAGE.write_text(text, encoding="utf-8")
    for section in sections:
        for name, svg in section.pictures.items():
            (DOCS / name).write_text(svg, encoding="utf-8")


def seconds(value: float) -> str:
    return f"{value:.1f} s"
