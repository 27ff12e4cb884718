# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blue/green, canary and linear deployments: two target groups, and the weights of a rule that ECS moves in stages."""

from __future__ import annotations

import math
import time
from typing import Any

from ministack.services import alb, ecs, iam

from local_aws import provisioning
from local_aws.ecs.api import Record
from local_aws.elb.actions import target_groups
from local_aws.hooks import Function, patch

STRATEGIES = ("ROLLING", "BLUE_GREEN", "CANARY", "LINEAR")
NEEDED = ("alternateTargetGroupArn", "productionListenerRule", "roleArn")
LONGEST_BAKE = 1440
ALL = 100
Step = tuple[str, float, float]


def install() -> None:
    """Tie tasks to the group of their deployment, and completion to the last stage."""
    patch(ecs, "_sync_service_targets", _placing)
    patch(ecs, "_complete_service_deployment", _staged)


def is_shifted(service: Record) -> bool:
    """Whether ECS moves the traffic of a service."""
    return bool((service.get("deploymentConfiguration") or {}).get("strategy", "ROLLING") != "ROLLING")


def without_states(service: Record) -> Record:
    """A service as ECS shows it: only rolling deployments have a state here."""
    if not is_shifted(service):
        return service
    hidden = ("rolloutState", "rolloutStateReason")
    listed = [{key: one[key] for key in one if key not in hidden} for one in service["deployments"]]
    return {**service, "deployments": listed}


def group_of(service: Record, deployment: Record) -> str:
    """The target group of a deployment's tasks; a new one gets the group without traffic."""
    if "_group" not in deployment:
        deployment["_group"] = _free_group(service)
        if is_shifted(service):
            deployment["_stage"] = "SCALE_UP"
    return str(deployment["_group"])


def places_of_task(service: Record, task: Record) -> list[tuple[str, int]]:
    """The target groups that a task is in, and its port in each."""
    balancers = service.get("loadBalancers") or []
    deployment = ecs._deployment_for_task(service, task)
    if len(balancers) == 1 and deployment:
        return [(group_of(service, deployment), int(balancers[0]["containerPort"]))]
    return [(one["targetGroupArn"], int(one["containerPort"])) for one in balancers]


def give_back(service: Record, deployment: Record) -> None:
    """Lead all traffic back to the tasks of a deployment that had it."""
    if is_shifted(service) and "_group" in deployment:
        _move(service, deployment, ALL)
        deployment.update(_stage="CLEAN_UP", _steps=[], _until=0.0)


def find_problem(service: Record) -> str | None:
    """Why ECS would refuse a service with these settings."""
    configuration = service.get("deploymentConfiguration") or {}
    if configuration.get("strategy", "ROLLING") not in STRATEGIES:
        return f"Invalid deployment strategy {configuration['strategy']}."
    if not is_shifted(service):
        return None
    balancers = service.get("loadBalancers") or []
    problems = (_find_configuration_problem(configuration), *map(_find_balancer_problem, balancers))
    return next(filter(None, problems), None)


def _find_configuration_problem(configuration: Record) -> str | None:
    strategy = configuration["strategy"]
    if not 0 <= int(configuration.get("bakeTimeInMinutes", -1)) <= LONGEST_BAKE:
        return f"bakeTimeInMinutes must be between 0 and {LONGEST_BAKE} with the deployment strategy {strategy}."
    if (configuration.get("deploymentCircuitBreaker") or {}).get("enable"):
        return f"The deployment circuit breaker is not supported with the deployment strategy {strategy}."
    return None


def _find_balancer_problem(balancer: Record) -> str | None:
    advanced = balancer.get("advancedConfiguration") or {}
    missing = [key for key in NEEDED if not advanced.get(key)]
    if missing:
        return f"advancedConfiguration must have {', '.join(missing)}."
    if advanced["roleArn"] not in [role["Arn"] for role in iam._roles.values()]:
        return f"ECS could not assume the role {advanced['roleArn']}."
    held = set(_weights(advanced["productionListenerRule"]))
    if not {balancer["targetGroupArn"], advanced["alternateTargetGroupArn"]} <= held:
        return f"The rule {advanced['productionListenerRule']} must forward to both target groups."
    return None


def _weights(rule_arn: str) -> dict[str, int]:
    rule = alb._rules.get(rule_arn) or {"Actions": []}
    forwards = [action for action in rule["Actions"] if target_groups(action)]
    return {
        one["TargetGroupArn"]: one["Weight"] for action in forwards for one in action["ForwardConfig"]["TargetGroups"]
    }


def _pair(balancer: Record) -> list[str]:
    advanced = balancer.get("advancedConfiguration") or {}
    return [arn for arn in (balancer["targetGroupArn"], advanced.get("alternateTargetGroupArn")) if arn]


