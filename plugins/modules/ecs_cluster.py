#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_cluster
version_added: 0.1.0
short_description: Manage an Amazon ECS cluster for AWS Fargate
description:
  - Creates, changes or deletes a cluster together with its monitoring, its capacity providers, the settings of
    ECS Exec and its tags.
  - A cluster that was deleted before, which AWS still shows as C(INACTIVE), is created anew.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  state:
    description: Whether the cluster should exist. V(absent) fails while the cluster has services.
    type: str
    choices: [present, absent]
    default: present
  container_insights:
    description:
      - How much CloudWatch Container Insights records. Everything but V(disabled) costs money.
      - Stated always, because an account setting decides when it is left out.
    type: str
    choices: [disabled, enabled, enhanced]
    default: disabled
  capacity_providers:
    description:
      - Capacity providers that services of the cluster may use, for example V(FARGATE) and V(FARGATE_SPOT).
      - Leave unset to keep them and O(default_capacity_provider_strategy) unmanaged.
    type: list
    elements: str
  default_capacity_provider_strategy:
    description: How tasks are spread over O(capacity_providers) when a service does not say.
    type: list
    elements: dict
    suboptions:
      capacity_provider:
        description: One of O(capacity_providers).
        type: str
        required: true
      weight:
        description: Share of the tasks beyond O(default_capacity_provider_strategy[].base).
        type: int
        default: 1
      base:
        description: Number of tasks that run here before any other provider is used.
        type: int
        default: 0
  execute_command:
    description:
      - How sessions of ECS Exec are encrypted and logged.
      - Leave unset to keep it unmanaged.
    type: dict
    suboptions:
      logging:
        description:
          - V(DEFAULT) logs to the task's own log group, V(OVERRIDE) to the places named here, V(NONE) does not log.
        type: str
        choices: [NONE, DEFAULT, OVERRIDE]
        default: DEFAULT
      kms_key_id:
        description: Key that encrypts the connection.
        type: str
      log_group:
        description: CloudWatch log group for V(OVERRIDE).
        type: str
      log_encryption:
        description: Whether the log group must be encrypted with a key of your own.
        type: bool
        default: false
      s3_bucket:
        description: Bucket for V(OVERRIDE).
        type: str
      s3_prefix:
        description: Prefix of the objects in the bucket.
        type: str
      s3_encryption:
        description: Whether the bucket must be encrypted.
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
- name: Create a cluster with Container Insights
  gatehouse.fargate.ecs_cluster:
    name: hello-dev
    container_insights: enhanced
    tags:
      gatehouse:stack: hello-dev

- name: Run most tasks on spare capacity
  gatehouse.fargate.ecs_cluster:
    name: hello-dev
    capacity_providers: [FARGATE, FARGATE_SPOT]
    default_capacity_provider_strategy:
      - capacity_provider: FARGATE
        base: 1
      - capacity_provider: FARGATE_SPOT
        weight: 4
"""

RETURN = r"""
cluster:
  description: The cluster as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
    arn:
      description: ARN of the cluster.
      type: str
      sample: arn:aws:ecs:ap-northeast-1:123456789012:cluster/hello-dev
    container_insights:
      description: V(disabled), V(enabled) or V(enhanced).
      type: str
    capacity_providers:
      description: Capacity providers that services of the cluster may use.
      type: list
      elements: str
    default_capacity_provider_strategy:
      description: How tasks are spread when a service does not say.
      type: list
      elements: dict
    execute_command:
      description: How sessions of ECS Exec are encrypted and logged.
      type: dict
    tags:
      description: Tags of the cluster.
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
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ClusterErrors, when_usable
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.strategies import (
    CAPACITY_PROVIDER,
    described_strategy,
    ordered_strategy,
    requested_strategy,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_dict, as_list, change_tags
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

EXECUTE_COMMAND: dict[str, Any] = {
    "logging": {"type": "str", "choices": ["NONE", "DEFAULT", "OVERRIDE"], "default": "DEFAULT"},
    "kms_key_id": {"type": "str"},
    "log_group": {"type": "str"},
    "log_encryption": {"type": "bool", "default": False},
    "s3_bucket": {"type": "str"},
    "s3_prefix": {"type": "str"},
    "s3_encryption": {"type": "bool", "default": False},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "container_insights": {"type": "str", "choices": ["disabled", "enabled", "enhanced"], "default": "disabled"},
    "capacity_providers": {"type": "list", "elements": "str"},
    "default_capacity_provider_strategy": {"type": "list", "elements": "dict", "options": CAPACITY_PROVIDER},
    "execute_command": {"type": "dict", "options": EXECUTE_COMMAND},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "ecs_cluster"
STILL_STOPPING = ("ClusterContainsTasksException", "UpdateInProgressException")


@ClusterErrors.list_error_handler("describe the cluster", {})
def describe(client: Any, name: str) -> Fields:
    found = client.describe_clusters(clusters=[name], include=["SETTINGS", "CONFIGURATIONS", "TAGS"])["clusters"]
    active = [cluster for cluster in found if cluster["status"] != "INACTIVE"]
    return described(active[0]) if active else {}


def described(cluster: Fields) -> Fields:
    settings = {setting["name"]: setting["value"] for setting in cluster.get("settings", [])}
    return {
        "name": cluster["clusterName"],
        "arn": cluster["clusterArn"],
        "container_insights": settings.get("containerInsights", "disabled"),
        "capacity_providers": sorted(cluster.get("capacityProviders", [])),
        "default_capacity_provider_strategy": described_strategy(cluster.get("defaultCapacityProviderStrategy")),
        "execute_command": described_execute_command(cluster.get("configuration", {})),
        "tags": as_dict(cluster.get("tags")),
    }


def described_execute_command(configuration: Fields) -> Fields:
    session = configuration.get("executeCommandConfiguration", {})
    log = session.get("logConfiguration", {})
    return {
        "logging": session.get("logging", "DEFAULT"),
        "kms_key_id": session.get("kmsKeyId"),
        "log_group": log.get("cloudWatchLogGroupName"),
        "log_encryption": log.get("cloudWatchEncryptionEnabled", False),
        "s3_bucket": log.get("s3BucketName"),
        "s3_prefix": log.get("s3KeyPrefix"),
        "s3_encryption": log.get("s3EncryptionEnabled", False),
    }


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current)
    refuse_contradictions(params)
    return plan_update(current, params) if current else plan_create(params)


def refuse_contradictions(params: Fields) -> None:
    offered = params["capacity_providers"] or []
    for item in params["default_capacity_provider_strategy"] or []:
        if item["capacity_provider"] not in offered:
            raise PlanRefusedError(
                f"default_capacity_provider_strategy names {item['capacity_provider']}: "
                "add it to capacity_providers or take it out of the strategy."
            )
    session = params["execute_command"]
    if not session:
        return
    overridden, placed = session["logging"] == "OVERRIDE", bool(session["log_group"] or session["s3_bucket"])
    if overridden and not placed:
        raise PlanRefusedError("execute_command.logging is OVERRIDE: name a log_group or an s3_bucket to log to.")
    if placed and not overridden:
        raise PlanRefusedError(
            f"execute_command.logging is {session['logging']}: log_group and s3_bucket need logging=OVERRIDE."
        )


def plan_absent(current: Fields) -> Plan:
    return Plan({}, (Change(Action.DELETE, RESOURCE, current["name"], before=current),)) if current else Plan({})


def managed(params: Fields) -> Fields:
    """Returns the declared fields; None stands for unmanaged."""
    providers, strategy = params["capacity_providers"], params["default_capacity_provider_strategy"]
    return {
        "container_insights": params["container_insights"],
        "capacity_providers": None if providers is None else sorted(providers),
        "default_capacity_provider_strategy": None if providers is None else ordered_strategy(strategy),
        "execute_command": params["execute_command"],
    }


def plan_create(params: Fields) -> Plan:
    fields = {key: value for key, value in managed(params).items() if value is not None}
    result = {"name": params["name"], "arn": KNOWN_AFTER_APPLY, **fields, "tags": params["tags"] or {}}
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=result),))


