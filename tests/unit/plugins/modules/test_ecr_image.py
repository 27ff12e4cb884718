# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import api, builders
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import ecr_image as subject
from botocore.stub import Stubber

DIGEST = f"sha256:{'a' * 64}"
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello"
PUSHED = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
TOKEN = base64.b64encode(b"AWS:password").decode()
ASKED = {"repositoryName": "hello", "imageIds": [{"imageTag": "src-1"}]}
DETAILS = {"imageDigest": DIGEST, "imagePushedAt": PUSHED, "imageSizeInBytes": 950_000}


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in subject.ARGUMENT_SPEC.items()}
    given = {"repository": "hello", "tag": "src-1", "path": str(tmp_path), "log_path": str(tmp_path / "log")}
    return {**defaults, **given, "validate_certs": True, "aws_ca_bundle": None}


@pytest.fixture
def ecr() -> Iterator[Stubber]:
    client = boto3.client("ecr", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer_image(ecr: Stubber, digest: str = DIGEST) -> None:
    ecr.add_response("describe_images", {"imageDetails": [{**DETAILS, "imageDigest": digest}]}, ASKED)


def answer_repository(ecr: Stubber) -> None:
    response = {"repositories": [{"repositoryUri": URI}]}
    ecr.add_response("describe_repositories", response, {"repositoryNames": ["hello"]})
    ecr.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": TOKEN}]}, {})


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Records what is handed to the builder instead of building."""
    calls: list[Any] = []
    monkeypatch.setattr(builders, "obstacles", lambda _request: {"docker": lambda: "none", "oci": lambda: ""})

    def record(*call: Any) -> str:
        calls.append(call)
        return DIGEST

    monkeypatch.setattr(builders, "build_and_push", record)
    return calls


def test_an_image_that_is_there_is_described_and_left_alone(ecr: Stubber, params: dict[str, Any]) -> None:
    answer_image(ecr)
    current = subject.describe(ecr.client, params, "")
    assert current == {
        "repository": "hello",
        "tag": "src-1",
        "digest": DIGEST,
        "pushed_at": "2026-11-22T00:00:00+00:00",
        "size": 950_000,
        "tags": [],
        "builder": "",
    }
    assert subject.plan(current, params).changes == ()


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_a_missing_image_is_planned(ecr: Stubber, params: dict[str, Any], code: str) -> None:
    ecr.add_client_error("describe_images", code, expected_params=ASKED)
    (change,) = subject.plan(subject.describe(ecr.client, params, ""), params).changes
    assert (change.action.value, change.name) == ("create", "hello:src-1")
    assert change.after["digest"] == KNOWN_AFTER_APPLY


def test_an_unknown_repository_is_not_asked_for(ecr: Stubber, params: dict[str, Any]) -> None:
    assert subject.describe(ecr.client, {**params, "repository": KNOWN_AFTER_APPLY}, "") == {}


@pytest.mark.parametrize(("wanted", "shown"), [("auto", KNOWN_AFTER_APPLY), ("docker", "docker"), ("oci", "oci")])
def test_the_plan_names_the_builder_if_it_is_settled(params: dict[str, Any], wanted: str, shown: str) -> None:
    assert subject.plan({}, {**params, "builder": wanted}).result["builder"] == shown


def test_apply_pushes_to_the_repositorys_own_registry(ecr: Stubber, params: dict[str, Any], builds: list[Any]) -> None:
    answer_repository(ecr)
    answer_image(ecr)
    assert subject.apply(ecr.client, params) == "oci"
    ((builder, request, registry, tag),) = builds
    assert (builder, tag, request.folder) == ("oci", "src-1", Path(params["path"]))
    assert (registry.url, registry.repository) == ("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", "hello")
    assert registry.authorization == f"Basic {TOKEN}"


def test_the_certificates_of_the_connection_hold_for_the_registry(
    ecr: Stubber, params: dict[str, Any], builds: list[Any]
) -> None:
    answer_repository(ecr)
    answer_image(ecr)
    given = {"registry": "http://127.0.0.1:4566", "validate_certs": False, "aws_ca_bundle": "/ca.pem"}
    subject.apply(ecr.client, {**params, **given})
    registry = builds[0][2]
    assert (registry.url, registry.validate_certs, registry.ca_path) == ("http://127.0.0.1:4566", False, "/ca.pem")


def test_a_missing_repository_is_refused_before_the_build(
    ecr: Stubber, params: dict[str, Any], builds: list[Any]
) -> None:
    ecr.add_client_error("describe_repositories", "RepositoryNotFoundException")
    with pytest.raises(AnsibleAWSError, match="repository hello does not exist: create it with"):
        subject.apply(ecr.client, params)
    assert builds == []


def test_no_builder_is_refused_before_anything_else(
    ecr: Stubber, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builders, "obstacles", lambda _request: {"docker": lambda: "x", "oci": lambda: "y"})
    with pytest.raises(AnsibleAWSError, match="docker: x; oci: y"):
        subject.apply(ecr.client, params)


@pytest.mark.parametrize("found", [f"sha256:{'b' * 64}", None])
@pytest.mark.usefixtures("builds")
def test_a_push_that_ecr_does_not_know_of_is_an_error(ecr: Stubber, params: dict[str, Any], found: str | None) -> None:
    answer_repository(ecr)
    if found:
        answer_image(ecr, found)
    else:
        ecr.add_client_error("describe_images", "ImageNotFoundException")
    with pytest.raises(AnsibleAWSError, match=f"ECR holds {found or 'nothing'} there"):
        subject.apply(ecr.client, params)


@pytest.mark.parametrize("address", ["127.0.0.1:4566", "ftp://x", "http://"])
def test_a_malformed_registry_is_refused(address: str) -> None:
    with pytest.raises(ImageError, match="is no address: write it like http:"):
        api.registry_url(address, URI)


def test_the_tag_is_the_version_unless_a_label_says_otherwise(params: dict[str, Any]) -> None:
    version = "org.opencontainers.image.version"
    assert subject.labels(params) == {version: "src-1"}
    assert subject.labels({**params, "labels": {version: 2, "team": "a"}}) == {version: "2", "team": "a"}


def test_certificates_are_taken_left_out_or_missed(tmp_path: Path) -> None:
    (tmp_path / "ca").touch()
    assert subject.certificates(str(tmp_path / "ca")) == tmp_path / "ca"
    assert subject.certificates("") is None
    with pytest.raises(ImageError, match=r"ca_certificates .*/none does not exist"):
        subject.certificates(str(tmp_path / "none"))