def _free_group(service: Record) -> str:
    balancers = service.get("loadBalancers") or []
    if not balancers:
        return ""
    if not is_shifted(service):
        return str(balancers[0]["targetGroupArn"])
    weights = _weights(balancers[0]["advancedConfiguration"]["productionListenerRule"])
    return min(_pair(balancers[0]), key=lambda arn: weights.get(arn, 0))


def _placing(original: Function) -> Function:
    def sync(cluster: str, service: Record) -> None:
        balancers = service.get("loadBalancers") or []
        used = {group_of(service, one) for one in service.get("deployments", [])} if len(balancers) == 1 else set()
        earlier = set(service.get("_published_targets", {}))
        if len(balancers) != 1 or used | earlier <= {balancers[0]["targetGroupArn"]}:
            original(cluster, service)
            return
        for arn in used | earlier | set(_pair(balancers[0])):
            _publish(service, arn)

    return sync


def _publish(service: Record, arn: str) -> None:
    tasks = [task for task in ecs._tasks.values() if _is_of(service, task) and ecs._task_ip(task)]
    targets = [
        (ecs._task_ip(task), port) for task in tasks for group, port in places_of_task(service, task) if group == arn
    ]
    ledger = service.setdefault("_published_targets", {})
    alb.set_targets_for_group(arn, targets, ledger.get(arn, ()))
    ledger[arn] = [address for address, _port in targets]


def _is_of(service: Record, task: Record) -> bool:
    ours = task["group"] == f"service:{service['serviceName']}" and task["clusterArn"] == service["clusterArn"]
    return bool(ours and task["lastStatus"] == "RUNNING" and service["status"] == "ACTIVE")


def _staged(original: Function) -> Function:
    def complete(cluster: str, key: str, expected_deployment_id: str | None = None) -> None:
        service = ecs._services.get(key)
        primary = ecs._primary_deployment(service) if service else None
        if service and primary and is_shifted(service) and primary["rolloutState"] == "IN_PROGRESS":
            group_of(service, primary)
            if not _advance(service, primary):
                return
        original(cluster, key, expected_deployment_id)

    return complete


def _advance(service: Record, deployment: Record) -> bool:
    """Go on to the next stage once its time has come; True at the last one."""
    if "_steps" not in deployment:
        if not _is_scaled_up(service, deployment):
            return False
        deployment.update(_steps=_steps(service), _until=0.0)
    # Without containers nothing watches, so all stages pass at once.
    while deployment["_steps"] and (time.time() >= deployment["_until"] or not ecs._get_docker()):
        stage, percent, minutes = deployment["_steps"].pop(0)
        _move(service, deployment, percent)
        deployment.update(_stage=stage, _until=time.time() + minutes * provisioning.seconds("ecs.bake_minute"))
    if deployment["_steps"]:
        return False
    return deployment["_stage"] == "CLEAN_UP"


def _is_scaled_up(service: Record, deployment: Record) -> bool:
    ours = [task for task in ecs._tasks.values() if _is_of(service, task)]
    stable = [task for task in ours if ecs._deployment_for_task(service, task) is deployment]
    if ecs._get_docker():
        stable = [task for task in stable if task.get("_startup_stable")]
    return len(stable) >= int(service["desiredCount"])


def _steps(service: Record) -> list[Step]:
    configuration: Record = service["deploymentConfiguration"]
    shifts = [("PRODUCTION_TRAFFIC_SHIFT", percent, minutes) for percent, minutes in _shares(configuration)]
    return [*shifts, ("BAKE_TIME", ALL, float(configuration["bakeTimeInMinutes"])), ("CLEAN_UP", ALL, 0.0)]


def _shares(configuration: Record) -> list[tuple[float, float]]:
    canary: Record = configuration.get("canaryConfiguration") or {}
    linear: Record = configuration.get("linearConfiguration") or {}
    if configuration["strategy"] == "CANARY":
        return [(canary.get("canaryPercent", 5.0), canary.get("canaryBakeTimeInMinutes", 10)), (ALL, 0.0)]
    if configuration["strategy"] == "LINEAR":
        step, minutes = linear.get("stepPercent", 10.0), linear.get("stepBakeTimeInMinutes", 6)
        count = math.ceil(round(ALL / step, 6))
        return [(step * number, minutes) for number in range(1, count)] + [(ALL, 0.0)]
    return [(ALL, 0.0)]


def _move(service: Record, deployment: Record, percent: float) -> None:
    """Give a deployment its share of the traffic and the other group the rest; whole numbers, as weights are."""
    for balancer in service.get("loadBalancers") or []:
        advanced: Any = balancer.get("advancedConfiguration") or {}
        rule = alb._rules.get(advanced.get("productionListenerRule", "")) or {"Actions": []}
        for action in rule["Actions"]:
            for group in (action.get("ForwardConfig") or {}).get("TargetGroups", []):
                own = group["TargetGroupArn"] == deployment["_group"]
                group["Weight"] = round(percent if own else ALL - percent)
