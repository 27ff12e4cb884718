# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The releases of a service as data, and the choice of the one to go back to.

A release is an active revision of the service's task definition. Its verdict is what ECS says of its last deployment.
Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

# ECS forgets a deployment after 90 days, but not what it started from: that release served until then.
SERVED = "served"
SUCCEEDED = "succeeded"
UNKNOWN = "unknown"
GOOD = (SUCCEEDED, SERVED)
VERDICTS = {
    "SUCCESSFUL": SUCCEEDED,
    "PENDING": "in_progress",
    "IN_PROGRESS": "in_progress",
    "STOP_REQUESTED": "stopped",
    "STOPPED": "stopped",
    "ROLLBACK_REQUESTED": "failed",
    "ROLLBACK_IN_PROGRESS": "failed",
    "ROLLBACK_SUCCESSFUL": "failed",
    "ROLLBACK_FAILED": "failed",
    "SERVED": SERVED,
}
# What DescribeServices calls these, for the deployments that are older than the history.
ROLLOUT_STATES = {"COMPLETED": "SUCCESSFUL", "IN_PROGRESS": "IN_PROGRESS", "FAILED": "ROLLBACK_FAILED"}
ECR_IMAGE = re.compile(r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[^/]+/(?P<repository>[^:@]+)")
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
REVISION = re.compile(r"^(?:(?P<family>[A-Za-z0-9_-]+):)?(?P<revision>[1-9][0-9]*)$")


def releases(service: Fields, definitions: Iterable[Fields], history: list[Fields]) -> list[Fields]:
    """Returns the releases, newest first.

    ``history`` holds deployments, newest first, each with task_definition, status, reason, at and digests by container.
    """
    older = [
        {
            "task_definition": item["taskDefinition"],
            "status": ROLLOUT_STATES.get(item.get("rolloutState", ""), ""),
            "reason": item.get("rolloutStateReason", ""),
            "at": item["createdAt"],
        }
        for item in service["deployments"]
    ]
    found = [release(service, definition, [*history, *older]) for definition in definitions]
    return sorted(found, key=lambda item: item["revision"], reverse=True)


def release(service: Fields, definition: Fields, history: list[Fields]) -> Fields:
    arn = definition["taskDefinitionArn"]
    last: Fields = next((item for item in history if item["task_definition"] == arn), {})
    images = {
        container["name"]: reference(container["image"], last.get("digests", {}).get(container["name"], ""))
        for container in definition["containerDefinitions"]
    }
    return {
        "name": arn.rsplit("/", 1)[1],
        "revision": definition["revision"],
        "task_definition": arn,
        "digest": images[main_container(service, definition)].partition("@")[2],
        "images": sorted(images.values()),
        "registered_at": moment(definition.get("registeredAt")),
        "registered_by": definition.get("registeredBy", ""),
        "deployed_at": moment(last.get("at")),
        "verdict": VERDICTS.get(last.get("status", ""), UNKNOWN),
        "reason": last.get("reason", ""),
        "current": arn == service["taskDefinition"],
        "missing_images": [],
    }


def reference(image: str, digest: str) -> str:
    """Returns the image with the digest that ECS resolved its tag to, if it is known."""
    return f"{image}@{digest}" if digest and "@" not in image else image


def main_container(service: Fields, definition: Fields) -> str:
    """Returns the container that is a release's reason: the one behind the load balancer, else the first."""
    balanced = [item.get("containerName") for item in service.get("loadBalancers", [])]
    names = [container["name"] for container in definition["containerDefinitions"]]
    return next((name for name in names if name in balanced), names[0])


def moment(value: Any) -> str:
    return value.isoformat(timespec="seconds") if value else ""


def without_images(found: list[Fields], held: Mapping[str, set[str]]) -> list[Fields]:
    """Returns the releases with the images that their repositories do not hold any more.

    ``held`` has the digests and tags of each repository that was asked, by its address.
    """
    return [
        {**item, "missing_images": [image for image in item["images"] if is_missing(image, held)]} for item in found
    ]


def is_missing(image: str, held: Mapping[str, set[str]]) -> bool:
    address, name = split_image(image)
    return address in held and name not in held[address]


def split_image(image: str) -> tuple[str, str]:
    """Returns an image's repository, and its digest or, without one, its tag."""
    address, _at, digest = image.partition("@")
    host, slash, path = address.rpartition("/")
    repository, _colon, tag = path.partition(":")
    return f"{host}{slash}{repository}", digest or tag or "latest"


def repositories(found: Iterable[Fields], account: str, region: str) -> dict[str, str]:
    """Returns the repositories of this account and region that releases need, by their address."""
    wanted: dict[str, str] = {}
    for image in {image for item in found for image in item["images"]}:
        match = ECR_IMAGE.match(image)
        if match and (match["account"], match["region"]) == (account, region):
            wanted[split_image(image)[0]] = match["repository"]
    return wanted


def current_release(found: list[Fields]) -> Fields:
    return next((item for item in found if item["current"]), {})


def target(found: list[Fields], wanted: str) -> Fields:
    """Returns the release to go to: the named one, else the last good one; refuses what cannot run."""
    choice = named(found, wanted) if wanted else last_good(found)
    if choice["missing_images"] and not choice["current"]:
        raise PlanRefusedError(
            f"Release {choice['name']} cannot be started: {', '.join(choice['missing_images'])} is not in the registry "
            f"any more. {alternatives(found, choice)}"
        )
    return choice


def named(found: list[Fields], wanted: str) -> Fields:
    if DIGEST.match(wanted):
        matching = [item for item in found if item["digest"] == wanted]
    else:
        match = REVISION.match(wanted)
        if not match:
            raise PlanRefusedError(
                f"release is '{wanted}': name one by its revision, such as 7 or hello-dev:7, or by its digest, "
                "sha256: and 64 hexadecimal digits."
            )
        matching = [item for item in found if is_revision(item, match)]
    if not matching:
        raise PlanRefusedError(f"release is '{wanted}', and the service has no such release. {known(found)}")
    # Of several revisions with one image, the current one is no step at all, and the newest has the newest settings.
    return next((item for item in matching if item["current"]), matching[0])


def is_revision(item: Fields, match: re.Match[str]) -> bool:
    family = item["name"].rpartition(":")[0]
    return item["revision"] == int(match["revision"]) and match["family"] in (None, family)


def last_good(found: list[Fields]) -> Fields:
    """Returns what served before the newest release, which is the current one once the service has gone back."""
    current = current_release(found)
    if has_gone_back(found):
        return current
    good = [item for item in found if item["verdict"] in GOOD and not item["current"]]
    if not good:
        raise PlanRefusedError(
            f"There is no earlier release that is known to have worked. {known(found)} "
            "Name one with release to go there."
        )
    return max(good, key=lambda item: (item["deployed_at"], item["revision"]))


def has_gone_back(found: list[Fields]) -> bool:
    """Tells whether a release newer than the current one was deployed, by anybody, and left again."""
    current = current_release(found)
    newer = [item for item in found if current and item["revision"] > current["revision"]]
    return any(item["verdict"] != UNKNOWN for item in newer)


def alternatives(found: list[Fields], refused: Fields) -> str:
    names = [
        item["name"]
        for item in found
        if item["verdict"] in GOOD and not item["missing_images"] and not item["current"] and item is not refused
    ]
    return f"Good releases that can: {', '.join(names)}." if names else "No other good release can, either."


def known(found: list[Fields]) -> str:
    return f"Known releases: {', '.join(summary(item) for item in found) or 'none'}."


def summary(item: Fields) -> str:
    return f"{item['name']} ({'current, ' if item['current'] else ''}{item['verdict']})"


def table(found: Iterable[Fields]) -> list[str]:
    """Returns one line for each release as people read it, the current one marked."""
    rows = [
        (
            "*" if item["current"] else " ",
            item["name"],
            item["digest"] or "digest unknown",
            item["deployed_at"] or item["registered_at"],
            "image gone" if item["missing_images"] else item["verdict"],
            item["registered_by"].rpartition(":")[2],
        )
        for item in found
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
