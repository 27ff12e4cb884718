#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: application_autoscaling
version_added: 0.1.0
short_description: Scale an Amazon ECS service by load and by the clock
description:
  - Manages the scalable target of a service with all its target tracking policies and scheduled actions, in one call.
  - Policies and scheduled actions that are not declared are deleted.
  - Limits that one of O(schedules) has set are no difference from O(min_capacity) and O(max_capacity).
  - Application Auto Scaling creates its service-linked role with the first scalable target of an account.
author:
  - Gatehouse contributors (@gatehouse)
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  service:
    description: Name of the service.
    type: str
    required: true
  state:
    description:
      - Whether the service should be scaled.
      - V(absent) leaves the service with as many tasks as it has.
    type: str
    choices: [present, absent]
    default: present
  min_capacity:
    description: Least number of tasks. Required when O(state=present).
    type: int
  max_capacity:
    description: Greatest number of tasks. Required when O(state=present).
    type: int
  cpu:
    description: Average CPU utilization in percent that is aimed at.
    type: float
  memory:
    description: Average memory utilization in percent that is aimed at.
    type: float
  requests_per_target:
    description:
      - Requests in a minute that one task should get.
      - Needs O(load_balancer_arn) and O(target_group_arn).
    type: float
  load_balancer_arn:
    description: Application load balancer that counts the requests.
    type: str
  target_group_arn:
    description: Its target group whose requests count.
    type: str
  scale_in_cooldown:
    description: Seconds after the end of tasks until more tasks are ended.
    type: int
    default: 300
  scale_out_cooldown:
    description: Seconds after the start of tasks until more tasks are started.
    type: int
    default: 60
  schedules:
    description: Other limits from certain times on.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the scheduled action.
        type: str
        required: true
      schedule:
        description:
          - When, as C(cron(0 8 ? * MON-FRI *)), C(rate(5 minutes)) or C(at(2027-01-31T08:00:00)).
        type: str
        required: true
      timezone:
        description: Time zone of O(schedules[].schedule), like V(Europe/Berlin).
        type: str
        default: UTC
      min_capacity:
        description: Least number of tasks from then on. Left out, it stays.
        type: int
      max_capacity:
        description: Greatest number of tasks from then on. Left out, it stays.
        type: int
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Scale with the load, and keep two tasks on weekdays
  gatehouse.fargate.application_autoscaling:
    cluster: hello-dev
    service: hello-dev
    min_capacity: 1
    max_capacity: 6
    cpu: 60
    schedules:
      - {name: morning, schedule: "cron(0 7 ? * MON-FRI *)", timezone: Europe/Berlin, min_capacity: 2}
      - {name: evening, schedule: "cron(0 19 ? * MON-FRI *)", timezone: Europe/Berlin, min_capacity: 1}

- name: Stop scaling
  gatehouse.fargate.application_autoscaling:
    cluster: hello-dev
    service: hello-dev
    state: absent
"""

RETURN = r"""
scalable_target:
  description: How the service is scaled now, or will be in check mode; empty when it is not.
  returned: always
  type: dict
  contains:
    resource_id:
      description: What is scaled.
      type: str
      sample: service/hello-dev/hello-dev
    arn:
      description: ARN of the scalable target.
      type: str
    min_capacity:
      description: Least number of tasks.
      type: int
    max_capacity:
      description: Greatest number of tasks.
      type: int
    policies:
      description: Target tracking policies by name.
      type: dict
    schedules:
      description: Scheduled actions by name.
      type: dict
    tags:
      description: Tags of the scalable target.
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

