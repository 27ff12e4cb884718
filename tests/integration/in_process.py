# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs modules inside the test's own process: the same code as a task runs, without the second it takes to start."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from conftest import LocalAws

PACKAGE = "ansible_collections.gatehouse.fargate.plugins.modules"
Fields = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A module and its options, as a role gave them."""

    module: str
    options: Fields = field(compare=False)


class ModuleEndError(Exception):
    """Carries what a module ended with; not caught by the modules' own handlers."""

    def __init__(self, result: Fields) -> None:
        super().__init__(str(result.get("msg", "")))
        self.result = result


def given(value: Any) -> Any:
    """Returns options without those that nobody set, as a task would give them."""
    if isinstance(value, dict):
        return {key: given(item) for key, item in value.items() if item is not None}
    return [given(item) for item in value] if isinstance(value, list) else value


class Modules:
    """Runs tasks; keeps one client for each service, because parsing its model takes longest."""

    def __init__(self, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
        self._local_aws = local_aws
        self._monkeypatch = monkeypatch
        self._clients: dict[tuple[str, str], Any] = {}
        for name, failed in (("exit_json", False), ("fail_json", True)):
            monkeypatch.setattr(AnsibleModule, name, ending(failed))
        for name, value in local_aws.environment.items():
            monkeypatch.setenv(name, value)

    def client(self, service: str, region: str = "ap-northeast-1") -> Any:
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self._local_aws.client(service, region)
        return self._clients[key]

    def run(self, task: Task, *, check: bool = False) -> Fields:
        """Returns the result of a task; a failure is an error."""
        result = self.attempt(task, check=check)
        assert not result.get("failed"), f"{task.module}: {result.get('msg')}"
        return result

    def attempt(self, task: Task, *, check: bool = False) -> Fields:
        module = importlib.import_module(f"{PACKAGE}.{task.module}")
        self._monkeypatch.setattr(module, "aws_client", self._client_of, raising=False)
        with patch_module_args({**given(task.options), "_ansible_check_mode": check}):
            try:
                module.main()
            except ModuleEndError as end:
                return end.result
        raise AssertionError(f"{task.module} ended without a result")

    def _client_of(self, module: Any, service: str, **overrides: Any) -> Any:
        return self.client(service, overrides.get("region") or module.region or "ap-northeast-1")


def ending(failed: bool) -> Callable[..., None]:
    def end(_module: Any, msg: str = "", **result: Any) -> None:
        raise ModuleEndError({"failed": failed, "msg": str(msg), **result})

    return end
