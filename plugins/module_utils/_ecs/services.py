# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Services as data: the described service in plain fields, and these fields as requests.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import (
    FIELDS,
    NO_BREAKER,
    declared_advanced,
    declared_shift,
    described_advanced,
    described_shift,
    is_rolling,
    requested_advanced,
    requested_shift,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.strategies import (
    described_strategy,
    ordered_strategy,
    requested_strategy,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# Tasks that run keep the old value of these until they are replaced.
NEEDS_REDEPLOYMENT = {"enable_execute_command", "capacity_provider_strategy", "rollout_state", "force_new_deployment"}
NETWORK = ("subnets", "security_groups", "assign_public_ip")
DEPLOYMENT = ("minimum_healthy_percent", "maximum_percent", "circuit_breaker", "alarms", *FIELDS)
# The platform version that LATEST resolves to.
LATEST = ("LATEST", "1.4.0")

# Declared and described alike.
SIMPLE = (
    "task_definition",
    "desired_count",
    "platform_version",
    "assign_public_ip",
    "health_check_grace_period",
    "enable_execute_command",
    "minimum_healthy_percent",
    "maximum_percent",
    "availability_zone_rebalancing",
    "propagate_tags",
    "enable_ecs_managed_tags",
)
# Sent as they are.
PLAIN = {
    "task_definition": "taskDefinition",
    "desired_count": "desiredCount",
    "platform_version": "platformVersion",
    "health_check_grace_period": "healthCheckGracePeriodSeconds",
    "enable_execute_command": "enableExecuteCommand",
    "propagate_tags": "propagateTags",
    "enable_ecs_managed_tags": "enableECSManagedTags",
}


def described(service: Fields) -> Fields:
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    deployment = service.get("deploymentConfiguration", {})
    return {
        "name": service["serviceName"],
        "arn": service["serviceArn"],
        "cluster_arn": service["clusterArn"],
        "status": service["status"],
        "controller": service.get("deploymentController", {}).get("type", "ECS"),
        "task_definition": service["taskDefinition"],
        "desired_count": service["desiredCount"],
        "running_count": service["runningCount"],
        "launch_type": service.get("launchType"),
        "capacity_provider_strategy": described_strategy(service.get("capacityProviderStrategy")),
        "platform_version": service.get("platformVersion"),
        "subnets": sorted(network.get("subnets", [])),
        "security_groups": sorted(network.get("securityGroups", [])),
        "assign_public_ip": network.get("assignPublicIp", "DISABLED") == "ENABLED",
        "load_balancers": ordered(map(described_load_balancer, service.get("loadBalancers", []))),
        "health_check_grace_period": service.get("healthCheckGracePeriodSeconds", 0),
        "enable_execute_command": service.get("enableExecuteCommand", False),
        "minimum_healthy_percent": deployment.get("minimumHealthyPercent", 100),
        "maximum_percent": deployment.get("maximumPercent", 200),
        "circuit_breaker": described_circuit_breaker(deployment.get("deploymentCircuitBreaker", {})),
        "alarms": described_alarms(deployment),
        **described_shift(deployment),
        "availability_zone_rebalancing": service.get("availabilityZoneRebalancing", "DISABLED") == "ENABLED",
        "propagate_tags": service.get("propagateTags", "NONE"),
        "enable_ecs_managed_tags": service.get("enableECSManagedTags", False),
        "tags": as_dict(service.get("tags")),
        "deployments": [described_deployment(item) for item in service.get("deployments", [])],
        "events": [event["message"] for event in service.get("events", [])[:10]],
    }


def described_load_balancer(item: Fields) -> Fields:
    return {
        "target_group_arn": item.get("targetGroupArn"),
        "container_name": item.get("containerName"),
        "container_port": item.get("containerPort"),
        **described_advanced(item),
    }


def declared_load_balancer(item: Fields) -> Fields:
    plain = {key: value for key, value in item.items() if key != "advanced_configuration"}
    return {**plain, **declared_advanced(item)}


def ordered(load_balancers: Iterable[Fields]) -> list[Fields]:
    return sorted(load_balancers, key=lambda item: (item["target_group_arn"], item["container_name"]))


def described_circuit_breaker(breaker: Fields) -> Fields:
    threshold = breaker.get("thresholdConfiguration", {})
    return {
        "enable": breaker.get("enable", False),
        "rollback": breaker.get("rollback", False),
        "failed_tasks": threshold.get("value") if threshold.get("type") == "COUNT" else None,
    }


def described_alarms(deployment: Fields) -> list[str]:
    """Returns the alarms that do what is declared: they count, and they roll back if the circuit breaker does."""
    alarms, breaker = (
        deployment.get("alarms", {}),
        described_circuit_breaker(deployment.get("deploymentCircuitBreaker", {})),
    )
    effective = alarms.get("enable", False) and alarms.get("rollback", False) == alarms_roll_back(deployment, breaker)
    return sorted(alarms.get("alarmNames", [])) if effective else []


def alarms_roll_back(shift: Fields, breaker: Fields) -> bool:
    """Tells whether alarms take a deployment back: as the circuit breaker, which only rolling ones have."""
    return bool(breaker["rollback"]) or not is_rolling(shift)


def described_deployment(item: Fields) -> Fields:
    return {
        "id": item["id"],
        "status": item["status"],
        "task_definition": item["taskDefinition"],
        "rollout_state": item.get("rolloutState"),
        "rollout_state_reason": item.get("rolloutStateReason", ""),
        "created_at": item["createdAt"].astimezone(UTC).isoformat(),
        "desired_count": item.get("desiredCount", 0),
        "running_count": item.get("runningCount", 0),
        "failed_tasks": item.get("failedTasks", 0),
    }


def primary(service: Fields) -> Fields:
    """Returns the deployment that ECS is working towards, or has reached."""
    return next((item for item in service.get("deployments", []) if item["status"] == "PRIMARY"), {})


def managed(params: Fields, current: Fields) -> Fields:
    """Returns the declared fields in the described form; None stands for unmanaged."""
    fields = {key: params[key] for key in SIMPLE}
    fields["subnets"] = sorted(params["subnets"])
    fields["security_groups"] = sorted(params["security_groups"])
    fields["load_balancers"] = ordered(map(declared_load_balancer, params["load_balancers"]))
    fields["capacity_provider_strategy"] = ordered_strategy(params["capacity_provider_strategy"])
    fields["alarms"] = sorted(params["alarms"])
    fields |= declared_shift(params)
    breaker = params["circuit_breaker"] if is_rolling(fields) else {**NO_BREAKER, "failed_tasks": None}
    fields["circuit_breaker"] = desired_circuit_breaker(breaker, current)
    if current:
        adopt_equivalents(fields, current, params["autoscaled"])
    return fields


def desired_circuit_breaker(options: Fields, current: Fields) -> Fields:
    """Returns the declared circuit breaker; an undeclared threshold stays what it is."""
    failed_tasks = options["failed_tasks"]
    if failed_tasks is None:
        failed_tasks = current.get("circuit_breaker", {}).get("failed_tasks")
    return {"enable": options["enable"], "rollback": options["rollback"], "failed_tasks": failed_tasks}


def adopt_equivalents(fields: Fields, current: Fields, autoscaled: bool) -> None:
    """Replaces declared values by current ones that mean the same."""
    if autoscaled:
        fields["desired_count"] = None
    if fields["platform_version"] == "LATEST" and current["platform_version"] in LATEST:
        fields["platform_version"] = current["platform_version"]
    if current["task_definition"].endswith(f":task-definition/{fields['task_definition']}"):
        fields["task_definition"] = current["task_definition"]


def create_request(fields: Fields) -> Fields:
    """Returns the parameters of CreateService, cluster, name and tags left out."""
    request = {**update_request(fields, fields), "schedulingStrategy": "REPLICA"}
    request.pop("forceNewDeployment", None)
    # ECS refuses a grace period for a service that nothing checks.
    if not fields["health_check_grace_period"]:
        del request["healthCheckGracePeriodSeconds"]
    if not fields["capacity_provider_strategy"]:
        request.pop("capacityProviderStrategy")
        request["launchType"] = "FARGATE"
    return request


def update_request(after: Fields, fields: Fields) -> Fields:
    """Returns the parameters of UpdateService that bring the fields of ``after`` about."""
    request = {api: after[name] for name, api in PLAIN.items() if after.get(name) is not None}
    if changes(after, NETWORK):
        request["networkConfiguration"] = {"awsvpcConfiguration": network_request(fields)}
    if changes(after, DEPLOYMENT):
        request["deploymentConfiguration"] = deployment_request(fields)
    if "load_balancers" in after:
        request["loadBalancers"] = [load_balancer_request(item) for item in after["load_balancers"]]
    if "capacity_provider_strategy" in after:
        request["capacityProviderStrategy"] = requested_strategy(after["capacity_provider_strategy"])
    if after.get("availability_zone_rebalancing") is not None:
        request["availabilityZoneRebalancing"] = enabled(after["availability_zone_rebalancing"])
    # ECS refuses another capacity provider strategy without this, even with a change that starts a deployment anyway.
    if changes(after, NEEDS_REDEPLOYMENT):
        request["forceNewDeployment"] = True
    return request


def changes(after: Fields, names: Iterable[str]) -> bool:
    return any(name in after for name in names)


def network_request(fields: Fields) -> Fields:
    return {
        "subnets": fields["subnets"],
        "securityGroups": fields["security_groups"],
        "assignPublicIp": enabled(fields["assign_public_ip"]),
    }


def deployment_request(fields: Fields) -> Fields:
    breaker = fields["circuit_breaker"]
    requested: dict[str, Any] = {"enable": breaker["enable"], "rollback": breaker["rollback"]}
    if breaker["failed_tasks"] is not None:
        requested["thresholdConfiguration"] = {"type": "COUNT", "value": breaker["failed_tasks"]}
    return {
        "minimumHealthyPercent": fields["minimum_healthy_percent"],
        "maximumPercent": fields["maximum_percent"],
        "deploymentCircuitBreaker": requested,
        "alarms": {
            "alarmNames": fields["alarms"],
            "enable": bool(fields["alarms"]),
            "rollback": bool(fields["alarms"]) and alarms_roll_back(fields, breaker),
        },
        **requested_shift(fields),
    }


def load_balancer_request(item: Fields) -> Fields:
    return {
        "targetGroupArn": item["target_group_arn"],
        "containerName": item["container_name"],
        "containerPort": item["container_port"],
        **requested_advanced(item),
    }


def enabled(value: bool) -> str:
    return "ENABLED" if value else "DISABLED"
