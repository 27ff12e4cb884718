# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ECR says of an image, which plain ministack takes from its manifest's length."""

from __future__ import annotations

import json

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from botocore.exceptions import ClientError

LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{'0' * 64}"}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{'1' * 64}", "size": 7},
    "layers": [{**LAYER, "size": 1_000_000}, {**LAYER, "size": 234}],
}


def test_an_image_is_as_large_as_its_layers(account: Account) -> None:
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="web")
    ecr.put_image(repositoryName="web", imageTag="v1", imageManifest=json.dumps(MANIFEST))
    (image,) = ecr.describe_images(repositoryName="web", imageIds=[{"imageTag": "v1"}])["imageDetails"]
    assert image["imageSizeInBytes"] == 1_000_234


def test_an_image_that_is_not_there_is_an_error(account: Account) -> None:
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="web")
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        ecr.describe_images(repositoryName="web", imageIds=[{"imageTag": "v1"}])
    assert ecr.describe_images(repositoryName="web")["imageDetails"] == []
