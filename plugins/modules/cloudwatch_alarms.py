#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudwatch_alarms
version_added: 0.1.0
short_description: Manage the Amazon CloudWatch alarms that watch deployments
description:
  - Manages a set of metric alarms, and looks whether others exist, with one question to AWS for all of them.
  - What Amazon ECS does with the name of an alarm that does not exist is not documented. This module refuses it.
  - Actions of an alarm, such as a message to somebody, are left as they are.
  - Warns of an alarm that is in the state V(ALARM), because ECS may not watch it in a deployment that starts then.
author:
  - Gatehouse contributors (@gatehouse)
options:
  alarms:
    description: The alarms.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the alarm, of which an account has one in a region.
        type: str
        required: true
      description:
        description: What it means that the alarm goes off.
        type: str
        default: ""
      namespace:
        description: Namespace of the metric.
        type: str
        required: true
      metric_name:
        description: Name of the metric.
        type: str
        required: true
      dimensions:
        description: Dimensions of the metric, name to value.
        type: dict
        default: {}
      statistic:
        description: What is made of the values of a period.
        type: str
        choices: [SampleCount, Average, Sum, Minimum, Maximum]
        required: true
      period:
        description: Length of a period in seconds, a multiple of 60.
        type: int
        default: 60
      evaluation_periods:
        description: Number of periods, one after the other, in which the threshold has to be crossed.
        type: int
        default: 1
      comparison_operator:
        description: How a value crosses O(alarms[].threshold).
        type: str
        choices:
          - GreaterThanOrEqualToThreshold
          - GreaterThanThreshold
          - LessThanThreshold
          - LessThanOrEqualToThreshold
        default: GreaterThanOrEqualToThreshold
      threshold:
        description: The threshold.
        type: float
        required: true
      treat_missing_data:
        description: What a period without values counts as.
        type: str
        choices: [breaching, notBreaching, ignore, missing]
        default: notBreaching
  others:
    description: Names of alarms of somebody else that have to exist; metric alarms or composite ones.
    type: list
    elements: str
    default: []
  state:
    description: Whether O(alarms) should exist.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Watch the errors of an app
  gatehouse.fargate.cloudwatch_alarms:
    alarms:
      - name: hello-dev-5xx
        namespace: AWS/ApplicationELB
        metric_name: HTTPCode_Target_5XX_Count
        dimensions: {LoadBalancer: app/hello-dev/50dc6c495c0c9188}
        statistic: Sum
        threshold: 10

- name: Refuse alarms that do not exist
  gatehouse.fargate.cloudwatch_alarms:
    others: [checkout-latency]
"""

RETURN = r"""
alarms:
  description: The alarms, or what they will be in check mode.
  returned: always
  type: dict
  contains:
    own:
      description: The managed alarms by name, with the fields of O(alarms) and C(arn), C(unit), C(state) and C(tags).
      type: dict
    others:
      description: State of each of O(others) by name.
      type: dict
      sample: {"checkout-latency": "OK"}
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

from collections.abc import Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import refuse_foreign
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