def plan_update(current: Fields, params: Fields) -> Plan:
    before, after = differences(current, managed(params))
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    change = Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=(to_set, to_remove))
    return Plan({**current, **after}, (change,))


@ClusterErrors.common_error_handler("change the cluster")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            delete(client, change.name)
        elif change.action is Action.CREATE:
            when_usable(client.create_cluster)(**create_request(change.after))
        else:
            update(client, change, planned.result)


def delete(client: Any, name: str) -> None:
    """Deletes the cluster; the last tasks of a service that is gone may still be stopping."""
    retry = AWSRetry.jittered_backoff(retries=20, delay=2, max_delay=10, catch_extra_error_codes=list(STILL_STOPPING))
    retry(client.delete_cluster)(cluster=name)


def create_request(fields: Fields) -> Fields:
    request = {"clusterName": fields["name"], "tags": as_list(fields["tags"]), **settings_request(fields)}
    if "capacity_providers" in fields:
        request |= providers_request(fields)
    return request


def settings_request(fields: Fields) -> Fields:
    request: Fields = {}
    if "container_insights" in fields:
        request["settings"] = [{"name": "containerInsights", "value": fields["container_insights"]}]
    if "execute_command" in fields:
        request["configuration"] = {"executeCommandConfiguration": execute_command_request(fields["execute_command"])}
    return request


def execute_command_request(session: Fields) -> Fields:
    request = {"logging": session["logging"]}
    if session["kms_key_id"]:
        request["kmsKeyId"] = session["kms_key_id"]
    if session["logging"] == "OVERRIDE":
        log = {
            "cloudWatchLogGroupName": session["log_group"],
            "cloudWatchEncryptionEnabled": session["log_encryption"],
            "s3BucketName": session["s3_bucket"],
            "s3KeyPrefix": session["s3_prefix"],
            "s3EncryptionEnabled": session["s3_encryption"],
        }
        request["logConfiguration"] = {key: value for key, value in log.items() if value is not None}
    return request


def providers_request(fields: Fields) -> Fields:
    return {
        "capacityProviders": fields["capacity_providers"],
        "defaultCapacityProviderStrategy": requested_strategy(fields["default_capacity_provider_strategy"]),
    }


def update(client: Any, change: Change, fields: Fields) -> None:
    settings = settings_request(change.after)
    if settings:
        client.update_cluster(cluster=change.name, **settings)
    if change.after.keys() & {"capacity_providers", "default_capacity_provider_strategy"}:
        when_usable(client.put_cluster_capacity_providers)(cluster=change.name, **providers_request(fields))
    change_tags(client, fields["arn"], *change.call)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_by={"default_capacity_provider_strategy": ["capacity_providers"]},
        supports_check_mode=True,
    )
    client = aws_client(module, "ecs")
    run(
        module,
        "cluster",
        describe=lambda: describe(client, module.params["name"]),
        plan=guarded(f"cluster {module.params['name']}", module.params, lambda current: plan(current, module.params)),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
