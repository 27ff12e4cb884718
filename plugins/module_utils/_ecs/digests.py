# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the tasks of a complete deployment run the images that were asked for.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look, tolerant
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields


def wrong_image(client: Any, look: Look, wanted: Followed) -> str:
    """Tells in a sentence that a running task has another image than the deployment; empty when none has."""
    definition = (tolerant(lambda: task_definition(client, wanted.task_definition)) or [{}])[0]
    revision = (tolerant(lambda: service_revision(client, look)) or [{}])[0]
    return foreign_image(look.running, wanted.task_definition, accepted(definition, revision))


@AWSErrorHandler.common_error_handler("read the task definition")
def task_definition(client: Any, arn: str) -> list[Fields]:
    return [client.describe_task_definition(taskDefinition=arn)["taskDefinition"]]


@AWSErrorHandler.common_error_handler("read the service revision")
def service_revision(client: Any, look: Look) -> list[Fields]:
    arn = look.rollout.get("target_revision")
    if not arn:
        return []
    return list(client.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"])


def accepted(definition: Fields, revision: Fields) -> dict[str, set[str]]:
    """Returns the digests that each container may report.

    An image that is pinned to the digest of an index may run under the digest of the platform's manifest, which is
    what ECS then notes on the service revision.
    """
    digests: dict[str, set[str]] = {}
    for container in definition.get("containerDefinitions", []):
        digests.setdefault(container["name"], set()).add(container["image"].partition("@")[2])
    for image in revision.get("containerImages", []):
        digests.setdefault(image["containerName"], set()).add(image.get("imageDigest", ""))
    return {name: found for name, values in digests.items() if (found := values - {""})}


def foreign_image(tasks: list[Fields], definition: str, digests: dict[str, set[str]]) -> str:
    for task in tasks:
        if task["task_definition"] != definition:
            return f"Task {task['id']} runs {task['task_definition']} instead of {definition}."
        for container in task["containers"]:
            wanted, runs = digests.get(container["name"]), container["image_digest"]
            if wanted and runs and runs not in wanted:
                meant = " or ".join(sorted(wanted))
                return f"Container {container['name']} of task {task['id']} runs {runs} instead of {meant}."
    return ""
