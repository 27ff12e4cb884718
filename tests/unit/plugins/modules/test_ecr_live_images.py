# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import live_tag
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_live_images as subject

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello"


@pytest.mark.parametrize(
    ("tagged", "in_use", "digests", "actions"),
    [
        ([], [], [], []),
        ([], [], [A], [("create", A)]),
        ([A], [A], [A], []),
        ([A], [A], [B], [("create", B)]),
        ([A, B], [B], [C], [("create", C), ("delete", A)]),
        # What is no longer deployed waits for the next change, so that a second run changes nothing.
        ([A, B], [B], [B], []),
        ([], [A], [A], [("create", A)]),
        ([], [], [KNOWN_AFTER_APPLY], [("create", KNOWN_AFTER_APPLY)]),
    ],
)
def test_what_is_deployed_is_kept(
    tagged: list[str], in_use: list[str], digests: list[str], actions: list[tuple[str, str]]
) -> None:
    current = {"repository": "hello", "tagged": tagged, "in_use": in_use}
    planned = subject.plan(current, {"repository": "hello", "digests": digests})
    found = [(change.action.value, (change.before or change.after)["digest"]) for change in planned.changes]
    assert found == actions
    assert {*in_use, *digests} <= {*planned.result["tagged"]}


def test_only_digests_of_this_repository_count() -> None:
    images = {f"{URI}@{A}", f"{URI}:v1@{B}", f"{URI}-other@{C}", f"{URI}:v1", "nginx:1"}
    assert subject.in_use(images, URI) == {A, B}


def test_the_tag_belongs_to_one_digest() -> None:
    assert live_tag(A) == f"live-{'a' * 32}"
    assert live_tag(A) != live_tag(B)


def test_nobody_is_asked_about_a_repository_that_is_not_there_yet() -> None:
    nobody: Any = None
    found = subject.describe(nobody, nobody, {"repository": KNOWN_AFTER_APPLY, "clusters": ["hello"]})
    assert found == {"repository": KNOWN_AFTER_APPLY, "tagged": [], "in_use": []}
