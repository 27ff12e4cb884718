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
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.callback import CallbackBase

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
FOREIGN_COLLECTIONS = ("amazon.aws.", "community.aws.")


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

    def v2_runner_on_ok(self, result: Any) -> None:
        self._collect(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 - Ansible's name
        self._collect(result)

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
        self._write(failed)
        pending = any(plan.changes() for plan in self._hosts.values())
        code = self.get_option("pending_exit_code")
        if self._is_plan and pending and code and not failed:
            raise SystemExit(code)

    def _show(self, host: str, plan: HostPlan, failed: bool) -> None:
        self._display.banner(f"GATEHOUSE {'PLAN' if self._is_plan else 'CHANGES'} [{host}]")
        for change in plan.changes():
            self._display.display(line_of(change), color=ACTIONS[change["action"]][1])
        end = ", incomplete because a task failed" if failed else ""
        self._display.display(f"{sentence(plan.counts(), self._is_plan)}{end}.")

    def _write(self, failed: list[str]) -> None:
        name = self.get_option("plan_file")
        if not name:
            return
        hosts = {
            host: {"summary": plan.counts(), "changes": plan.changes(), "unchanged": plan.unchanged()}
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
