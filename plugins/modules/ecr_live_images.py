#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_live_images
version_added: 0.1.0
short_description: Keep deployed images of an Amazon ECR repository from expiring
description:
  - A lifecycle policy of Amazon ECR knows nothing of Amazon ECS. It would expire an image that a service still starts
    tasks from, once enough newer ones are there.
  - This module tags such images with C(live-) and the first half of their digest. The lifecycle policy of
    M(gatehouse.fargate.ecr_repository) keeps every image with such a tag.
  - An image counts as deployed when it is in O(digests), or when a task definition names it by its digest and a
    deployment of a service or a task in one of O(clusters) stands on that task definition.
  - When all of O(digests) have the tag already, Amazon ECS is not asked.
  - The tag is made from the digest, so it never moves and suits a repository with immutable tags.
  - Tags of images that are no longer deployed are removed along with the next change. Until then they only keep an
    image longer than necessary.
author:
  - Gatehouse contributors (@gatehouse)
options:
  repository:
    description: Name of the repository.
    type: str
    required: true
  digests:
    description: Digests that are about to be deployed.
    type: list
    elements: str
    default: []
  clusters:
    description: Clusters that run images of this repository. One that does not exist uses none.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Keep what runs and what is to run next
  gatehouse.fargate.ecr_live_images:
    repository: hello-dev
    digests: ["{{ built.image.digest }}"]
    clusters: [hello-dev]
"""

RETURN = r"""
live_images:
  description: The images that are kept, or will be in check mode.
  returned: success
  type: dict
  contains:
    repository:
      description: Name of the repository.
      type: str
    tagged:
      description: The digests that have the tag.
      type: list
      elements: str
    in_use:
      description: The digests of this repository that the clusters use; empty when Amazon ECS was not asked.
      type: list
      elements: str
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create) or V(update).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the repository.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be.
      type: dict
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import live_tag
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Action, Change, Fields, Plan, is_known
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "digests": {"type": "list", "elements": "str", "default": []},
    "clusters": {"type": "list", "elements": "str", "default": []},
}


def describe(ecr: Any, ecs: Any, params: Fields) -> Fields:
    name = params["repository"]
    if not is_known(name):
        return {"repository": name, "tagged": [], "in_use": []}
    images = api.list_images(ecr, name)
    tagged = [image["digest"] for image in images if live_tag(image["digest"]) in image["tags"]]
    # Nothing is about to be deployed that was not deployed before, when everything in use was tagged.
    if params["digests"] and {*params["digests"]} <= {*tagged}:
        return {"repository": name, "tagged": sorted(tagged), "in_use": []}
    used = in_use(api.images_in_use(ecs, params["clusters"]), api.repository_uri(ecr, name))
    held = {image["digest"] for image in images}
    return {"repository": name, "tagged": sorted(tagged), "in_use": sorted(used & held)}


def in_use(images: set[str], uri: str) -> set[str]:
    """Returns the digests of the images that are of the repository."""
    parts = (image.partition("@") for image in images)
    return {digest for address, _at, digest in parts if digest and address.partition(":")[0] == uri}


def plan(current: Fields, params: Fields) -> Plan:
    wanted = {*current["in_use"], *params["digests"]}
    if wanted <= {*current["tagged"]}:
        return Plan(current)
    result = {**current, "tagged": sorted(wanted)}
    before = {"tagged": current["tagged"]} if current["tagged"] else {}
    action = Action.UPDATE if before else Action.CREATE
    return Plan(
        result, (Change(action, "ecr_live_images", params["repository"], before, {"tagged": result["tagged"]}),)
    )


def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        tagged = set(change.before.get("tagged", []))
        wanted = set(change.after["tagged"])
        try:
            for digest in sorted(wanted - tagged):
                api.add_tag(client, change.name, digest, live_tag(digest))
            for digest in sorted(tagged - wanted):
                api.remove_tag(client, change.name, live_tag(digest))
        except ImageError as error:
            raise AnsibleAWSError(message=str(error)) from error


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    ecr, ecs = aws_client(module, "ecr"), aws_client(module, "ecs")
    run(
        module,
        "live_images",
        describe=lambda: describe(ecr, ecs, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(ecr, planned),
    )


if __name__ == "__main__":
    main()
