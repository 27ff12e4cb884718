# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import datetime
from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import live_tag
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_image_info as subject
from botocore.stub import Stubber

DIGEST = f"sha256:{'a' * 64}"
DETAILS = {"imageDigest": DIGEST, "imagePushedAt": datetime.datetime(2026, 11, 22), "imageSizeInBytes": 9}
FOUND = {"digest": DIGEST, "pushed_at": "2026-11-22T00:00:00", "size": 9, "tags": [], "is_live": False}


@pytest.fixture
def ecr() -> Any:
    with Stubber(boto3.client("ecr", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("params", "image_id"),
    [
        ({"tag": "src-1", "digest": None}, {"imageTag": "src-1"}),
        ({"tag": None, "digest": DIGEST}, {"imageDigest": DIGEST}),
    ],
)
def test_by_tag_or_by_digest(ecr: Stubber, params: dict[str, Any], image_id: dict[str, str]) -> None:
    ecr.add_response(
        "describe_images", {"imageDetails": [DETAILS]}, {"repositoryName": "hello", "imageIds": [image_id]}
    )
    assert subject.look_up(ecr.client, {"repository": "hello", "source_hash": "", **params}) == FOUND


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_nothing_there_is_an_empty_digest(ecr: Stubber, code: str) -> None:
    ecr.add_client_error("describe_images", code)
    found = subject.look_up(ecr.client, {"repository": "hello", "tag": "src-1", "digest": None})
    assert found == {"digest": "", "pushed_at": "", "size": 0, "tags": [], "is_live": False}


def test_anything_else_is_an_error(ecr: Stubber) -> None:
    ecr.add_client_error("describe_images", "AccessDeniedException", "no")
    with pytest.raises(AnsibleAWSError, match="describe the image"):
        subject.look_up(ecr.client, {"repository": "hello", "tag": "src-1", "digest": None})


@pytest.mark.parametrize("unknown", ["repository", "tag"])
def test_an_unknown_name_is_not_asked_for(ecr: Stubber, unknown: str) -> None:
    params = {"repository": "hello", "tag": "src-1", "digest": None, unknown: KNOWN_AFTER_APPLY}
    assert subject.look_up(ecr.client, params)["digest"] == ""


def test_an_image_that_was_deployed_before_is_not_looked_into(ecr: Stubber) -> None:
    deployed = {**DETAILS, "imageTags": ["src-1", live_tag(DIGEST)]}
    ecr.add_response("describe_images", {"imageDetails": [deployed]})
    params = {"repository": "hello", "tag": "src-1", "digest": None, "source_hash": "1" * 64}
    found = subject.look_up(ecr.client, params)
    assert found["digest"] == DIGEST
    assert found["is_live"]


@pytest.mark.parametrize(
    ("image", "tag", "expected"),
    [
        ({"digest": "", "is_live": False}, "src-1", []),
        ({"digest": DIGEST, "is_live": False}, "src-1", ["ecr_image hello:src-1"]),
        ({"digest": DIGEST, "is_live": True}, "src-1", ["ecr_image hello:src-1", "ecr_live_images hello"]),
        ({"digest": DIGEST, "is_live": True}, None, ["ecr_live_images hello"]),
    ],
)
def test_a_plan_can_count_what_was_found(image: dict[str, Any], tag: str | None, expected: list[str]) -> None:
    counted = subject.resources_of(image, repository="hello", tag=tag, digest=None)
    assert [f"{one['resource']} {one['name']}" for one in counted] == expected
