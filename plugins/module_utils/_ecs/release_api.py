# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads the releases of a service from what ECS and ECR keep: nothing is stored anywhere else.

ECS shows 90 days of deployments: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ServiceErrors
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.releases import (
    releases,
    repositories,
    without_images,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.api import list_images
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# The most that DescribeServiceDeployments and DescribeServiceRevisions take at once.
BATCH = 20
# More than any service keeps on purpose; a family without a limit may have thousands of revisions.
MOST_REVISIONS = 50


@ServiceErrors.list_error_handler("describe the service", {})
def read_service(ecs: Any, cluster: str, name: str) -> Fields:
    """Returns the active service as ECS describes it, nothing when there is none."""
    answer = ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
    active = [service for service in answer["services"] if service["status"] == "ACTIVE"]
    return dict(active[0]) if active else {}


@ServiceErrors.common_error_handler("list the releases of the service")
def read_releases(ecs: Any, ecr: Any, service: Fields) -> list[Fields]:
    """Returns the releases of a service, newest first."""
    found = releases(service, active_definitions(ecs, service["taskDefinition"]), history(ecs, service))
    region, account = service["serviceArn"].split(":")[3:5]
    held = {
        address: names_of_images(ecr, repository)
        for address, repository in repositories(found, account, region).items()
    }
    return without_images(found, held)


def active_definitions(ecs: Any, arn: str) -> Iterator[Fields]:
    """Yields the newest active revisions of the family, the newest first."""
    family = arn.rsplit("/", 1)[1].rpartition(":")[0]
    pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE", sort="DESC")
    revisions = [found for page in pages for found in page["taskDefinitionArns"] if is_of(family, found)]
    for revision in revisions[:MOST_REVISIONS]:
        yield ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]


def is_of(family: str, arn: str) -> bool:
    """Tells a revision of the family from one of a family whose name only starts alike."""
    return arn.rsplit("/", 1)[1].rpartition(":")[0] == family


def history(ecs: Any, service: Fields) -> list[Fields]:
    """Returns the deployments that ECS remembers, newest first, and what the oldest of them started from."""
    listed = list_deployments(ecs, service)
    sources = source_revisions(ecs, listed[-1]) if listed else []
    events = [*listed, *({"targetServiceRevisionArn": arn, "status": "SERVED"} for arn in sources)]
    revisions = describe_revisions(ecs, sorted({event["targetServiceRevisionArn"] for event in events}))
    return [
        deployment(event, revisions[event["targetServiceRevisionArn"]])
        for event in events
        if event["targetServiceRevisionArn"] in revisions
    ]


def deployment(event: Fields, revision: Fields) -> Fields:
    images = revision.get("containerImages", [])
    return {
        "task_definition": revision["taskDefinition"],
        "status": event["status"],
        "reason": event.get("statusReason", ""),
        "at": event.get("finishedAt") or event.get("createdAt"),
        "digests": {image["containerName"]: image.get("imageDigest", "") for image in images},
    }


def list_deployments(ecs: Any, service: Fields) -> list[Fields]:
    """Returns all deployments, newest first. botocore has no paginator for them."""
    request = {"cluster": service["clusterArn"], "service": service["serviceArn"], "maxResults": 100}
    answer = ecs.list_service_deployments(**request)
    found = list(answer["serviceDeployments"])
    while answer.get("nextToken"):
        answer = ecs.list_service_deployments(**request, nextToken=answer["nextToken"])
        found += answer["serviceDeployments"]
    return sorted(found, key=lambda item: item["createdAt"], reverse=True)


def source_revisions(ecs: Any, brief: Fields) -> list[str]:
    arn = brief["serviceDeploymentArn"]
    described = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
    return [source["arn"] for item in described for source in item.get("sourceServiceRevisions", [])]


def describe_revisions(ecs: Any, arns: list[str]) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for start in range(0, len(arns), BATCH):
        answer = ecs.describe_service_revisions(serviceRevisionArns=arns[start : start + BATCH])
        found |= {item["serviceRevisionArn"]: item for item in answer["serviceRevisions"]}
    return found


def names_of_images(ecr: Any, repository: str) -> set[str]:
    """Returns every digest and tag that a repository holds; nothing when it does not exist."""
    images = list_images(ecr, repository)
    return {name for image in images for name in (image["digest"], *image["tags"])}
