#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elb_target_group
version_added: 0.1.0
short_description: Manage a target group of an Application Load Balancer
description:
  - Creates, changes or deletes a target group with its health check, its attributes and its tags.
  - Registers and deregisters no targets; that is the business of the service behind the group.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the target group, at most 32 characters.
    type: str
    required: true
  state:
    description:
      - Whether the target group should exist.
      - V(drained) sets nothing but O(deregistration_delay), and only if the group exists; a low one lets a service that
        is about to be removed stop at once.
    type: str
    choices: [present, absent, drained]
    default: present
  vpc_id:
    description:
      - VPC of the targets; required with O(state=present).
      - AWS cannot change O(vpc_id), O(port), O(protocol), O(protocol_version) and O(target_type). A group that no load
        balancer uses is replaced when one of them differs; for one in use this is refused.
    type: str
  port:
    description: Port of targets that are registered without a port of their own; required with O(state=present).
    type: int
  protocol:
    description: Protocol between load balancer and targets.
    type: str
    choices: [HTTP, HTTPS]
    default: HTTP
  protocol_version:
    description: Version of the protocol between load balancer and targets.
    type: str
    choices: [HTTP1, HTTP2]
    default: HTTP1
  target_type:
    description: What targets are; tasks on AWS Fargate are addresses.
    type: str
    choices: [ip, instance]
    default: ip
  health_check_path:
    description: Path that the load balancer asks targets for.
    type: str
    default: /
  health_check_port:
    description: Port for health checks; V(traffic-port) is the one of the target.
    type: str
    default: traffic-port
  health_check_protocol:
    description: Protocol for health checks.
    type: str
    choices: [HTTP, HTTPS]
    default: HTTP
  health_check_interval:
    description: Seconds from one health check to the next, V(5) to V(300).
    type: int
    default: 30
  health_check_timeout:
    description: Seconds after which an unanswered health check has failed, V(2) to V(120) and less than the interval.
    type: int
    default: 5
  healthy_threshold:
    description: Successful checks in a row that make a target healthy, V(2) to V(10).
    type: int
    default: 5
  unhealthy_threshold:
    description: Failed checks in a row that make a target unhealthy, V(2) to V(10).
    type: int
    default: 2
  matcher:
    description: Status codes that a healthy target answers, for example V(200), V(200,202) or V(200-299).
    type: str
    default: "200"
  deregistration_delay:
    description: Seconds that requests in flight are given when a target is deregistered, V(0) to V(3600).
    type: int
    default: 300
  slow_start:
    description: Seconds over which a new target is given its full share of requests, V(30) to V(900); V(0) for at once.
    type: int
    default: 0
  load_balancing_algorithm:
    description: How the target of a request is chosen.
    type: str
    choices: [round_robin, least_outstanding_requests, weighted_random]
    default: round_robin
  stickiness:
    description: Seconds for which a client stays with its target, by a cookie of the load balancer; V(0) for never.
    type: int
    default: 0
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Make a target group for tasks on Fargate
  gatehouse.fargate.elb_target_group:
    name: hello-dev
    vpc_id: vpc-0a1b2c3d4e5f67890
    port: 3000
    health_check_path: /healthz
    health_check_interval: 10
    healthy_threshold: 2
    deregistration_delay: 30
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
target_group:
  description:
    - The target group as it is now, or as it will be in check mode; empty when it does not exist.
    - Holds every option under its own name as well.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the target group.
      type: str
      sample: arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/hello-dev/6d0ecf831eec9f09
    name:
      description: Name of the target group.
      type: str
    load_balancer_arns:
      description: Load balancers that send requests to the group.
      type: list
      elements: str
    tags:
      description: Tags of the target group.
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
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.common import (
    attribute_list,
    attribute_map,
    change_tags,
    describe_tags,
    from_text,
    refuse_bad_name,
    tags_argument,
)
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
    "state": {"type": "str", "choices": ["present", "absent", "drained"], "default": "present"},
    "vpc_id": {"type": "str"},
    "port": {"type": "int"},
    "protocol": {"type": "str", "choices": ["HTTP", "HTTPS"], "default": "HTTP"},
    "protocol_version": {"type": "str", "choices": ["HTTP1", "HTTP2"], "default": "HTTP1"},
    "target_type": {"type": "str", "choices": ["ip", "instance"], "default": "ip"},
    "health_check_path": {"type": "str", "default": "/"},
    "health_check_port": {"type": "str", "default": "traffic-port"},
    "health_check_protocol": {"type": "str", "choices": ["HTTP", "HTTPS"], "default": "HTTP"},
    "health_check_interval": {"type": "int", "default": 30},
    "health_check_timeout": {"type": "int", "default": 5},
    "healthy_threshold": {"type": "int", "default": 5},
    "unhealthy_threshold": {"type": "int", "default": 2},
    "matcher": {"type": "str", "default": "200"},
    "deregistration_delay": {"type": "int", "default": 300},
    "slow_start": {"type": "int", "default": 0},
    "load_balancing_algorithm": {
        "type": "str",
        "choices": ["round_robin", "least_outstanding_requests", "weighted_random"],
        "default": "round_robin",
    },
    "stickiness": {"type": "int", "default": 0},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "elb_target_group"
