#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: s3_log_bucket
version_added: 0.1.0
short_description: Manage a bucket for the logs of load balancers
description:
  - Creates, changes or deletes an S3 bucket to which the Application Load Balancers of this account and region write
    their logs, and nobody else.
  - The bucket is closed to the public, takes requests over TLS only, encrypts with keys of S3, which is the only
    encryption load balancers can write with, keeps one version of an object and has no access control lists.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the bucket, unique in the world.
    type: str
    required: true
  state:
    description: Whether the bucket should exist.
    type: str
    choices: [present, absent]
    default: present
  account_id:
    description: Number of the account that owns the bucket and its load balancers. AWS is asked for it when unset.
    type: str
  prefix:
    description: Folder in which load balancers put their C(AWSLogs) folder.
    type: str
    default: ""
  expire_days:
    description: Days after which logs are deleted; V(0) keeps them.
    type: int
    default: 90
  force:
    description: Whether O(state=absent) also deletes the logs in the bucket.
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
- name: Keep the logs of load balancers for a month
  gatehouse.fargate.s3_log_bucket:
    name: hello-dev-alb-logs-123456789012-ap-northeast-1
    expire_days: 30
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
bucket:
  description: The bucket as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the bucket.
      type: str
    encryption:
      description: Algorithm with which objects are encrypted by default.
      type: str
    public_access_block:
      description: Whether all four kinds of public access are blocked.
      type: bool
    object_ownership:
      description: V(BucketOwnerEnforced) when access control lists are off.
      type: str
    versioning:
      description: Whether former versions of objects are kept.
      type: bool
    policy:
      description: Policy of the bucket.
      type: dict
    expire_days:
      description: Days after which logs are deleted, V(0) for never, null for foreign rules.
      type: int
    tags:
      description: Tags of the bucket.
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
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    Action,
    Change,
    Fields,
    Plan,
    differences,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "account_id": {"type": "str"},
    "prefix": {"type": "str", "default": ""},
    "expire_days": {"type": "int", "default": 90},
    "force": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "s3_log_bucket"
BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
UPLOAD_REMNANT_DAYS = 7

BucketErrors = missing_is("NoSuchBucket")
# A new bucket is not yet known everywhere, and S3 refuses overlapping changes of one bucket.
retry_unsettled = AWSRetry.exponential_backoff(
    retries=8, delay=1, max_delay=8, catch_extra_error_codes=["NoSuchBucket", "OperationAborted"]
)


@dataclass(frozen=True)
class Place:
    """Where the bucket is, as its policy has to say."""

    partition: str
    account: str
    region: str


def find_place(module: AnsibleAWSModule, client: Any) -> Place:
    account = module.params["account_id"] or aws_client(module, "sts").get_caller_identity()["Account"]
    return Place(partition=client.meta.partition, account=account, region=module.region)


@BucketErrors.list_error_handler("find the bucket, which may belong to another account", {})
def describe(client: Any, name: str, account: str) -> Fields:
    # The first question tells whether there is a bucket, too.
    tags = setting(partial(client.get_bucket_tagging, ExpectedBucketOwner=account), name, ("TagSet",), "NoSuchTagSet")
    return {**describe_settings(client, name), "tags": boto3_tag_list_to_ansible_dict(tags or [])}


@BucketErrors.common_error_handler("read the settings of the bucket")
def describe_settings(client: Any, name: str) -> Fields:
    def read(method: str, *path: str | int, missing: str = "") -> Any:
        return setting(getattr(client, method), name, path, missing)

    encryption = ("ServerSideEncryptionConfiguration", "Rules", 0, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm")
    ownership = ("OwnershipControls", "Rules", 0, "ObjectOwnership")
    block = read(
        "get_public_access_block", "PublicAccessBlockConfiguration", missing="NoSuchPublicAccessBlockConfiguration"
    )
    policy = read("get_bucket_policy", "Policy", missing="NoSuchBucketPolicy")
    rules = read("get_bucket_lifecycle_configuration", "Rules", missing="NoSuchLifecycleConfiguration")
    return {
        "name": name,
        "encryption": read(
            "get_bucket_encryption", *encryption, missing="ServerSideEncryptionConfigurationNotFoundError"
        ),
        "public_access_block": all((block or {}).get(key) for key in BLOCKED),
        "object_ownership": read("get_bucket_ownership_controls", *ownership, missing="OwnershipControlsNotFoundError"),
        "versioning": read("get_bucket_versioning", "Status") == "Enabled",
        "policy": json.loads(policy) if policy else {},
        "expire_days": expire_days(rules or []),
    }


def setting(method: Any, name: str, path: tuple[str | int, ...], missing: str) -> Any:
    """Returns one value from the answer about one setting, None when the setting was never made."""
    try:
        value = method(Bucket=name)
    except is_boto3_error_code(missing):
        return None
    for step in path:
        if isinstance(step, str) and step not in value:
            return None
        value = value[step]
    return value


def lifecycle_rules(days: int) -> list[Fields]:
    return [
        {
            "ID": "expire-logs",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_REMNANT_DAYS},
        }
    ]


