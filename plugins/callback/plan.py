# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
type: aggregate
version_added: 0.1.0
short_description: Close a run with what was added, changed, replaced and destroyed
description:
  - In check mode the run ends with a plan, otherwise with what was done, one line for each resource and the counts of
    each host.
  - A check of several environments also ends with one table, kinds of resources by environments. A run of
    C(gatehouse.fargate.site) or C(gatehouse.fargate.rollout) ends with a report, one line for each environment, digest,
    verdict, time, an estimate of its monthly cost from list prices, and its address.
  - Enable it with C(callbacks_enabled = gatehouse.fargate.plan) in C(ansible.cfg), or with the environment variable
    C(ANSIBLE_CALLBACKS_ENABLED=gatehouse.fargate.plan).
  - It reads what the modules of this collection return, where secrets are masked, and counts a resource once however
    many tasks touch it.
author:
  - Gatehouse contributors (@gatehouse)
requirements:
  - It has to be enabled in the configuration.
options:
  plan_file:
    description: File to write the plan to as JSON, for machines. Nothing is written when it is empty.
    type: str
    default: ""
    env:
      - name: GATEHOUSE_PLAN_FILE
    ini:
      - section: callback_gatehouse_plan
        key: plan_file
  pending_exit_code:
    description:
      - Exit code of C(ansible-playbook --check) when no task failed and changes are pending; V(0) keeps Ansible's own.
      - Ansible uses 0 to 8, 99, 250 and 255 itself; V(10) is free.
      - Callbacks that come after this one in C(callbacks_enabled) do not get their closing call then, so list it last.
    type: int
    default: 0
    env:
      - name: GATEHOUSE_PENDING_EXIT_CODE
    ini:
      - section: callback_gatehouse_plan
        key: pending_exit_code
  delegation_exit_code:
    description:
      - Exit code of C(ansible-playbook) when all hosts that failed wait for their domain's delegation, which somebody
        has to enter at the parent domain before the run can go on; V(0) keeps Ansible's own, which is 2.
      - The note on other callbacks at O(pending_exit_code) holds here too.
    type: int
    default: 11
    env:
      - name: GATEHOUSE_DELEGATION_EXIT_CODE
    ini:
      - section: callback_gatehouse_plan
        key: delegation_exit_code
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.callback import CallbackBase
from ansible_collections.gatehouse.fargate.plugins.module_utils._report.prices import monthly_total, price_table
from ansible_collections.gatehouse.fargate.plugins.module_utils._report.tables import plan_table, report_table
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import controller

Fields = dict[str, Any]
Key = tuple[str, str]

UNCHANGED = "unchanged"
# Action: symbol, colour, word in a plan, word when it is done.
ACTIONS: dict[str, tuple[str, str, str, str]] = {
    "create": ("+", constants.COLOR_OK, "to add", "added"),
    "update": ("~", constants.COLOR_CHANGED, "to change", "changed"),
    "replace": ("-/+", constants.COLOR_CHANGED, "to replace", "replaced"),
    "delete": ("-", constants.COLOR_ERROR, "to destroy", "destroyed"),
}
# What two steps with one resource amount to; where nothing is given, the later one counts.
TOGETHER = {
    ("create", "update"): "create",
    ("replace", "update"): "replace",
    ("delete", "create"): "replace",
    ("create", "delete"): UNCHANGED,
}
# What dns_delegation_info gives as code of its failure.
DELEGATION_MISSING = "delegation_missing"
FOREIGN_COLLECTIONS = ("amazon.aws.", "community.aws.")
SYMBOLS = {action: words[0] for action, words in ACTIONS.items()}
# The fact in which site.yml sums an environment up, and where rollout.yml stops before it touches one.
REPORT_FACT = "stack_report"
GATE = "Wave | "


@dataclass
class Entry:
    """All that a run did, or would do, with one resource."""

    action: str = UNCHANGED
    before: Fields = field(default_factory=dict)
    after: Fields = field(default_factory=dict)

    def then(self, later: Entry) -> Entry:
        if later.action == UNCHANGED:
            return self
        if self.action == UNCHANGED:
            return later
        action = TOGETHER.get((self.action, later.action), later.action)
        return Entry(action, {**later.before, **self.before}, {**self.after, **later.after})