IDENTITY = {
    "vpc_id": "VpcId",
    "port": "Port",
    "protocol": "Protocol",
    "protocol_version": "ProtocolVersion",
    "target_type": "TargetType",
}
HEALTH_CHECK = {
    "health_check_path": "HealthCheckPath",
    "health_check_port": "HealthCheckPort",
    "health_check_protocol": "HealthCheckProtocol",
    "health_check_interval": "HealthCheckIntervalSeconds",
    "health_check_timeout": "HealthCheckTimeoutSeconds",
    "healthy_threshold": "HealthyThresholdCount",
    "unhealthy_threshold": "UnhealthyThresholdCount",
}
ATTRIBUTES = {
    "deregistration_delay": "deregistration_delay.timeout_seconds",
    "slow_start": "slow_start.duration_seconds",
    "load_balancing_algorithm": "load_balancing.algorithm.type",
}
# What AWS takes for stickiness that was turned on without a duration.
DAY = 86400
MANAGED = (*HEALTH_CHECK, "matcher", *ATTRIBUTES, "stickiness")
# A load balancer that was just deleted still counts as a user of its target groups for a moment.
RELEASE_ATTEMPTS = 8

TargetGroupErrors = missing_is("TargetGroupNotFound")


@TargetGroupErrors.list_error_handler("describe the target group", {})
def describe(client: Any, name: str) -> Fields:
    answer = client.describe_target_groups(Names=[name])["TargetGroups"]
    if not answer:
        return {}
    found, arn = answer[0], answer[0]["TargetGroupArn"]
    attributes = attribute_map(client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"])
    return {
        "name": name,
        "arn": arn,
        "load_balancer_arns": found.get("LoadBalancerArns", []),
        **{option: found.get(key) for option, key in {**IDENTITY, **HEALTH_CHECK}.items()},
        "matcher": found.get("Matcher", {}).get("HttpCode"),
        **{option: from_text(attributes.get(key, "")) for option, key in ATTRIBUTES.items()},
        "stickiness": stickiness(attributes),
        "tags": describe_tags(client, [arn]).get(arn, {}),
    }


def stickiness(attributes: dict[str, str]) -> int | str:
    """Returns the seconds of stickiness, or the name of a kind that this module does not manage."""
    if attributes.get("stickiness.enabled") != "true":
        return 0
    kind = attributes.get("stickiness.type", "lb_cookie")
    return int(attributes.get("stickiness.lb_cookie.duration_seconds", DAY)) if kind == "lb_cookie" else kind


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    if params["state"] == "drained":
        return plan_drained(current, params)
    refuse_bad_name("target group", params["name"])
    if not current:
        return plan_create(params)
    if any(current[option] != params[option] for option in IDENTITY):
        return plan_replace(current, params)
    return plan_update(current, params)


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current:
        return Plan({})
    return Plan({}, (Change(Action.DELETE, RESOURCE, params["name"], before=current),))


def plan_drained(current: Fields, params: Fields) -> Plan:
    delay = params["deregistration_delay"]
    before, after = differences(current, {"deregistration_delay": delay}) if current else ({}, {})
    if not after:
        return Plan(current)
    change = Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=(current["arn"], {}, []))
    return Plan({**current, **after}, (change,))


