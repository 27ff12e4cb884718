# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import Registry
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_image_copy as subject
from botocore.stub import Stubber

A, B = (f"sha256:{letter * 64}" for letter in "ab")
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SOURCE: dict[str, Any] = {"digest": A, "tags": ["live-a", "src-1"], "uri": f"{HOST}/hello-dev"}
PARAMS: dict[str, Any] = {"repository": "hello-prod", "tag": ""}


@pytest.mark.parametrize(
    ("current", "changes"),
    [
        ({}, 1),
        ({"digest": "", "tags": [], "tag_on": ""}, 1),
        ({"digest": A, "tags": ["other"], "tag_on": ""}, 1),
        ({"digest": A, "tags": ["src-1"], "tag_on": ""}, 0),
    ],
)
def test_a_copy_is_made_once(current: dict[str, Any], changes: int) -> None:
    planned = subject.plan(current, PARAMS, SOURCE)
    assert len(planned.changes) == changes
    assert planned.result == {
        "repository": "hello-prod",
        "tag": "src-1",
        "digest": A,
        "source_uri": f"{HOST}/hello-dev",
        "source_digest": A,
        "equal": True,
    }


def test_another_image_under_the_tag_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match=f"hello-prod:src-1 is {B} already, not {A}"):
        subject.plan({"digest": "", "tags": [], "tag_on": B}, PARAMS, SOURCE)


@pytest.mark.parametrize(
    ("wanted", "tags", "tag"),
    [
        ("", ["live-a", "src-1"], "src-1"),
        ("", ["live-a"], f"copy-{'a' * 32}"),
        ("release-1", ["src-1"], "release-1"),
    ],
)
def test_the_tag_of_the_copy(wanted: str, tags: list[str], tag: str) -> None:
    assert subject.copy_tag(wanted, {**SOURCE, "tags": tags}) == tag


@pytest.mark.parametrize(("uri", "expected"), [(f"{HOST}/hello-prod", ("hello-dev",)), ("other/hello-prod", ())])
def test_only_a_repository_of_the_same_registry_can_hand_over(uri: str, expected: tuple[str, ...]) -> None:
    assert subject.neighbours(Registry("http://x", "hello-dev", ""), SOURCE, uri) == expected


def deployment(state: str, revision: int) -> dict[str, Any]:
    return {"rolloutState": state, "taskDefinition": f"hello:{revision}"}


@pytest.mark.parametrize(
    ("deployments", "asked"),
    [
        ([deployment("COMPLETED", 2)], "hello:2"),
        ([deployment("IN_PROGRESS", 3), deployment("COMPLETED", 2)], "hello:2"),
        ([deployment("FAILED", 3)], None),
        ([], None),
    ],
)
def test_what_was_deployed_last_with_success(deployments: list[dict[str, Any]], asked: str | None) -> None:
    client = boto3.client("ecs", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    given = {"service": "hello", "cluster": "hello"}
    with Stubber(client) as ecs:
        ecs.add_response("describe_services", {"services": [{"deployments": deployments}]})
        if not asked:
            with pytest.raises(PlanRefusedError, match="Service hello in cluster hello runs no image of"):
                subject.running_digest(client, given, SOURCE["uri"])
            return
        definition = {"containerDefinitions": [{"image": "nginx:1"}, {"image": f"{SOURCE['uri']}@{A}"}]}
        ecs.add_response("describe_task_definition", {"taskDefinition": definition}, {"taskDefinition": asked})
        assert subject.running_digest(client, given, SOURCE["uri"]) == A


def test_a_source_that_names_no_image_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match=r"names no image: set source.digest, source.tag or source.service"):
        subject.running_digest(None, {"digest": "", "tag": "", "service": ""}, SOURCE["uri"])
