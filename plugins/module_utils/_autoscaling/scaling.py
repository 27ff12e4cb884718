# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a service is scaled, as data: what is declared, what AWS describes, and the requests in between.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, Fields, is_known

NAMESPACE = "ecs"
DIMENSION = "ecs:service:DesiredCount"
REQUESTS = "ALBRequestCountPerTarget"
# Option, which is the name of the policy as well, and the metric that AWS watches for it.
METRICS = {
    "cpu": "ECSServiceAverageCPUUtilization",
    "memory": "ECSServiceAverageMemoryUtilization",
    "requests_per_target": REQUESTS,
}
PERCENT = ("cpu", "memory")
# Minutes, hours, day of the month, month, day of the week, year.
CRON_FIELDS = 6
SCHEDULE = re.compile(r"^(at|rate|cron)\((.+)\)$")


def identity(params: Fields) -> Fields:
    """Returns the parameters by which each call names the scalable target."""
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": f"service/{params['cluster']}/{params['service']}",
        "ScalableDimension": DIMENSION,
    }


def problems(scaling: Fields) -> Iterator[str]:
    """Yields one sentence for each thing that makes the declared scaling impossible."""
    yield from range_problems("", scaling, needed=True)
    schedules = scaling.get("schedules") or []
    if not schedules and all(scaling.get(name) is None for name in METRICS):
        yield f"Nothing would ever scale the service: give one of {', '.join(METRICS)} and schedules."
    for name in METRICS:
        highest = 100.0 if name in PERCENT else float("inf")
        value = scaling.get(name)
        if value is not None and not 0 < float(value) <= highest:
            yield f"{name} is {value}: give more than 0{', at most 100' if name in PERCENT else ''}."
    names = [schedule["name"] for schedule in schedules]
    if len(names) != len(set(names)):
        yield f"schedules names {', '.join(names)}: give each name once."
    for schedule in schedules:
        yield from schedule_problems(schedule)


def range_problems(where: str, fields: Fields, needed: bool) -> Iterator[str]:
    low, high = fields.get("min_capacity"), fields.get("max_capacity")
    if needed and (low is None or high is None):
        yield f"min_capacity is {low} and max_capacity is {high}{where}: give both."
    elif low is None and high is None:
        yield f"neither min_capacity nor max_capacity is given{where}: give one of them, or both."
    elif low is not None and high is not None and int(low) > int(high):
        yield f"min_capacity is {low} and max_capacity is {high}{where}: the first must not exceed the second."
    elif min(int(value) for value in (low, high) if value is not None) < 0:
        yield f"min_capacity is {low} and max_capacity is {high}{where}: they must be 0 or more."


def schedule_problems(schedule: Fields) -> Iterator[str]:
    where = f" in the schedule {schedule['name']}"
    found = SCHEDULE.match(str(schedule["schedule"]))
    if not found or (found[1] == "cron" and len(found[2].split()) != CRON_FIELDS):
        yield (
            f"schedule is '{schedule['schedule']}'{where}: write cron(minutes hours day month weekday year), "
            "rate(5 minutes) or at(2027-01-31T08:00:00)."
        )
    yield from range_problems(where, schedule, needed=False)


def desired_limits(current: Fields, params: Fields) -> Fields:
    """Returns the declared limits, save that one which a declared schedule has set is as it should be."""
    limits = {}
    for key in ("min_capacity", "max_capacity"):
        scheduled = {one[key] for one in params["schedules"]} - {None}
        limits[key] = current[key] if current.get(key) in scheduled else params[key]
    return limits


def desired_policies(params: Fields) -> dict[str, Fields]:
    """Returns the declared target tracking policies by name."""
    return {
        name: {
            "metric": metric,
            "target_value": float(params[name]),
            "resource_label": resource_label(params) if metric == REQUESTS else None,
            "scale_in_cooldown": params["scale_in_cooldown"],
            "scale_out_cooldown": params["scale_out_cooldown"],
            "disable_scale_in": False,
        }
        for name, metric in METRICS.items()
        if params[name] is not None
    }


def resource_label(params: Fields) -> str:
    """Returns AWS's name for the pair of load balancer and target group, which is the ends of both ARNs."""
    balancer, group = params["load_balancer_arn"], params["target_group_arn"]
    if not (is_known(balancer) and is_known(group)):
        return KNOWN_AFTER_APPLY
    return f"{balancer.partition(':loadbalancer/')[2]}/{group.rpartition(':')[2]}"


def described_policy(policy: Fields) -> Fields:
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
    metric = tracking.get("PredefinedMetricSpecification", {})
    return {
        "metric": metric.get("PredefinedMetricType"),
        "target_value": tracking.get("TargetValue"),
        "resource_label": metric.get("ResourceLabel"),
        # AWS takes 300 seconds for services of ECS.
        "scale_in_cooldown": tracking.get("ScaleInCooldown", 300),
        "scale_out_cooldown": tracking.get("ScaleOutCooldown", 300),
        "disable_scale_in": tracking.get("DisableScaleIn", False),
    }


def policy_request(policy: Fields) -> Fields:
    metric = {"PredefinedMetricType": policy["metric"], "ResourceLabel": policy["resource_label"]}
    return {
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": policy["target_value"],
            "PredefinedMetricSpecification": {key: value for key, value in metric.items() if value},
            "ScaleInCooldown": policy["scale_in_cooldown"],
            "ScaleOutCooldown": policy["scale_out_cooldown"],
            "DisableScaleIn": policy["disable_scale_in"],
        },
    }


def desired_schedules(params: Fields) -> dict[str, Fields]:
    """Returns the declared scheduled actions by name."""
    keys = ("schedule", "timezone", "min_capacity", "max_capacity")
    return {one["name"]: {key: one[key] for key in keys} for one in params["schedules"]}


def described_schedule(action: Fields) -> Fields:
    capacity = action.get("ScalableTargetAction", {})
    return {
        "schedule": action["Schedule"],
        "timezone": action.get("Timezone", "UTC"),
        "min_capacity": capacity.get("MinCapacity"),
        "max_capacity": capacity.get("MaxCapacity"),
    }


def schedule_request(schedule: Fields) -> Fields:
    capacity = {"MinCapacity": schedule["min_capacity"], "MaxCapacity": schedule["max_capacity"]}
    return {
        "Schedule": schedule["schedule"],
        "Timezone": schedule["timezone"],
        "ScalableTargetAction": {key: value for key, value in capacity.items() if value is not None},
    }


def described(target: Fields, policies: list[Fields], actions: list[Fields], tags: dict[str, str]) -> dict[str, Any]:
    return {
        "resource_id": target["ResourceId"],
        "arn": target["ScalableTargetARN"],
        "min_capacity": target["MinCapacity"],
        "max_capacity": target["MaxCapacity"],
        "policies": {policy["PolicyName"]: described_policy(policy) for policy in policies},
        "schedules": {action["ScheduledActionName"]: described_schedule(action) for action in actions},
        "tags": tags,
    }
