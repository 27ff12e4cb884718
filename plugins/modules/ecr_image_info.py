#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_image_info
version_added: 0.1.0
short_description: Look up one image in an Amazon ECR repository
description:
  - Returns the digest of an image that is named by tag or by digest.
  - A missing image or a missing repository is no error but an empty digest.
author:
  - Gatehouse contributors (@gatehouse)
options:
  repository:
    description: Name of the repository.
    type: str
    required: true
  tag:
    description: Tag of the image.
    type: str
  digest:
    description: Digest of the image.
    type: str
  source_hash:
    description:
      - Hash of the source that an image named by tag must have been built from, as its label C(gatehouse.source) says.
      - An image with another label is an error. One that M(gatehouse.fargate.ecr_live_images) has tagged, and that has
        no third tag, is not asked again.
    type: str
    default: ""
  registry:
    description:
      - Address to read the label from, for a registry that stands in for ECR, such as V(http://127.0.0.1:4566).
      - By default the repository's own address, over HTTPS.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Runs without changing anything and returns what would change.
    support: full
  diff_mode:
    description: Shows the affected fields before and after, secrets masked.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: See whether the image is there
  gatehouse.fargate.ecr_image_info:
    repository: hello-dev
    tag: src-9f86d081884c7d659a2feaa0c55ad015
  register: found

- name: Show its digest
  ansible.builtin.debug:
    var: found.image.digest
"""

RETURN = r"""
image:
  description: The image.
  returned: success
  type: dict
  contains:
    digest:
      description: Digest of the image's manifest, empty when there is no such image or repository.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    pushed_at:
      description: When the image was pushed, empty when there is none.
      type: str
      sample: "2026-11-22T13:34:00+00:00"
    size:
      description: Compressed size in bytes as ECR counts it, V(0) when there is no image.
      type: int
    tags:
      description: All tags of the image.
      type: list
      elements: str
    is_live:
      description: Whether M(gatehouse.fargate.ecr_live_images) keeps the image from expiring.
      type: bool
unchanged:
  description:
    - The image when O(tag) was asked for and found, and that it is kept from expiring; so that a plan can count both.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.api import describe_image, reach, require_source
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import live_tag
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import is_known

ARGUMENT_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "source_hash": {"type": "str", "default": ""},
    "registry": {"type": "str", "default": ""},
}
NO_IMAGE: dict[str, Any] = {"digest": "", "pushed_at": "", "size": 0, "tags": [], "is_live": False}


def look_up(client: Any, params: dict[str, Any]) -> dict[str, Any]:
    image_id = {"imageTag": params["tag"]} if params["tag"] else {"imageDigest": params["digest"]}
    if not all(is_known(value) for value in (params["repository"], *image_id.values())):
        return NO_IMAGE
    found = describe_image(client, params["repository"], **image_id)
    if found and params["tag"] and params["source_hash"] and not was_looked_into(found, params["tag"]):
        registry = reach(client, params["repository"], params)
        require_source(registry, params["tag"], found["digest"], params["source_hash"])
    return {**found, "is_live": live_tag(found["digest"]) in found["tags"]} if found else NO_IMAGE


def was_looked_into(image: dict[str, Any], tag: str) -> bool:
    """Tells of an image with this tag alone that it was deployed; before that, its label was read."""
    return set(image["tags"]) == {tag, live_tag(image["digest"])}


def resources_of(image: dict[str, Any], repository: str, tag: str | None, **_params: Any) -> list[dict[str, str]]:
    tagged = [{"resource": "ecr_image", "name": f"{repository}:{tag}"}] if image["digest"] and tag else []
    return tagged + ([{"resource": "ecr_live_images", "name": repository}] if image["is_live"] else [])


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
        mutually_exclusive=[("tag", "digest")],
        required_one_of=[("tag", "digest")],
    )
    try:
        image = look_up(aws_client(module, "ecr"), module.params)
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    except ImageError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, image=image, unchanged=resources_of(image, **module.params))


if __name__ == "__main__":
    main()