def plan_create(params: Fields) -> Plan:
    result = created(params)
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=result),))


def created(params: Fields) -> Fields:
    fields = {option: params[option] for option in ("name", *IDENTITY, *MANAGED)}
    return {**fields, "arn": KNOWN_AFTER_APPLY, "load_balancer_arns": [], "tags": params["tags"] or {}}


def plan_replace(current: Fields, params: Fields) -> Plan:
    before, after = differences(current, {option: params[option] for option in IDENTITY})
    if current["load_balancer_arns"]:
        wanted = ", ".join(f"{option} from {before[option]} to {after[option]}" for option in after)
        raise PlanRefusedError(
            f"AWS cannot change {wanted} on target group {params['name']}, and a load balancer uses it: give the new "
            f"group another name and let the listeners forward to that one, or remove its rules first."
        )
    result = created({**params, "tags": params["tags"] or current["tags"]})
    change = Change(Action.REPLACE, RESOURCE, params["name"], before, after, call=(current["arn"], result))
    return Plan(result, (change,))


def plan_update(current: Fields, params: Fields) -> Plan:
    before, after = differences(current, {option: params[option] for option in MANAGED})
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    call = (current["arn"], to_set, to_remove)
    change = Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=call)
    return Plan({**current, **after}, (change,))


@TargetGroupErrors.common_error_handler("change the target group")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            delete(client, change.before["arn"])
        elif change.action is Action.CREATE:
            create(client, change.after)
        elif change.action is Action.REPLACE:
            arn, fields = change.call
            delete(client, arn)
            create(client, fields)
        else:
            update(client, change)


def create(client: Any, fields: Fields) -> None:
    answer = client.create_target_group(
        Name=fields["name"],
        **{key: fields[option] for option, key in {**IDENTITY, **HEALTH_CHECK}.items()},
        HealthCheckEnabled=True,
        Matcher={"HttpCode": fields["matcher"]},
        **tags_argument(fields["tags"]),
    )
    set_attributes(client, answer["TargetGroups"][0]["TargetGroupArn"], fields)


def update(client: Any, change: Change) -> None:
    arn, to_set, to_remove = change.call
    check = {key: change.after[option] for option, key in HEALTH_CHECK.items() if option in change.after}
    if "matcher" in change.after:
        check["Matcher"] = {"HttpCode": change.after["matcher"]}
    if check:
        client.modify_target_group(TargetGroupArn=arn, **check)
    set_attributes(client, arn, change.after)
    change_tags(client, arn, to_set, to_remove)


def set_attributes(client: Any, arn: str, fields: Fields) -> None:
    wanted = {key: fields[option] for option, key in ATTRIBUTES.items() if option in fields}
    if "stickiness" in fields:
        wanted["stickiness.enabled"] = bool(fields["stickiness"])
    if fields.get("stickiness"):
        wanted["stickiness.type"] = "lb_cookie"
        wanted["stickiness.lb_cookie.duration_seconds"] = fields["stickiness"]
    if wanted:
        client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attribute_list(wanted))


def delete(client: Any, arn: str) -> None:
    retry = AWSRetry.exponential_backoff(
        retries=RELEASE_ATTEMPTS, delay=2, max_delay=10, catch_extra_error_codes=["ResourceInUse"]
    )
    retry(client.delete_target_group)(TargetGroupArn=arn)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["vpc_id", "port"])],
        supports_check_mode=True,
    )
    client = aws_client(module, "elbv2")
    run(
        module,
        "target_group",
        describe=lambda: describe(client, module.params["name"]),
        plan=guarded(
            f"target group {module.params['name']}", module.params, lambda current: plan(current, module.params)
        ),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
