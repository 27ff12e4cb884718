# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The tables over all environments, and the costs that the README promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._report.prices import (
    monthly_costs,
    monthly_total,
    price_table,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._report.tables import plan_table, report_table

README = (Path(__file__).resolve().parents[4] / "README.md").read_text(encoding="utf-8")
REGIONS = ("us-east-1", "ap-northeast-1")
SYMBOLS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-"}


def stack(region: str, **changes: Any) -> dict[str, Any]:
    """The stack of the README's table; numbers are text, as templates may give them."""
    return {
        "region": region, "zones": "2", "nat_gateways": "0", "interface_endpoints": "3",
        "alarms": "0", "tasks": "1", "cpu": "512", "memory": "1024", "architecture": "x86_64", **changes,
    }  # fmt: skip


def promised(row: str) -> list[float]:
    (line,) = [line for line in README.splitlines() if line.lstrip("|* ").startswith(row)]
    return [float(number) for number in re.findall(r"(?<=\| )[*+]*(-?[\d.]+)(?=\**)", line.replace("**", ""))]


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("load balancer with one capacity unit", "load_balancer"),
        ("two public IPv4 addresses", "addresses"),
        ("Fargate task |", "tasks"),
        ("closed network:", "endpoints"),
        ("DNS zone", "dns_zone"),
    ],
)
def test_each_part_costs_what_the_readme_says(row: str, part: str) -> None:
    costs = [monthly_costs(stack(region), price_table()["regions"]) for region in REGIONS]
    assert [round(cost[part], 2) for cost in costs if cost] == [pytest.approx(usd, abs=0.011) for usd in promised(row)]


def test_the_sums_are_those_of_the_readme() -> None:
    totals = [monthly_total(stack(region)) for region in REGIONS]
    assert totals == [pytest.approx(usd, abs=0.011) for usd in promised("total in USD")]


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ("ECS Exec:", {"interface_endpoints": 4}),
        ("one NAT gateway", {"interface_endpoints": 0, "nat_gateways": 1}),
        ("alarms that end a deployment", {"alarms": 2}),
    ],
)
def test_the_differences_are_those_of_the_readme(row: str, changes: dict[str, int]) -> None:
    more = [(monthly_total(stack(region, **changes)) or 0) - (monthly_total(stack(region)) or 0) for region in REGIONS]
    assert more == [pytest.approx(usd, abs=0.011) for usd in promised(row)]


def test_arm_and_fewer_tasks_cost_less() -> None:
    usual = monthly_total(stack("us-east-1")) or 0
    assert monthly_total(stack("us-east-1", architecture="arm64")) == pytest.approx(usual - 3.60, abs=0.02)
    assert monthly_total(stack("us-east-1", tasks=0)) == pytest.approx(usual - 18.02, abs=0.011)


def test_the_table_tells_when_its_prices_were_read() -> None:
    assert re.fullmatch(r"20\d\d-\d\d", price_table()["read"])
    assert "list" in price_table()["source"]


def test_a_report_has_a_line_for_each_environment() -> None:
    digest = f"sha256:{'a' * 64}"
    done = {**stack("eu-west-1"), "verdict": "passed", "seconds": 61.2, "digest": digest, "address": "https://x/"}
    lines = report_table(
        {
            "one": {**done, "usd_a_month": None},
            "two": {**done, "region": "us-east-1", "usd_a_month": 91.9},
            "three": {"verdict": "failed: Run the service", "seconds": 5.0},
            "four": {"verdict": "not started"},
        }
    )
    assert re.split("  +", lines[1]) == ["one", digest[:19], "passed", "61 s", "no prices for eu-west-1", "https://x/"]
    assert re.split("  +", lines[2])[4] == "91.90"
    assert "failed: Run the service" in lines[3]
    assert lines[4].split() == ["four", "-", "not", "started", "-", "-", "-"]


def change(action: str, resource: str) -> dict[str, str]:
    return {"action": action, "resource": resource}


def test_a_plan_has_a_line_for_each_kind_and_a_column_for_each_environment() -> None:
    changes = {
        "dev": [change("update", "ecs_service")],
        "production": [change("create", "iam_role"), change("create", "iam_role"), change("delete", "iam_role")],
        "same": [],
    }
    assert plan_table(changes, SYMBOLS, 80) == [
        [
            "resource     dev  production  same",
            "ecs_service  ~1   .           .",
            "iam_role     .    +2 -1       .",
        ]
    ]


def test_environments_beyond_the_width_go_into_another_table() -> None:
    changes = {f"environment-{number}": [change("update", "ecs_service")] for number in range(10)}
    tables = plan_table(changes, SYMBOLS, 60)
    assert len(tables) == 4
    assert all(len(line) <= 60 for table in tables for line in table)
    assert sum(line.count("~1") for table in tables for line in table) == 10


def test_nothing_to_do_is_a_table_too() -> None:
    assert plan_table({"one": [], "two": []}, SYMBOLS, 80) == [["resource  one  two"]]
