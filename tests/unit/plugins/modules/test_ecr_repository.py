# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_repository as subject

DESIRED: dict[str, Any] = {
    "name": "hello",
    "state": "present",
    "image_tag_mutability": "IMMUTABLE",
    "scan_on_push": True,
    "encryption_type": "AES256",
    "keep_images": 30,
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}
CURRENT: dict[str, Any] = {
    "name": "hello",
    "arn": "arn:aws:ecr:eu-west-1:123456789012:repository/hello",
    "uri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello",
    "image_tag_mutability": "IMMUTABLE",
    "scan_on_push": True,
    "encryption_type": "AES256",
    "keep_images": 30,
    "tags": {"gatehouse:stack": "hello"},
}


def test_an_empty_account_gets_the_repository_with_unknown_address() -> None:
    planned = subject.plan({}, DESIRED)
    assert [change.action.value for change in planned.changes] == ["create"]
    assert planned.result["uri"] == KNOWN_AFTER_APPLY


def test_a_converged_repository_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED).changes == ()


@pytest.mark.parametrize(
    ("field", "drifted"),
    [
        ("image_tag_mutability", "MUTABLE"),
        ("scan_on_push", False),
        ("keep_images", 5),
        ("keep_images", None),
        ("tags", {}),
        ("tags", {"gatehouse:stack": "hello", "stray": "1"}),
    ],
)
def test_drift_is_found_field_by_field(field: str, drifted: Any) -> None:
    (change,) = subject.plan({**CURRENT, field: drifted}, DESIRED).changes
    assert change.before == {field: drifted}
    assert change.after == {field: CURRENT[field]}


def test_encryption_cannot_change() -> None:
    with pytest.raises(PlanRefusedError, match="encryption_type of repository hello is AES256"):
        subject.plan(CURRENT, {**DESIRED, "encryption_type": "KMS"})


@pytest.mark.parametrize(("current", "actions"), [(CURRENT, ["delete"]), ({}, [])])
def test_absent(current: dict[str, Any], actions: list[str]) -> None:
    planned = subject.plan(current, {**DESIRED, "state": "absent"})
    assert [change.action.value for change in planned.changes] == actions
