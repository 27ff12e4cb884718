# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Amazon ECR knows of an image, and how to get in.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import Registry
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import ACCEPTED_TYPES, read_labels

Fields = dict[str, Any]

# Says which source an image was built from: its whole hash, where the tag has only half of it.
SOURCE_LABEL = "gatehouse.source"

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
        "tags": sorted(image.get("imageTags", [])),
    }


@RepositoryErrors.list_error_handler("describe the repository", "")
def repository_uri(client: Any, repository: str) -> str:
    """Returns the address of the repository, nothing if it does not exist."""
    return str(client.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"])


@RepositoryErrors.common_error_handler("get an authorization token for the registry")
def authorization(client: Any) -> str:
    """Returns the header that opens the registry for some hours."""
    return f"Basic {client.get_authorization_token()['authorizationData'][0]['authorizationToken']}"


def registry_url(given: str, uri: str) -> str:
    """Returns where to reach the registry: the address given for a stand-in, else the repository's own."""
    if not given:
        return f"https://{uri.partition('/')[0]}"
    if urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).netloc:
        raise ImageError(f"registry {given} is no address: write it like http://127.0.0.1:4566.")
    return given


def reach(client: Any, repository: str, params: Fields, mount_from: tuple[str, ...] = ()) -> Registry:
    """Returns the way into a repository, by the connection settings of a module; refuses one that is not there."""
    uri = repository_uri(client, repository)
    if not uri:
        raise ImageError(f"repository {repository} does not exist: create it with gatehouse.fargate.ecr_repository.")
    return Registry(
        url=registry_url(params["registry"], uri),
        repository=repository,
        authorization=authorization(client),
        validate_certs=params["validate_certs"],
        ca_path=params["aws_ca_bundle"],
        mount_from=mount_from,
    )


def require_source(registry: Registry, tag: str, digest: str, source: str) -> None:
    """Refuses an image that has the tag of a source, but was not built from it."""
    found = read_labels(registry, digest).get(SOURCE_LABEL, "")
    if found != source:
        raise ImageError(
            f"Repository {registry.repository} has an image {tag}, but it was built from "
            f"{'source ' + found if found else 'a source that it does not name'}, not from {source}. "
            f"Tags cannot be overwritten: delete that image ({digest}), or use another repository."
        )


@RepositoryErrors.list_error_handler("list the images", [])
def list_images(client: Any, repository: str) -> list[Fields]:
    """Returns what is known of every image, newest first."""
    pages = client.get_paginator("describe_images").paginate(repositoryName=repository)
    images = [_fields(image) for page in pages for image in page["imageDetails"]]
    return sorted(images, key=lambda image: image["pushed_at"], reverse=True)


@ImageErrors.common_error_handler("tag the image")
def add_tag(client: Any, repository: str, digest: str, tag: str) -> None:
    """Gives an image one more name; its manifest, and so its digest, stays what it is."""
    answer = client.batch_get_image(
        repositoryName=repository, imageIds=[{"imageDigest": digest}], acceptedMediaTypes=list(ACCEPTED_TYPES)
    )
    for image in answer["images"]:
        client.put_image(
            repositoryName=repository,
            imageManifest=image["imageManifest"],
            imageManifestMediaType=image["imageManifestMediaType"],
            imageTag=tag,
            imageDigest=digest,
        )
        return
    raise ImageError(f"Repository {repository} has no image {digest}.")


@ImageErrors.deletion_error_handler("remove the tag")
def remove_tag(client: Any, repository: str, tag: str) -> None:
    """Takes a name off an image that has others; ECR deletes an image along with its last name."""
    client.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": tag}])


def images_in_use(client: Any, clusters: list[str]) -> set[str]:
    """Returns the images of every task definition that a deployment or a task of the clusters stands on."""
    definitions = {arn for cluster in clusters for arn in _live_definitions(client, cluster)}
    return {image for arn in sorted(definitions) for image in _images_of(client, arn)}


def images_of_service(client: Any, cluster: str, service: str) -> Iterator[str]:
    """Returns the images of a service's last deployment that succeeded: one under way may still turn out bad."""
    for found in _describe_service(client, cluster, service):
        for deployment in found.get("deployments", []):
            if deployment.get("rolloutState") == "COMPLETED":
                yield from _images_of(client, deployment["taskDefinition"])
                return


ClusterErrors = missing_is("ClusterNotFoundException")


@ClusterErrors.list_error_handler("describe the service", [])
def _describe_service(client: Any, cluster: str, service: str) -> list[Fields]:
    return list(client.describe_services(cluster=cluster, services=[service])["services"])


@ClusterErrors.list_error_handler("find the task definitions in use", [])
def _live_definitions(client: Any, cluster: str) -> list[str]:
    return [*_deployed(client, cluster), *_running(client, cluster)]


def _deployed(client: Any, cluster: str) -> Iterator[str]:
    for page in client.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 10}):
        if page["serviceArns"]:
            for service in client.describe_services(cluster=cluster, services=page["serviceArns"])["services"]:
                yield from (deployment["taskDefinition"] for deployment in service.get("deployments", []))
                yield from (tasks["taskDefinition"] for tasks in service.get("taskSets", []))


def _running(client: Any, cluster: str) -> Iterator[str]:
    for page in client.get_paginator("list_tasks").paginate(cluster=cluster):
        if page["taskArns"]:
            for task in client.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]:
                yield task["taskDefinitionArn"]


@missing_is("ClientException").list_error_handler("describe the task definition", [])
def _images_of(client: Any, arn: str) -> list[str]:
    definition = client.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    return [container["image"] for container in definition["containerDefinitions"]]
