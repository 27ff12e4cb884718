#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_repository
version_added: 0.1.0
short_description: Manage an Amazon ECR private repository
description:
  - Creates, changes or deletes a private image repository together with its scanning, tag mutability,
    lifecycle policy and tags.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the repository.
    type: str
    required: true
  state:
    description: Whether the repository should exist.
    type: str
    choices: [present, absent]
    default: present
  image_tag_mutability:
    description:
      - Whether a pushed tag may be overwritten.
      - A content-addressed tag never needs to be, so V(IMMUTABLE) is the default.
    type: str
    choices: [IMMUTABLE, MUTABLE]
    default: IMMUTABLE
  scan_on_push:
    description: Whether images are scanned for known vulnerabilities after a push.
    type: bool
    default: true
  encryption_type:
    description:
      - How images are encrypted at rest.
      - AWS cannot change this after creation; a different value on an existing repository is refused.
    type: str
    choices: [AES256, KMS]
    default: AES256
  keep_images:
    description:
      - Number of newest images that the lifecycle policy keeps; V(0) removes the policy.
      - An image with a tag that starts with C(live-) is kept however old it is. M(gatehouse.fargate.ecr_live_images)
        gives that tag to what is deployed.
      - Leave unset to keep the policy unmanaged.
    type: int
  force:
    description: Whether O(state=absent) also deletes the images in the repository.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Keep the last thirty images of the app
  gatehouse.fargate.ecr_repository:
    name: hello-dev
    keep_images: 30
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
repository:
  description: The repository as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the repository.
      type: str
    arn:
      description: ARN of the repository.
      type: str
    uri:
      description: Address without a tag, to push to and pull from.
      type: str
      sample: 123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/hello-dev
    image_tag_mutability:
      description: V(IMMUTABLE) or V(MUTABLE).
      type: str
    scan_on_push:
      description: Whether images are scanned after a push.
      type: bool
    encryption_type:
      description: V(AES256) or V(KMS).
      type: str
    keep_images:
      description: Number of newest images the lifecycle policy keeps, V(0) without one, null for a foreign policy.
      type: int
    tags:
      description: Tags of the repository.
      type: dict
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be.
      type: dict
unchanged:
  description: The other resources that the module manages, which are as declared.
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

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.live import LIVE_PREFIX
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "image_tag_mutability": {"type": "str", "choices": ["IMMUTABLE", "MUTABLE"], "default": "IMMUTABLE"},
    "scan_on_push": {"type": "bool", "default": True},
    "encryption_type": {"type": "str", "choices": ["AES256", "KMS"], "default": "AES256"},
    "keep_images": {"type": "int"},
    "force": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
COUNT = "imageCountMoreThan"
# More than a repository can hold.
ALL = 999_999
MANAGED = ("image_tag_mutability", "scan_on_push", "keep_images")

RepositoryErrors = missing_is("RepositoryNotFoundException")
PolicyErrors = missing_is("LifecyclePolicyNotFoundException", "RepositoryNotFoundException")


@RepositoryErrors.list_error_handler("describe the repository", {})
def describe(client: Any, name: str) -> Fields:
    found = client.describe_repositories(repositoryNames=[name])["repositories"][0]
    return {
        "name": name,
        "arn": found["repositoryArn"],
        "uri": found["repositoryUri"],
        "image_tag_mutability": found["imageTagMutability"],
        "scan_on_push": found.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        "encryption_type": found.get("encryptionConfiguration", {}).get("encryptionType", "AES256"),
        "keep_images": describe_kept_images(client, name),
        "tags": boto3_tag_list_to_ansible_dict(
            client.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        ),
    }


@PolicyErrors.list_error_handler("read the lifecycle policy", 0)
def describe_kept_images(client: Any, name: str) -> int | None:
    text = client.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    return kept_images(json.loads(text))


