#!/usr/bin/python
# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudwatch_log_group
version_added: 0.1.0
short_description: Manage an Amazon CloudWatch Logs log group
description:
  - Creates, changes or deletes a log group together with its retention, its key and its tags.
  - Unlike M(amazon.aws.cloudwatchlogs_log_group) it reports a repaired retention as a change, and writes nothing in
    check mode.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the log group.
    type: str
    required: true
  state:
    description: Whether the log group should exist. V(absent) deletes its logs as well.
    type: str
    choices: [present, absent]
    default: present
  retention:
    description: Days that logs are kept; V(0) keeps them for ever.
    type: int
    default: 30
    choices:
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
  kms_key_id:
    description:
      - ARN of the key that encrypts the logs; empty for the key of the service.
      - Leave unset to keep it unmanaged.
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Keep the logs of the app for a quarter
  gatehouse.fargate.cloudwatch_log_group:
    name: /gatehouse/hello-dev
    retention: 90
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
log_group:
  description: The log group as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the log group.
      type: str
    arn:
      description: ARN of the log group.
      type: str
      sample: arn:aws:logs:ap-northeast-1:123456789012:log-group:/gatehouse/hello-dev
    retention:
      description: Days that logs are kept, V(0) for ever.
      type: int
    kms_key_id:
      description: ARN of the key that encrypts the logs, empty for the key of the service.
      type: str
    tags:
      description: Tags of the log group.
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

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    differences,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

# What CloudWatch Logs accepts, beside "for ever".
RETENTIONS = [
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
]
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "retention": {"type": "int", "choices": RETENTIONS, "default": 30},
    "kms_key_id": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "cloudwatch_log_group"
MANAGED = ("retention", "kms_key_id")

LogGroupErrors = missing_is("ResourceNotFoundException")


@LogGroupErrors.list_error_handler("describe the log group", {})
def describe(client: Any, name: str) -> Fields:
    """Log groups can only be listed by prefix, so the answer may hold others as well."""
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    found = next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)
    if found is None:
        return {}
    arn = found["arn"].removesuffix(":*")
    return {
        "name": name,
        "arn": arn,
        "retention": found.get("retentionInDays", 0),
        "kms_key_id": found.get("kmsKeyId", ""),
        "tags": client.list_tags_for_resource(resourceArn=arn).get("tags", {}),
    }


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current)
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields) -> Plan:
    return Plan({}, (Change(Action.DELETE, RESOURCE, current["name"], before=current),)) if current else Plan({})


def plan_create(params: Fields) -> Plan:
    result = {
        "name": params["name"],
        "arn": KNOWN_AFTER_APPLY,
        "retention": params["retention"],
        "kms_key_id": params["kms_key_id"] or "",
        "tags": params["tags"] or {},
    }
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=result),))


def plan_update(current: Fields, params: Fields) -> Plan:
    before, after = differences(current, {key: params[key] for key in MANAGED})
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    call = (current["arn"], to_set, to_remove)
    return Plan({**current, **after}, (Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=call),))


@LogGroupErrors.common_error_handler("change the log group")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            client.delete_log_group(logGroupName=change.name)
        elif change.action is Action.CREATE:
            create(client, change.after)
        else:
            set_fields(client, change.name, change.after)
            set_tags(client, *change.call)


def create(client: Any, fields: Fields) -> None:
    key = {"kmsKeyId": fields["kms_key_id"]} if fields["kms_key_id"] else {}
    tags = {"tags": fields["tags"]} if fields["tags"] else {}
    client.create_log_group(logGroupName=fields["name"], **key, **tags)
    if fields["retention"]:
        client.put_retention_policy(logGroupName=fields["name"], retentionInDays=fields["retention"])


def set_fields(client: Any, name: str, after: Fields) -> None:
    if after.get("retention"):
        client.put_retention_policy(logGroupName=name, retentionInDays=after["retention"])
    elif "retention" in after:
        client.delete_retention_policy(logGroupName=name)
    if after.get("kms_key_id"):
        client.associate_kms_key(logGroupName=name, kmsKeyId=after["kms_key_id"])
    elif "kms_key_id" in after:
        client.disassociate_kms_key(logGroupName=name)


def set_tags(client: Any, arn: str, to_set: dict[str, str], to_remove: list[str]) -> None:
    if to_remove:
        client.untag_resource(resourceArn=arn, tagKeys=to_remove)
    if to_set:
        client.tag_resource(resourceArn=arn, tags=to_set)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "logs")
    run(
        module,
        "log_group",
        describe=lambda: describe(client, module.params["name"]),
        plan=guarded(f"log group {module.params['name']}", module.params, lambda current: plan(current, module.params)),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
