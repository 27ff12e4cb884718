# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.callback.plan import HostPlan, line_of, sentence, steps

Fields = dict[str, Any]


def result(action: str, name: str = "hello", **fields: Any) -> Fields:
    change = {"action": action, "resource": "thing", "name": name, "before": {}, "after": fields}
    return {"changed": True, "changes": [change], "unchanged": []}


KEPT: Fields = {"changed": False, "changes": [], "unchanged": [{"resource": "thing", "name": "hello"}]}


def plan_of(*results: Fields, action: str = "gatehouse.fargate.thing") -> HostPlan:
    plan = HostPlan()
    for one in results:
        for resource, name, entry in steps(one, action, "Do it"):
            plan.add(resource, name, entry)
    return plan


@pytest.mark.parametrize(
    ("results", "action"),
    [
        ([KEPT], None),
        ([KEPT, KEPT], None),
        ([KEPT, result("update")], "update"),
        ([result("update"), KEPT], "update"),
        ([result("create"), result("create")], "create"),
        ([result("create"), result("update")], "create"),
        ([result("update"), result("update")], "update"),
        ([result("update"), result("delete")], "delete"),
        ([result("delete"), result("create")], "replace"),
        ([result("replace"), result("update")], "replace"),
        ([result("create"), result("delete")], None),
    ],
)
def test_a_resource_counts_once_however_often_it_is_touched(results: list[Fields], action: str | None) -> None:
    plan = plan_of(*results)
    assert [change["action"] for change in plan.changes()] == ([action] if action else [])
    assert sum(plan.counts().values()) == 1


def test_the_fields_of_all_steps_come_together() -> None:
    (change,) = plan_of(result("create", a=1, b=1), result("update", b=2, c=3)).changes()
    assert change["after"] == {"a": 1, "b": 2, "c": 3}


def test_the_items_of_a_loop_count_and_skipped_ones_do_not() -> None:
    looped = {"results": [result("create", "one"), {"skipped": True, "changes": []}, result("create", "two")]}
    assert [change["name"] for change in plan_of(looped).changes()] == ["one", "two"]


@pytest.mark.parametrize(
    ("action", "names"), [("amazon.aws.s3_bucket", ["Do it"]), ("ansible.builtin.debug", []), ("debug", [])]
)
def test_another_collections_change_of_aws_is_named_by_its_task(action: str, names: list[str]) -> None:
    assert [change["name"] for change in plan_of({"changed": True}, action=action).changes()] == names


@pytest.mark.parametrize("hidden", [{"censored": "the output has been hidden", "changed": True}, {"changed": False}])
def test_a_result_that_says_nothing_counts_nothing(hidden: Fields) -> None:
    assert plan_of(hidden).entries == {}


@pytest.mark.parametrize(
    ("results", "is_plan", "text"),
    [
        ([KEPT], True, "No changes: 1 resources are as declared"),
        ([KEPT], False, "No changes: 1 resources are as declared"),
        ([result("create")], True, "Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy, 0 unchanged"),
        (
            [result("delete"), result("update", "other")],
            False,
            "Done: 0 added, 1 changed, 0 replaced, 1 destroyed, 0 unchanged",
        ),
    ],
)
def test_one_sentence_sums_up(results: list[Fields], is_plan: bool, text: str) -> None:
    assert sentence(plan_of(*results).counts(), is_plan) == text


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (result("create", a=1), "  +   thing hello"),
        (result("update", b=1, a=2), "  ~   thing hello: a, b"),
        (result("replace", a=1), "  -/+ thing hello"),
        (result("delete"), "  -   thing hello"),
    ],
)
def test_a_line_names_what_an_update_changes(one: Fields, line: str) -> None:
    assert line_of(one["changes"][0]) == line