def expire_days(rules: list[Fields]) -> int | None:
    """Returns the days when the rules are exactly those that this module writes, else None."""
    if not rules:
        return 0
    days = rules[0].get("Expiration", {}).get("Days")
    plain = [{**rule, "Filter": rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}} for rule in rules]
    return days if plain == lifecycle_rules(days) else None


def bucket_policy(params: Fields, place: Place) -> Fields:
    bucket = f"arn:{place.partition}:s3:::{params['name']}"
    folder = f"{params['prefix'].strip('/')}/" if params["prefix"] else ""
    load_balancers = f"arn:{place.partition}:elasticloadbalancing:{place.region}:{place.account}:loadbalancer/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "LoadBalancersWriteLogs",
                "Effect": "Allow",
                "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{bucket}/{folder}AWSLogs/{place.account}/*",
                "Condition": {"ArnLike": {"aws:SourceArn": load_balancers}},
            },
            {
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket, f"{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


def desired_fields(params: Fields, place: Place) -> Fields:
    return {
        "encryption": "AES256",
        "public_access_block": True,
        "object_ownership": "BucketOwnerEnforced",
        "versioning": False,
        "policy": bucket_policy(params, place),
        "expire_days": params["expire_days"],
    }


def plan(current: Fields, params: Fields, place: Place) -> Plan:
    if params["state"] == "absent":
        delete = Change(Action.DELETE, RESOURCE, params["name"], before=current)
        return Plan({}, (delete,) if current else ())
    return plan_update(current, params, place) if current else plan_create(params, place)


def plan_create(params: Fields, place: Place) -> Plan:
    result = {"name": params["name"], **desired_fields(params, place), "tags": params["tags"] or {}}
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=result),))


def plan_update(current: Fields, params: Fields, place: Place) -> Plan:
    desired = desired_fields(params, place)
    if not compare_policies(current["policy"], desired["policy"]):
        desired["policy"] = current["policy"]
    before, after = differences(current, desired)
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    return Plan({**current, **after}, (Change(Action.UPDATE, RESOURCE, params["name"], before, after),))


def apply(client: Any, planned: Plan, place: Place, force: bool) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            delete(client, change.name, force)
        else:
            if change.action is Action.CREATE:
                create(client, change.name, place.region)
            update(client, change.name, change.after)


@BucketErrors.common_error_handler("create the bucket")
def create(client: Any, name: str, region: str) -> None:
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    retry_unsettled(client.create_bucket)(Bucket=name, ObjectOwnership="BucketOwnerEnforced", **location)


@BucketErrors.common_error_handler("change the settings of the bucket")
def update(client: Any, name: str, fields: Fields) -> None:
    writers = {
        "encryption": put_encryption,
        "public_access_block": put_public_access_block,
        "object_ownership": put_object_ownership,
        "policy": put_policy,
        "expire_days": put_lifecycle,
        "tags": put_tags,
    }
    for option, write in writers.items():
        if option in fields:
            retry_unsettled(write)(client, name, fields[option])
    # A bucket that never had versions keeps that state; it cannot be asked for again.
    if fields.get("versioning") is False and "name" not in fields:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})


def put_encryption(client: Any, name: str, algorithm: str) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})


def put_public_access_block(client: Any, name: str, blocked: bool) -> None:
    configuration = dict.fromkeys(BLOCKED, blocked)
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=configuration)


def put_object_ownership(client: Any, name: str, ownership: str) -> None:
    client.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})


def put_policy(client: Any, name: str, policy: Fields) -> None:
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def put_lifecycle(client: Any, name: str, days: int) -> None:
    if days:
        client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": lifecycle_rules(days)})
    else:
        client.delete_bucket_lifecycle(Bucket=name)


def put_tags(client: Any, name: str, tags: dict[str, str]) -> None:
    if tags:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": ansible_dict_to_boto3_tag_list(tags)})
    else:
        client.delete_bucket_tagging(Bucket=name)


@BucketErrors.deletion_error_handler("delete the bucket")
def delete(client: Any, name: str, force: bool) -> None:
    if force:
        empty(client, name)
    try:
        client.delete_bucket(Bucket=name)
    except is_boto3_error_code("BucketNotEmpty") as error:
        remedy = "logs arrived in the meantime, run again" if force else "set force to delete its logs as well"
        raise AnsibleAWSError(message=f"The bucket {name} is not empty: {remedy}", exception=error) from error


def empty(client: Any, name: str) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        held = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in held]
        if objects:
            client.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client, params = aws_client(module, "s3"), module.params
    place = find_place(module, client)
    run(
        module,
        "bucket",
        describe=lambda: describe(client, params["name"], place.account),
        plan=guarded(f"bucket {params['name']}", params, lambda current: plan(current, params, place)),
        apply=lambda planned: apply(client, planned, place, params["force"]),
    )


if __name__ == "__main__":
    main()
