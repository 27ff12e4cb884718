# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of ministack whose target is missing must stop the start."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.local_aws import hooks

ANSWER: hooks.Response = (200, {}, b"original")
REFUSAL: hooks.Response = (400, {}, b"refused")


def answer(_params: hooks.Params) -> hooks.Response:
    return ANSWER


def keep(original: Any) -> Any:
    return original


@pytest.fixture
def module() -> Any:
    module: Any = ModuleType("ministack.example")
    module.double = lambda number: 2 * number
    module.limit = 3
    return module


def test_patch_wraps_the_original(module: Any) -> None:
    hooks.patch(module, "double", lambda original: lambda number: original(number) + 1)
    assert module.double(4) == 9


@pytest.mark.parametrize("name", ["missing", "limit"])
def test_patch_needs_a_function(module: Any, name: str) -> None:
    with pytest.raises(hooks.HookMissing, match=rf"ministack\.example\.{name}"):
        hooks.patch(module, name, keep)


@pytest.mark.parametrize(
    ("action", "new", "complaint"),
    [("Missing", False, "does not have the action Missing"), ("Known", True, "already has the action Known")],
)
def test_action_is_where_it_is_said_to_be(action: str, new: bool, complaint: str) -> None:
    with pytest.raises(hooks.HookMissing, match=complaint):
        hooks.patch_action({"Known": answer}, action, keep, new=new)


def test_guard_answers_first() -> None:
    actions: hooks.ActionMap = {"Known": answer}
    hooks.guard(actions, "Known", lambda params: REFUSAL if params else None)
    assert [actions["Known"]({}), actions["Known"]({"DryRun": ["true"]})] == [ANSWER, REFUSAL]


@pytest.mark.parametrize("installed", ["1.5.32", "2.0.0"])
def test_other_version_is_refused(monkeypatch: pytest.MonkeyPatch, installed: str) -> None:
    monkeypatch.setattr(hooks, "version", lambda _name: installed)
    with pytest.raises(hooks.HookMissing, match=installed):
        hooks.check_version()
