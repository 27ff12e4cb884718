# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables over all environments, as lines of text.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GAP = "  "
Row = Sequence[str]


def aligned(rows: Sequence[Row]) -> list[str]:
    """Returns rows with their columns under one another."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]  # fmt: skip


def plan_table(
    changes: Mapping[str, Iterable[Mapping[str, Any]]], symbols: Mapping[str, str], width: int
) -> list[list[str]]:
    """Returns one row for each kind of resource that changes, one column for each environment.

    A cell counts what happens to the resources of that kind, like ``+2 ~1``. Environments that do not fit into
    ``width`` characters go into further tables of the same rows, so the result is a list of tables.
    """
    cells: dict[str, dict[str, dict[str, int]]] = {}
    for host, of_host in changes.items():
        for change in of_host:
            counts = cells.setdefault(change["resource"], {}).setdefault(host, {})
            counts[change["action"]] = counts.get(change["action"], 0) + 1
    kinds = sorted(cells)
    names = max([len("resource"), *(len(kind) for kind in kinds)])
    columns = [[host, *(cell(cells[kind].get(host, {}), symbols) for kind in kinds)] for host in changes]
    return [
        aligned([*zip(["resource", *kinds], *part, strict=True)])
        for part in parts(columns, width - names)
    ]  # fmt: skip


def cell(counts: Mapping[str, int], symbols: Mapping[str, str]) -> str:
    return " ".join(f"{symbol}{counts[action]}" for action, symbol in symbols.items() if action in counts) or "."


def parts(columns: Sequence[Row], width: int) -> list[list[Row]]:
    """Returns the columns in groups that are no wider than ``width``, unless a single one is."""
    found: list[list[Row]] = [[]]
    left = width
    for column in columns:
        need = len(GAP) + max(len(text) for text in column)
        if found[-1] and need > left:
            found.append([])
            left = width
        found[-1].append(column)
        left -= need
    return found


REPORT_HEAD = ("environment", "digest", "verdict", "time", "USD a month", "address")
DIGEST_CHARACTERS = len("sha256:") + 12


def report_table(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns one row for each environment."""
    return aligned([REPORT_HEAD, *(report_row(host, report) for host, report in reports.items())])


def report_row(host: str, report: Mapping[str, Any]) -> Row:
    known = "region" in report
    return (
        host,
        str(report.get("digest", "-"))[:DIGEST_CHARACTERS],
        str(report["verdict"]),
        f"{report['seconds']:.0f} s" if report.get("seconds") is not None else "-",
        price_cell(report) if known else "-",
        str(report.get("address", "-")),
    )


def price_cell(report: Mapping[str, Any]) -> str:
    usd = report.get("usd_a_month")
    return f"no prices for {report['region']}" if usd is None else f"{usd:.2f}"
