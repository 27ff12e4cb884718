# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A picture of a run: what ran when, above the steps of AWS that no run can shorten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from .critical_path import Step

WIDTH, LABELS, ROW, MARGIN = 1000, 330, 20, 10
SHORTEST_SHARE = 0.01
OURS, AWS, GRID = "#2f6f9f", "#c9a227", "#dddddd"
Bar = tuple[str, float, float, str]


def timeline(tasks: list[dict[str, Any]], steps: Mapping[str, Step]) -> str:
    """Returns an SVG with a bar for each task that took at least a hundredth of the run, and one for each step."""
    began = min(task["began"] for task in tasks)
    total = max(task["ended"] for task in tasks) - began
    ours = [
        (task["title"].rpartition(" : ")[2], task["began"] - began, task["ended"] - began, OURS)
        for task in tasks
        if task["ended"] - task["began"] >= total * SHORTEST_SHARE
    ]
    return picture([*ours, *aws_bars(steps)])


def aws_bars(steps: Mapping[str, Step]) -> list[Bar]:
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            ends[name] = start(name) + steps[name].seconds
        return ends[name]

    def start(name: str) -> float:
        return max((end(need) for need in steps[name].needs), default=0.0)

    return [(f"AWS: {step.title}", start(name), end(name), AWS) for name, step in steps.items()]


def picture(bars: list[Bar]) -> str:
    total = max(end for _title, _start, end, _colour in bars)
    scale = (WIDTH - LABELS - 2 * MARGIN) / total
    height = len(bars) * ROW + 2 * MARGIN + ROW
    rows = [svg_row(index, item, scale) for index, item in enumerate(bars)]
    axis = svg_axis(total, scale, height)
    style = 'font-family="sans-serif" font-size="11"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {style}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *axis, *rows, "</svg>", ""])


def svg_axis(total: float, scale: float, height: int) -> list[str]:
    step = next((size for size in (1, 5, 10, 30, 60, 120) if total / size <= 12), 300)
    lines = []
    for second in range(0, int(total) + 1, step):
        x = LABELS + MARGIN + second * scale
        lines.append(f'<line x1="{x:.1f}" y1="{MARGIN}" x2="{x:.1f}" y2="{height - ROW}" stroke="{GRID}"/>')
        lines.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{second} s</text>')
    return lines


def svg_row(index: int, item: Bar, scale: float) -> str:
    title, start, end, colour = item
    y = MARGIN + index * ROW
    x, width = LABELS + MARGIN + start * scale, max((end - start) * scale, 1)
    return (
        f'<text x="{LABELS}" y="{y + 14}" text-anchor="end">{escape(title)}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}"/>'
    )
