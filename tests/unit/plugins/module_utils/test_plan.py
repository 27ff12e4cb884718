# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils import _plan as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils import _runner as runner
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Action, Change, Plan
from botocore.exceptions import ClientError


class ModuleExitError(Exception):
    """Ends a module run the way exit_json and fail_json do."""


class RecordingModule:
    def __init__(self, check_mode: bool = False) -> None:
        self.check_mode = check_mode
        self.params: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self.failure: Any = None

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise ModuleExitError

    def fail_json(self, msg: str) -> None:
        self.failure = msg
        raise ModuleExitError

    def fail_json_aws_error(self, error: AnsibleAWSError) -> None:
        self.fail_json(error.message)

    def fail_json_aws(self, error: Exception, msg: str) -> None:
        self.fail_json(f"{msg}: {error}")


class Account:
    """A thing in an account, and the calls made to it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.applied = 0

    def describe(self) -> dict[str, Any]:
        return {"size": self.size}

    def plan(self, current: dict[str, Any]) -> Plan:
        before, after = subject.differences(current, {"size": 5})
        changes = (Change(Action.UPDATE, "thing", "it", before, after, call="hidden"),) if after else ()
        return Plan({"size": 5}, changes)

    def apply(self, planned: Plan) -> None:
        self.applied += 1
        self.size = planned.result["size"]


def run(account: Account, module: RecordingModule, **overrides: Any) -> RecordingModule:
    functions = {"describe": account.describe, "plan": account.plan, "apply": account.apply, **overrides}
    with pytest.raises(ModuleExitError):
        runner.run(module, "thing", **functions)
    return module


def test_a_change_is_applied_and_the_state_read_back() -> None:
    account = Account(3)
    result = run(account, RecordingModule()).result
    assert (account.applied, result["changed"], result["thing"]) == (1, True, {"size": 5})
    assert result["changes"] == [
        {"action": "update", "resource": "thing", "name": "it", "before": {"size": 3}, "after": {"size": 5}}
    ]


def test_check_mode_predicts_the_same_and_applies_nothing() -> None:
    account = Account(3)
    predicted = run(account, RecordingModule(check_mode=True)).result
    assert account.applied == 0
    assert predicted == run(Account(3), RecordingModule()).result


def test_no_change_applies_nothing() -> None:
    account = Account(5)
    result = run(account, RecordingModule()).result
    assert (account.applied, result["changed"], result["changes"], result["diff"]) == (0, False, [], [])


def test_the_diff_shows_the_fields_and_never_the_call() -> None:
    (diff,) = run(Account(3), RecordingModule()).result["diff"]
    assert (diff["before"], diff["after"]) == ("size: 3\n", "size: 5\n")
    assert "hidden" not in str(diff)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (subject.PlanRefusedError("size of it cannot shrink"), "size of it cannot shrink"),
        (AnsibleAWSError(message="Failed to describe it"), "Failed to describe it"),
        (ClientError({"Error": {"Code": "Denied", "Message": "no"}}, "Do"), "Failed to manage the thing"),
    ],
)
def test_errors_become_one_message(error: Exception, message: str) -> None:
    def plan(_current: dict[str, Any]) -> Plan:
        raise error

    assert message in run(Account(3), RecordingModule(), plan=plan).failure


@pytest.mark.parametrize(
    ("current", "desired", "expected"),
    [
        ({"a": 1}, {"a": 1}, ({}, {})),
        ({"a": 1}, {"a": None}, ({}, {})),
        ({"a": 1, "b": 2}, {"a": 3}, ({"a": 1}, {"a": 3})),
        ({}, {"a": False}, ({"a": None}, {"a": False})),
    ],
)
def test_differences(current: dict[str, Any], desired: dict[str, Any], expected: tuple[Any, Any]) -> None:
    assert subject.differences(current, desired) == expected


@pytest.mark.parametrize(
    ("desired", "purge", "expected"),
    [
        (None, True, ({}, [])),
        ({"a": "1"}, True, ({}, ["b"])),
        ({"a": "2"}, False, ({"a": "2"}, [])),
    ],
)
def test_tag_differences(desired: dict[str, str] | None, purge: bool, expected: tuple[Any, Any]) -> None:
    assert subject.tag_differences({"a": "1", "b": "2"}, desired, purge) == expected


@pytest.mark.parametrize(
    ("value", "known"), [("vpc-1", True), ("", False), (None, False), (subject.KNOWN_AFTER_APPLY, False)]
)
def test_is_known(value: Any, known: bool) -> None:
    assert subject.is_known(value) is known
