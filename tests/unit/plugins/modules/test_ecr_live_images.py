# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import datetime
from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import live_tag
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_live_images as subject
from botocore.stub import Stubber

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello"


@pytest.mark.parametrize(
    ("tagged", "in_use", "digests", "actions", "after"),
    [
        ([], [], [], [], []),
        ([], [], [A], ["create"], [A]),
        ([A], [A], [A], [], [A]),
        ([A], [A], [B], ["update"], [A, B]),
        ([A, B], [B], [C], ["update"], [B, C]),
        # What is no longer deployed waits for the next change, so that a second run changes nothing.
        ([A, B], [B], [B], [], [A, B]),
        ([], [A], [A], ["create"], [A]),
        ([], [], [KNOWN_AFTER_APPLY], ["create"], [KNOWN_AFTER_APPLY]),
    ],
)
def test_what_is_deployed_is_kept(
    tagged: list[str], in_use: list[str], digests: list[str], actions: list[str], after: list[str]
) -> None:
    current = {"repository": "hello", "tagged": tagged, "in_use": in_use}
    planned = subject.plan(current, {"repository": "hello", "digests": digests})
    assert [change.action.value for change in planned.changes] == actions
    assert planned.result["tagged"] == after


class RecordingClient:
    """Keeps the tags that an ECR client is asked to put and to remove."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.put: list[str] = []

    def batch_get_image(self, **_request: Any) -> dict[str, Any]:
        return {"images": [{"imageManifest": "{}", "imageManifestMediaType": "application/json"}], "failures": []}

    def put_image(self, **request: Any) -> dict[str, Any]:
        self.put.append(request["imageTag"])
        return {}

    def batch_delete_image(self, **request: Any) -> dict[str, Any]:
        self.removed += [image["imageTag"] for image in request["imageIds"]]
        return {"failures": []}


def test_the_tags_move_to_what_is_deployed() -> None:
    current = {"repository": "hello", "tagged": [A, B], "in_use": [B]}
    client = RecordingClient()
    subject.apply(client, subject.plan(current, {"repository": "hello", "digests": [C]}))
    assert (client.put, client.removed) == ([live_tag(C)], [live_tag(A)])


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


def test_nobody_is_asked_what_runs_when_all_is_tagged() -> None:
    image = {
        "imageDigest": A,
        "imageTags": [live_tag(A)],
        "imagePushedAt": datetime(2026, 11, 22),
        "imageSizeInBytes": 9,
    }
    nobody: Any = None
    with Stubber(boto3.client("ecr", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")) as stub:
        stub.add_response("describe_images", {"imageDetails": [image]})
        found = subject.describe(stub.client, nobody, {"repository": "hello", "digests": [A], "clusters": ["hello"]})
    assert found == {"repository": "hello", "tagged": [A], "in_use": []}
