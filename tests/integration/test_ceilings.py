# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A run that finds everything as declared stays short: its tasks and its requests have a ceiling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import LocalAws, PlaybookRun
from drift_table import DOMAIN, Subject, record_change
from stack import HOST, Stack

# A task takes 25 to 60 ms beside its requests, a skipped one 10 to 20 ms.
EXECUTED_TASKS = 34
SKIPPED_TASKS = 24
REQUESTS = 60


@dataclass(frozen=True)
class Step:
    """One task of a run: whether it ran, and what it asked AWS."""

    name: str
    action: str
    skipped: bool
    asked: Counter[str]

    def __str__(self) -> str:
        asked = ", ".join(f"{count} {action}" for action, count in sorted(self.asked.items()))
        return f"{'skipped' if self.skipped else 'ran':7} {self.action:34} {self.name}: {asked or 'nothing'}"


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def steps(run: PlaybookRun, calls: list[dict[str, Any]]) -> Iterator[Step]:
    for play in run.report["plays"]:
        for task in play["tasks"]:
            result, span = task["hosts"].get(HOST), task["task"]["duration"]
            if result is None:
                continue
            begin, end = seconds(span["start"]), seconds(span["end"])
            asked = Counter(call["action"] for call in calls if begin <= call["time"] < end)
            yield Step(task["task"]["name"], result.get("action", ""), bool(result.get("skipped")), asked)


@dataclass(frozen=True)
class SecondRun:
    """A run of site.yml right after the one that made everything."""

    run: PlaybookRun
    steps: tuple[Step, ...]
    requests: int
    stack: Stack

    def breakdown(self) -> str:
        ran = sum(not step.skipped for step in self.steps)
        total = f"{ran} tasks ran, {len(self.steps) - ran} were skipped, {self.requests} requests"
        return "\n".join([total, *map(str, self.steps)])


@pytest.fixture(scope="module")
def second(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> SecondRun:
    folder: Path = tmp_path_factory.mktemp("ceilings")
    stack = Stack(folder, own_aws)
    front = own_aws.environment
    # Everything on that costs something: login, exec, a closed network, and a look at the pages that need no container.
    stack.variables |= {
        "stack_exec": True,
        "stack_smoke_test": True,
        "stack_connect_to": [
            f":443:127.0.0.1:{front['LOCAL_AWS_HTTPS_PORT']}",
            f":80:127.0.0.1:{front['LOCAL_AWS_HTTP_PORT']}",
        ],
        "stack_ca_path": front["LOCAL_AWS_CA"],
        "alb_https_smoke_app": False,
    }
    stack.site()
    own_aws.forget_calls()
    run = stack.site().run
    calls = own_aws.calls()
    return SecondRun(run, tuple(steps(run, calls)), len(calls), stack)


def test_nothing_changes(second: SecondRun) -> None:
    assert second.run.changed() == 0


def test_nothing_is_warned_of(second: SecondRun) -> None:
    assert "[WARNING]" not in second.run.stderr


def test_the_tasks_stay_few(second: SecondRun) -> None:
    skipped = sum(step.skipped for step in second.steps)
    assert len(second.steps) - skipped <= EXECUTED_TASKS, second.breakdown()
    assert skipped <= SKIPPED_TASKS, second.breakdown()


def test_the_requests_stay_few(second: SecondRun) -> None:
    assert second.requests <= REQUESTS, second.breakdown()


def test_every_request_belongs_to_a_task(second: SecondRun) -> None:
    assert sum(sum(step.asked.values()) for step in second.steps) == second.requests, second.breakdown()


def test_no_question_is_asked_twice_by_one_task(second: SecondRun) -> None:
    # Two attributes, two listeners, two zones, two roles.
    allowed = {"ec2:DescribeVpcAttribute", "elasticloadbalancing:DescribeRules", "route53:ListResourceRecordSets"}
    allowed |= {f"iam:{one}" for one in ("GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies")}
    twice = [step for step in second.steps if any(n > 1 for action, n in step.asked.items() if action not in allowed)]
    assert twice == [], second.breakdown()


def test_what_is_read_once_still_shows_drift(second: SecondRun, own_aws: LocalAws) -> None:
    """The zone's records are read by one task and handed on to those that declare them."""
    drifted = {
        ("route53_delegation", DOMAIN, "ttl"),
        ("route53_record", f"{DOMAIN} A", "alias/evaluate_target_health"),
        ("route53_record", f"auth.{DOMAIN} A", "alias/dns_name"),
        ("acm_validation_record", DOMAIN, "values"),
        ("acm_validation_record", f"auth.{DOMAIN}", "values"),
    }
    for kind, name, path in drifted:
        record_change(Subject(own_aws.client, kind, name, path))
    expected = {("update", kind, name) for kind, name, _path in drifted}
    assert second.stack.site("--check").changes() == expected
    assert second.stack.site().changes() == expected
    assert second.stack.site("--check").changes() == set()
