# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one mechanism by which the layer changes ministack: named, checked replacements of its private functions."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any

SUPPORTED_VERSION = "1.5.33"

Params = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Function = Callable[..., Any]
Handler = Callable[[Params], Response]
Wrapper = Callable[[Function], Function]
Check = Callable[[Params], Response | None]
ActionMap = dict[str, Any]


class HookMissing(RuntimeError):  # noqa: N818 -- a state of the installed ministack, not an error of a caller
    """ministack has no such name, so the layer would silently do nothing."""


def check_version() -> None:
    """Refuse any ministack but the one whose private names the layer was written against."""
    installed = version("ministack")
    if installed != SUPPORTED_VERSION:
        raise HookMissing(f"local_aws is written for ministack {SUPPORTED_VERSION}, but {installed} is installed")


def patch(owner: ModuleType, name: str, wrapper: Wrapper) -> None:
    """Replace `owner.name` by `wrapper(original)`."""
    original = getattr(owner, name, None)
    if not callable(original):
        raise HookMissing(f"{owner.__name__}.{name} is not a function of this ministack")
    setattr(owner, name, wrapper(original))


def patch_action(action_map: ActionMap, action: str, wrapper: Wrapper, *, new: bool = False) -> None:
    """Replace an API action of a service; with `new`, add one that ministack lacks (the wrapper then gets a stub)."""
    if new == (action in action_map):
        state = "already has" if new else "does not have"
        raise HookMissing(f"this ministack {state} the action {action}")
    action_map[action] = wrapper(action_map.get(action, _not_implemented(action)))


def guard(action_map: ActionMap, action: str, check: Check) -> None:
    """Let `check` answer an action in place of ministack; None passes the call on."""

    def wrap(original: Handler) -> Handler:
        return lambda params: check(params) or original(params)

    patch_action(action_map, action, wrap)


def _not_implemented(action: str) -> Handler:
    def stub(_params: Params) -> Response:
        raise NotImplementedError(action)

    return stub