ALARM: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "description": {"type": "str", "default": ""},
    "namespace": {"type": "str", "required": True},
    "metric_name": {"type": "str", "required": True},
    "dimensions": {"type": "dict", "default": {}},
    "statistic": {
        "type": "str",
        "choices": ["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
        "required": True,
    },
    "period": {"type": "int", "default": 60},
    "evaluation_periods": {"type": "int", "default": 1},
    "comparison_operator": {
        "type": "str",
        "choices": [
            *("GreaterThanOrEqualToThreshold", "GreaterThanThreshold"),
            *("LessThanThreshold", "LessThanOrEqualToThreshold"),
        ],
        "default": "GreaterThanOrEqualToThreshold",
    },
    "threshold": {"type": "float", "required": True},
    "treat_missing_data": {
        "type": "str",
        "choices": ["breaching", "notBreaching", "ignore", "missing"],
        "default": "notBreaching",
    },
}
ARGUMENT_SPEC: dict[str, Any] = {
    "alarms": {"type": "list", "elements": "dict", "default": [], "options": ALARM},
    "others": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "cloudwatch_alarm"
# Field and parameter; what a request leaves out is reset.
TEXTS = {
    "description": "AlarmDescription",
    "namespace": "Namespace",
    "metric_name": "MetricName",
    "statistic": "Statistic",
    "comparison_operator": "ComparisonOperator",
    "unit": "Unit",
}
NUMBERS = {"period": "Period", "evaluation_periods": "EvaluationPeriods", "threshold": "Threshold"}
KEPT = ("ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions")
# DescribeAlarms takes this many names.
MOST_NAMES = 100
ALARMING = "ALARM"
AlarmErrors = missing_is("ResourceNotFound", "ResourceNotFoundException")


@AlarmErrors.list_error_handler("describe the alarms", {"own": {}, "others": {}})
def describe(client: Any, params: Fields) -> Fields:
    names = [alarm["name"] for alarm in params["alarms"]]
    found = {alarm["AlarmName"]: alarm for alarm in described_alarms(client, [*names, *params["others"]])}
    return {
        "own": {name: described(client, found[name]) for name in names if name in found},
        "others": {name: found[name]["StateValue"] for name in params["others"] if name in found},
    }


def described_alarms(client: Any, names: list[str]) -> Iterator[Fields]:
    unique, kinds = list(dict.fromkeys(names)), ["MetricAlarm", "CompositeAlarm"]
    for start in range(0, len(unique), MOST_NAMES):
        part = unique[start : start + MOST_NAMES]
        answer = client.describe_alarms(AlarmNames=part, AlarmTypes=kinds, MaxRecords=MOST_NAMES)
        yield from (*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", []))


def described(client: Any, alarm: Fields) -> Fields:
    tags = client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    return {
        "arn": alarm["AlarmArn"],
        **{field: alarm.get(key, "") for field, key in TEXTS.items()},
        **{field: alarm.get(key, 0) for field, key in NUMBERS.items()},
        "datapoints_to_alarm": alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods", 0)),
        "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])},
        "treat_missing_data": alarm.get("TreatMissingData", "missing"),
        "state": alarm["StateValue"],
        "kept": {key: alarm[key] for key in KEPT if key in alarm},
        "tags": boto3_tag_list_to_ansible_dict(tags),
    }


def plan(current: Fields, params: Fields) -> Plan:
    for name, held in current["own"].items():
        refuse_foreign(f"alarm {name}", held["tags"], params)
    if params["state"] == "absent":
        deletions = (Change(Action.DELETE, RESOURCE, name, before=shown(held)) for name, held in current["own"].items())
        return Plan({**current, "own": {}}, tuple(deletions))
    refuse_missing(current, params)
    own, changes = dict(current["own"]), []
    for alarm in params["alarms"]:
        own[alarm["name"]], change = plan_alarm(own.get(alarm["name"], {}), alarm, params)
        changes += [change] if change else []
    return Plan({**current, "own": own}, tuple(changes))


def refuse_missing(current: Fields, params: Fields) -> None:
    missing = [name for name in params["others"] if name not in current["others"]]
    if missing:
        raise PlanRefusedError(
            f"others names {', '.join(missing)}, and there is no such alarm in this account and region: create it, "
            "correct its name, or leave it out. ECS might take the name and watch nothing."
        )


def shown(held: Fields) -> Fields:
    return {key: value for key, value in held.items() if key not in ("kept", "state", "arn")}


def plan_alarm(held: Fields, alarm: Fields, params: Fields) -> tuple[Fields, Change | None]:
    """Returns what the alarm will be, and its change if there is one."""
    name, desired = alarm["name"], {key: value for key, value in alarm.items() if key != "name"}
    desired |= {"datapoints_to_alarm": alarm["evaluation_periods"], "unit": ""}
    if not held:
        after = {**desired, "tags": params["tags"] or {}}
        state = {"arn": KNOWN_AFTER_APPLY, "state": "INSUFFICIENT_DATA", "kept": {}}
        return {**after, **state}, Change(Action.CREATE, RESOURCE, name, after=after, call=({}, {}, []))
    before, after = differences(held, desired)
    to_set, to_remove = tag_differences(held["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = held["tags"], tags_after(held["tags"], to_set, to_remove)
    change = Change(Action.UPDATE, RESOURCE, name, before, after, call=(held["kept"], to_set, to_remove))
    return {**held, **after}, change if after else None


@AlarmErrors.common_error_handler("change the alarms")
def apply(client: Any, planned: Plan) -> None:
    doomed = [change.name for change in planned.changes if change.action is Action.DELETE]
    if doomed:
        client.delete_alarms(AlarmNames=doomed)
        return
    for change in planned.changes:
        fields = planned.result["own"][change.name]
        kept, to_set, to_remove = change.call
        if change.action is Action.CREATE:
            tags = ansible_dict_to_boto3_tag_list(fields["tags"])
            client.put_metric_alarm(**request(change.name, fields), **({"Tags": tags} if tags else {}))
            continue
        if change.after.keys() - {"tags"}:
            client.put_metric_alarm(**request(change.name, fields), **kept)
        if to_remove:
            client.untag_resource(ResourceARN=fields["arn"], TagKeys=to_remove)
        if to_set:
            client.tag_resource(ResourceARN=fields["arn"], Tags=ansible_dict_to_boto3_tag_list(to_set))


def request(name: str, fields: Fields) -> Fields:
    return {
        "AlarmName": name,
        **{key: fields[field] for field, key in TEXTS.items() if fields[field]},
        **{key: fields[field] for field, key in NUMBERS.items()},
        "DatapointsToAlarm": fields["datapoints_to_alarm"],
        "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(fields["dimensions"].items())],
        "TreatMissingData": fields["treat_missing_data"],
    }


def warnings(current: Fields) -> Iterator[str]:
    """Yields what ECS would not watch."""
    states = {name: alarm["state"] for name, alarm in current["own"].items()} | current["others"]
    for name in sorted(name for name, state in states.items() if state == ALARMING):
        yield f"Alarm {name} is in the state ALARM: ECS may not watch it in a deployment that starts now."


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client, params = aws_client(module, "cloudwatch"), module.params

    def planned(current: Fields) -> Plan:
        if params["state"] == "present":
            for warning in warnings(current):
                module.warn(warning)
        return plan(current, params)

    run(
        module,
        "alarms",
        describe=lambda: describe(client, params),
        plan=planned,
        apply=lambda changed: apply(client, changed),
    )


if __name__ == "__main__":
    main()