def lifecycle_policy(keep: int) -> Fields:
    """An image that a rule selects by its tag cannot be expired by a later rule: so the first one protects."""
    live = {"tagStatus": "tagged", "tagPrefixList": [LIVE_PREFIX], "countType": COUNT, "countNumber": ALL}
    newest = {"tagStatus": "any", "countType": COUNT, "countNumber": keep}
    selections = (("Keep every image that is deployed", live), (f"Keep the last {keep} images", newest))
    return {
        "rules": [
            {"rulePriority": priority, "description": text, "selection": selection, "action": {"type": "expire"}}
            for priority, (text, selection) in enumerate(selections, 1)
        ]
    }


def kept_images(policy: Fields) -> int | None:
    """Returns the count when the policy is exactly the one that this module writes, else None."""
    counts = [rule.get("selection", {}).get("countNumber") for rule in policy.get("rules", [])]
    return counts[-1] if len(counts) == 2 and policy == lifecycle_policy(counts[-1]) else None


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current:
        return Plan({})
    return Plan({}, (Change(Action.DELETE, "ecr_repository", params["name"], before=current),))


def plan_create(params: Fields) -> Plan:
    fields = {key: params[key] for key in ("name", "encryption_type", "image_tag_mutability", "scan_on_push")}
    fields.update(keep_images=params["keep_images"] or 0, tags=params["tags"] or {})
    result = {**fields, "arn": KNOWN_AFTER_APPLY, "uri": KNOWN_AFTER_APPLY}
    return Plan(result, (Change(Action.CREATE, "ecr_repository", params["name"], after=result),))


def plan_update(current: Fields, params: Fields) -> Plan:
    if current["encryption_type"] != params["encryption_type"]:
        raise PlanRefusedError(
            f"encryption_type of repository {params['name']} is {current['encryption_type']} and AWS cannot change it "
            f"to {params['encryption_type']}: keep {current['encryption_type']}, or delete the repository first."
        )
    before, after = differences(current, {key: params[key] for key in MANAGED})
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    change = Change(Action.UPDATE, "ecr_repository", params["name"], before, after, call=(to_set, to_remove))
    return Plan({**current, **after}, (change,))


@RepositoryErrors.common_error_handler("change the repository")
def apply(client: Any, params: Fields, planned: Plan) -> None:
    name = params["name"]
    for change in planned.changes:
        if change.action is Action.DELETE:
            client.delete_repository(repositoryName=name, force=params["force"])
        elif change.action is Action.CREATE:
            create(client, change.after)
        else:
            update(client, change, planned.result["arn"])


def create(client: Any, fields: Fields) -> None:
    client.create_repository(
        repositoryName=fields["name"],
        imageTagMutability=fields["image_tag_mutability"],
        imageScanningConfiguration={"scanOnPush": fields["scan_on_push"]},
        encryptionConfiguration={"encryptionType": fields["encryption_type"]},
        tags=ansible_dict_to_boto3_tag_list(fields["tags"]),
    )
    if fields["keep_images"]:
        set_kept_images(client, fields["name"], fields["keep_images"])


def update(client: Any, change: Change, arn: str) -> None:
    name, after = change.name, change.after
    if "image_tag_mutability" in after:
        client.put_image_tag_mutability(repositoryName=name, imageTagMutability=after["image_tag_mutability"])
    if "scan_on_push" in after:
        client.put_image_scanning_configuration(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": after["scan_on_push"]}
        )
    if "keep_images" in after:
        set_kept_images(client, name, after["keep_images"])
    to_set, to_remove = change.call
    if to_remove:
        client.untag_resource(resourceArn=arn, tagKeys=to_remove)
    if to_set:
        client.tag_resource(resourceArn=arn, tags=ansible_dict_to_boto3_tag_list(to_set))


def set_kept_images(client: Any, name: str, keep: int) -> None:
    if keep:
        client.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(lifecycle_policy(keep)))
    else:
        client.delete_lifecycle_policy(repositoryName=name)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "ecr")
    run(
        module,
        "repository",
        describe=lambda: describe(client, module.params["name"]),
        plan=guarded(
            f"repository {module.params['name']}", module.params, lambda current: plan(current, module.params)
        ),
        apply=lambda planned: apply(client, module.params, planned),
    )


if __name__ == "__main__":
    main()
