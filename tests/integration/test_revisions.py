# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One change of a task makes one revision, none makes none, old ones go, and nothing secret is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LocalAws
from in_process import Modules, Task

FAMILY = "revisions"
KEPT = 3
SECRET = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:token"
CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "public.ecr.aws/nginx/nginx:latest",
    "port": 3000,
    "environment": {"MODE": "calm"},
    "sensitive_environment": {"TOKEN": "hidden-one"},
    "secrets": {"KEY": f"{SECRET}-1"},
    "command": ["serve"],
}
# Field that is shown, and the change that shows it.
CHANGES: dict[str, dict[str, Any]] = {
    "containers.app.environment.MODE": {"environment": {"MODE": "wild"}},
    "containers.app.environment.TOKEN": {"sensitive_environment": {"TOKEN": "hidden-two"}},
    "containers.app.secrets.KEY": {"secrets": {"KEY": f"{SECRET}-2"}},
    "containers.app.command": {"command": ["serve", "--loud"]},
}


@pytest.fixture(scope="module")
def modules(local_aws: LocalAws) -> Iterator[Modules]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Modules(local_aws, monkeypatch)


def task(**changes: Any) -> Task:
    options = {
        "region": "ap-northeast-1",
        "family": FAMILY,
        "keep_revisions": KEPT,
        "tags": {"gatehouse:stack": "test"},
    }
    return Task("ecs_task_definition", {**options, "containers": [{**CONTAINER, **changes}]})


def revisions(modules: Modules) -> list[int]:
    arns = modules.client("ecs").list_task_definitions(familyPrefix=FAMILY, status="ACTIVE")["taskDefinitionArns"]
    return sorted(int(arn.rsplit(":", 1)[1]) for arn in arns)


@pytest.mark.parametrize("field", CHANGES)
def test_one_change_is_one_revision(modules: Modules, field: str) -> None:
    modules.run(task())
    before = revisions(modules)
    assert modules.run(task())["changes"] == []
    assert revisions(modules) == before

    predicted = modules.run(task(**CHANGES[field]), check=True)
    changed = modules.run(task(**CHANGES[field]))
    assert predicted["changes"] == changed["changes"]
    assert set(changed["changes"][0]["after"]) == {"revision", field}
    assert revisions(modules) == [*before, before[-1] + 1][-KEPT:]
    assert modules.run(task(**CHANGES[field]))["changes"] == []


@pytest.mark.parametrize("field", ["containers.app.environment.TOKEN", "containers.app.secrets.KEY"])
def test_a_changed_secret_is_shown_as_changed_and_not_as_what_it_is(modules: Modules, field: str) -> None:
    modules.run(task())
    changed = modules.run(task(**CHANGES[field]))
    assert changed["changes"][0]["after"][field] == "(sensitive value, changed)"
    shown = str([changed["changes"], changed["diff"]])
    assert [word for word in ("hidden-one", "hidden-two", SECRET) if word in shown] == []


def test_each_revision_that_goes_is_named(modules: Modules) -> None:
    modules.run(task())
    modules.run(task(command=["one"]))
    modules.run(task(command=["two"]))
    held = revisions(modules)
    changed = modules.run(task(command=["three"]))
    gone = [(change["action"], change["name"]) for change in changed["changes"][1:]]
    assert gone == [("delete", f"{FAMILY}:{held[0]}")]
    assert revisions(modules) == [*held[1:], held[-1] + 1]
