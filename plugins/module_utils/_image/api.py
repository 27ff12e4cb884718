# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Amazon ECR knows of an image, and how to get in.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is

Fields = dict[str, Any]

ImageErrors = missing_is("RepositoryNotFoundException", "ImageNotFoundException")
RepositoryErrors = missing_is("RepositoryNotFoundException")


@ImageErrors.list_error_handler("describe the image", {})
def describe_image(client: Any, repository: str, **image_id: str) -> Fields:
    """Returns what is known of an image by ``imageTag`` or ``imageDigest``, nothing if it is not there."""
    found = client.describe_images(repositoryName=repository, imageIds=[image_id])["imageDetails"]
    return _fields(found[0]) if found else {}


def _fields(image: Fields) -> Fields:
    return {
        "digest": image["imageDigest"],
        "pushed_at": image["imagePushedAt"].isoformat(),
        "size": image["imageSizeInBytes"],
    }


@RepositoryErrors.list_error_handler("describe the repository", "")
def repository_uri(client: Any, repository: str) -> str:
    """Returns the address of the repository, nothing if it does not exist."""
    return str(client.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"])


@RepositoryErrors.common_error_handler("get an authorization token for the registry")
def authorization(client: Any) -> str:
    """Returns the header that opens the registry for some hours."""
    return f"Basic {client.get_authorization_token()['authorizationData'][0]['authorizationToken']}"