from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gatehouse.fargate.plugins.module_utils._autoscaling.scaling import (
    described,
    desired_limits,
    desired_policies,
    desired_schedules,
    identity,
    policy_request,
    problems,
    schedule_request,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
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

SCHEDULE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "schedule": {"type": "str", "required": True},
    "timezone": {"type": "str", "default": "UTC"},
    "min_capacity": {"type": "int"},
    "max_capacity": {"type": "int"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "cluster": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "min_capacity": {"type": "int"},
    "max_capacity": {"type": "int"},
    "cpu": {"type": "float"},
    "memory": {"type": "float"},
    "requests_per_target": {"type": "float"},
    "load_balancer_arn": {"type": "str"},
    "target_group_arn": {"type": "str"},
    "scale_in_cooldown": {"type": "int", "default": 300},
    "scale_out_cooldown": {"type": "int", "default": 60},
    "schedules": {"type": "list", "elements": "dict", "default": [], "options": SCHEDULE},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
TARGET = "scalable_target"
POLICY = "scaling_policy"
SCHEDULED = "scheduled_action"
TargetErrors = missing_is("ObjectNotFoundException")
# A target that was registered a moment ago is not known everywhere, and AWS refuses two changes at a time.
retried = AWSRetry.jittered_backoff(
    retries=8, delay=1, max_delay=10, catch_extra_error_codes=["ConcurrentUpdateException", "ObjectNotFoundException"]
)
# Operation and parameters.
Call = tuple[str, Fields]


@TargetErrors.list_error_handler("describe the scaling of the service", {})
def describe(client: Any, params: Fields) -> Fields:
    named = identity(params)
    one = {**named, "ResourceIds": [named["ResourceId"]]}
    del one["ResourceId"]
    targets = client.describe_scalable_targets(**one)["ScalableTargets"]
    if not targets:
        return {}
    tags = client.list_tags_for_resource(ResourceARN=targets[0]["ScalableTargetARN"])["Tags"]
    policies = pages(client, "describe_scaling_policies", "ScalingPolicies", named)
    actions = pages(client, "describe_scheduled_actions", "ScheduledActions", named)
    return described(targets[0], policies, actions, tags)


def pages(client: Any, operation: str, key: str, named: Fields) -> list[Fields]:
    return list(client.get_paginator(operation).paginate(**named).build_full_result()[key])


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    refuse_impossible(params)
    policies, schedules = desired_policies(params), desired_schedules(params)
    target, result = plan_target(current, params)
    changes = [
        *target,
        *plan_parts(POLICY, current.get("policies", {}), policies, params),
        *plan_parts(SCHEDULED, current.get("schedules", {}), schedules, params),
    ]
    return Plan({**result, "policies": policies, "schedules": schedules}, tuple(changes))


def refuse_impossible(params: Fields) -> None:
    for problem in problems(params):
        raise PlanRefusedError(problem)
    if params["requests_per_target"] is not None and not (params["load_balancer_arn"] and params["target_group_arn"]):
        raise PlanRefusedError(
            f"requests_per_target is {params['requests_per_target']}, but load_balancer_arn is "
            f"'{params['load_balancer_arn'] or ''}' and target_group_arn '{params['target_group_arn'] or ''}': "
            "set both, or scale by cpu or memory."
        )


def plan_absent(current: Fields, params: Fields) -> Plan:
    """Deregistering a target deletes its policies and scheduled actions as well."""
    if not current:
        return Plan({})
    call: Call = ("deregister_scalable_target", identity(params))
    before = {key: value for key, value in current.items() if key != "arn"}
    return Plan({}, (Change(Action.DELETE, TARGET, current["resource_id"], before=before, call=[call]),))


def plan_target(current: Fields, params: Fields) -> tuple[list[Change], Fields]:
    """Returns the change of the target itself, if there is one, and what the target will be."""
    named, limits = identity(params), desired_limits(current, params)
    register = {**named, "MinCapacity": limits["min_capacity"], "MaxCapacity": limits["max_capacity"]}
    name = named["ResourceId"]
    if not current:
        after = {"resource_id": name, **limits, "tags": params["tags"] or {}}
        call: Call = ("register_scalable_target", {**register, "Tags": after["tags"]})
        return [Change(Action.CREATE, TARGET, name, after=after, call=[call])], {**after, "arn": KNOWN_AFTER_APPLY}
    before, after = differences(current, limits)
    calls: list[Call] = [("register_scalable_target", register)] if after else []
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
        calls += tag_calls(current["arn"], to_set, to_remove)
    changes = [Change(Action.UPDATE, TARGET, name, before, after, call=calls)] if after else []
    return changes, {**current, **after}


def tag_calls(arn: str, to_set: dict[str, str], to_remove: list[str]) -> Iterator[Call]:
    if to_remove:
        yield "untag_resource", {"ResourceARN": arn, "TagKeys": to_remove}
    if to_set:
        yield "tag_resource", {"ResourceARN": arn, "Tags": to_set}


# Kind of part: how it is put, how it is deleted, and the parameter that names it.
PARTS: dict[str, tuple[str, str, str, Callable[[Fields], Fields]]] = {
    POLICY: ("put_scaling_policy", "delete_scaling_policy", "PolicyName", policy_request),
    SCHEDULED: ("put_scheduled_action", "delete_scheduled_action", "ScheduledActionName", schedule_request),
}


def plan_parts(kind: str, current: dict[str, Fields], desired: dict[str, Fields], params: Fields) -> Iterator[Change]:
    """Yields the changes of policies, or of scheduled actions."""
    put, delete, key, request = PARTS[kind]
    named = identity(params)
    for name, fields in desired.items():
        held = current.get(name, {})
        # Unlike elsewhere None is a value here: AWS drops what a request leaves out.
        changed = [field for field in fields if field not in held or held[field] != fields[field]]
        if changed:
            action = Action.UPDATE if held else Action.CREATE
            before, after = (
                {field: held[field] for field in changed if held},
                {field: fields[field] for field in changed},
            )
            call: Call = (put, {**named, key: name, **request(fields)})
            yield Change(action, kind, f"{params['service']}:{name}", before, after, call=[call])
    for name in current.keys() - desired.keys():
        call = (delete, {**named, key: name})
        yield Change(Action.DELETE, kind, f"{params['service']}:{name}", before=current[name], call=[call])


@TargetErrors.common_error_handler("change the scaling of the service")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        for operation, request in change.call:
            retried(getattr(client, operation))(**request)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["min_capacity", "max_capacity"])],
        supports_check_mode=True,
    )
    client, params = aws_client(module, "application-autoscaling"), module.params
    run(
        module,
        "scalable_target",
        describe=lambda: describe(client, params),
        plan=guarded(f"scaling of service {params['service']}", params, lambda current: plan(current, params)),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