class HostPlan:
    """The resources of one host, in the order in which they came up."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}

    def add(self, resource: str, name: str, entry: Entry) -> None:
        key = (resource, name)
        self.entries[key] = self.entries.get(key, Entry()).then(entry)

    def changes(self) -> list[Fields]:
        return [
            {"action": entry.action, "resource": key[0], "name": key[1], "before": entry.before, "after": entry.after}
            for key, entry in self.entries.items()
            if entry.action != UNCHANGED
        ]

    def unchanged(self) -> list[Fields]:
        kept = [key for key, entry in self.entries.items() if entry.action == UNCHANGED]
        return [{"resource": resource, "name": name} for resource, name in kept]

    def counts(self) -> dict[str, int]:
        actions = [entry.action for entry in self.entries.values()]
        return {action: actions.count(action) for action in (*ACTIONS, UNCHANGED)}


def steps(result: Mapping[str, Any], action: str, task_name: str) -> Iterator[tuple[str, str, Entry]]:
    """Yields what the result of a task says about resources."""
    for one in result.get("results", [result]):
        if not isinstance(one, Mapping) or one.get("skipped"):
            continue
        if isinstance(one.get("changes"), list):
            for change in one["changes"]:
                yield change["resource"], change["name"], Entry(change["action"], change["before"], change["after"])
        elif one.get("changed") and action.startswith(FOREIGN_COLLECTIONS):
            yield action, task_name, Entry("update")
        for kept in one.get("unchanged") or []:
            yield kept["resource"], kept["name"], Entry()


def sentence(counts: Mapping[str, int], is_plan: bool) -> str:
    """Returns one line for people: what is to be done, or was."""
    if not any(counts[action] for action in ACTIONS):
        return f"No changes: {counts[UNCHANGED]} resources are as declared"
    words = [f"{counts[action]} {words[2 if is_plan else 3]}" for action, words in ACTIONS.items()]
    return f"{'Plan' if is_plan else 'Done'}: {', '.join(words)}, {counts[UNCHANGED]} unchanged"


def total(plans: Iterable[HostPlan]) -> dict[str, int]:
    counts = [plan.counts() for plan in plans]
    return {action: sum(one[action] for one in counts) for action in (*ACTIONS, UNCHANGED)}


def line_of(change: Fields) -> str:
    """Returns a change in one line; an update names the fields that differ."""
    symbol = ACTIONS[change["action"]][0]
    fields = f": {', '.join(sorted(change['after'] or change['before']))}" if change["action"] == "update" else ""
    return f"  {symbol:3} {change['resource']} {change['name']}{fields}".rstrip(": ")


def failure_code(result: Mapping[str, Any]) -> str:
    """Returns the code that a failed module gives for programs, else an empty string."""
    failure = result.get("failure")
    return str(failure.get("code", "")) if isinstance(failure, Mapping) else ""


class CallbackModule(CallbackBase):
    """Collects the changes of all hosts and shows them when the run ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gatehouse.fargate.plan"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self._is_plan = bool(context.CLIARGS.get("check"))
        self._hosts: dict[str, HostPlan] = {}
        self._failure_codes: dict[str, str] = {}
        self._play_started = time.monotonic()
        # What is known of each host that had a task: how long its last play took, how it ended.
        self._reports: dict[str, Fields] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play_started = time.monotonic()
        if play.connection == controller.CONNECTION:
            controller.prepare()

    def v2_runner_on_ok(self, result: Any) -> None:
        report = self._report_of(result)
        facts = result._result.get("ansible_facts") or {}
        if REPORT_FACT in facts:
            report.update(facts[REPORT_FACT], verdict="passed", usd_a_month=monthly_total(facts[REPORT_FACT]))
        self._collect(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        report = self._report_of(result)
        name = result._task.get_name()
        if not ignore_errors and GATE not in name:
            report["verdict"] = f"failed: {name.rpartition(' : ')[2]}"
        self._failure_codes[result._host.get_name()] = failure_code(result._result)
        self._collect(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._report_of(result)["verdict"] = "unreachable"

    def _report_of(self, result: Any) -> Fields:
        report = self._reports.setdefault(result._host.get_name(), {"verdict": "not started"})
        report["seconds"] = time.monotonic() - self._play_started
        return report

    def _collect(self, result: Any) -> None:
        # A task may be told to predict in a real run, or to act in a check; neither is part of the plan.
        if bool(result._task.check_mode) != self._is_plan:
            return
        for resource, name, entry in steps(result._result, result._task.action, result._task.get_name()):
            self._hosts.setdefault(result._host.get_name(), HostPlan()).add(resource, name, entry)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        failed = sorted({*stats.failures, *stats.dark})
        for host, plan in self._hosts.items():
            self._show(host, plan, host in failed)
        self._show_all()
        self._write(failed)
        code = self._exit_code(failed)
        if code:
            raise SystemExit(code)

    def _exit_code(self, failed: list[str]) -> int:
        """Returns what the run ends with, 0 to leave that to Ansible."""
        if failed:
            waiting = all(self._failure_codes.get(host) == DELEGATION_MISSING for host in failed)
            return int(self.get_option("delegation_exit_code")) if waiting else 0
        pending = self._is_plan and any(plan.changes() for plan in self._hosts.values())
        return int(self.get_option("pending_exit_code")) if pending else 0

    def _show(self, host: str, plan: HostPlan, failed: bool) -> None:
        self._display.banner(f"GATEHOUSE {'PLAN' if self._is_plan else 'CHANGES'} [{host}]")
        for change in plan.changes():
            self._display.display(line_of(change), color=ACTIONS[change["action"]][1])
        end = ", incomplete because a task failed" if failed else ""
        self._display.display(f"{sentence(plan.counts(), self._is_plan)}{end}.")

    def _show_all(self) -> None:
        """Shows the tables over all environments."""
        if self._is_plan and len(self._hosts) > 1:
            self._display.banner("GATEHOUSE PLAN FOR ALL")
            changes = {host: plan.changes() for host, plan in self._hosts.items()}
            for table in plan_table(changes, SYMBOLS, self._display.columns):
                self._show_lines(table)
        elif not self._is_plan and any("region" in report for report in self._reports.values()):
            self._display.banner("GATEHOUSE REPORT")
            self._show_lines(report_table(self._reports))
            self._display.display(
                f"Costs: list prices of {price_table()['read']}, on-demand, without traffic and taxes."
            )

    def _show_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._display.display(line)

    def _write(self, failed: list[str]) -> None:
        name = self.get_option("plan_file")
        if not name:
            return
        hosts = {
            host: {
                "summary": plan.counts(),
                "changes": plan.changes(),
                "unchanged": plan.unchanged(),
                "report": self._reports.get(host, {}),
            }
            for host, plan in self._hosts.items()
        }
        document = {
            "check_mode": self._is_plan,
            "failed": failed,
            "summary": total(self._hosts.values()),
            "hosts": hosts,
        }
        path = Path(name).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a stack holds is nobody else's business.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2, default=str)
            file.write("\n")
