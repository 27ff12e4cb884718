# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services: what AWS fills in, what it refuses, and what an update must not forget."""

from __future__ import annotations

import time

from ministack.services import alb, ecs

from local_aws import provisioning
from local_aws.ecs import shifting, task_definitions
from local_aws.ecs.api import Record, answer, cluster_not_found, content, error, find_cluster, find_service
from local_aws.ecs.deployments import note_deployment
from local_aws.elb.target_groups import load_balancers
from local_aws.hooks import Handler, Params, Response, guard, patch_action

# Fields that ministack drops on the way in.
KEPT = (
    "availabilityZoneRebalancing",
    "propagateTags",
    "enableECSManagedTags",
    "serviceConnectConfiguration",
    "volumeConfigurations",
)
# Parameters of UpdateService that trigger a new service deployment, says the API reference of each.
DEPLOYED = (
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
)
DEPLOYMENT_DEFAULTS: Record = {
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}


def install() -> None:
    """Complete the calls about services."""
    calls = ecs._ACTION_MAP
    patch_action(calls, "CreateService", _completing)
    patch_action(calls, "UpdateService", _completing)
    patch_action(calls, "UpdateService", _deploying)
    patch_action(calls, "DeleteService", _delete)
    patch_action(calls, "DescribeServices", _describe)
    guard(calls, "CreateService", _refuse_create)
    guard(calls, "UpdateService", _refuse_update)


def _completing(original: Handler) -> Handler:
    def change(params: Params) -> Response:
        response = original(params)
        service = find_service(params)
        if response[0] != 200 or not service:
            return response
        _fill(service, params)
        note_deployment(service)
        return answer({"service": shifting.without_states(service)})

    return change


def _deploying(original: Handler) -> Handler:
    def update(params: Params) -> Response:
        service = find_service(params)
        if not service:
            return original(params)
        _place(service, params)
        forced = params.get("forceNewDeployment") or _starts_deployment(service, params)
        return original({**params, "forceNewDeployment": bool(forced)})

    return update


def _place(service: Record, params: Params) -> None:
    # Before the new tasks are placed; no strategy means the launch type again, which ministack takes for EC2.
    if "capacityProviderStrategy" in params:
        service["capacityProviderStrategy"] = params["capacityProviderStrategy"] or None
        service["launchType"] = None if service["capacityProviderStrategy"] else "FARGATE"


def _starts_deployment(service: Record, params: Params) -> bool:
    """Whether one of these has another value; all others wait for the next deployment or act at once."""
    return any(key in params and params[key] != service.get(key) for key in DEPLOYED)


def _fill(service: Record, params: Params) -> None:
    service.update({key: params[key] for key in KEPT if key in params})
    configuration = service["deploymentConfiguration"]
    for key, value in DEPLOYMENT_DEFAULTS.items():
        configuration.setdefault(key, value)
    breaker = configuration.setdefault("deploymentCircuitBreaker", {"enable": False, "rollback": False})
    breaker.setdefault("resetOnHealthyTask", True)
    breaker.setdefault("thresholdConfiguration", {"type": "BOUNDED_PERCENT", "value": 50})
    for key in ("placementConstraints", "placementStrategy"):
        service.setdefault(key, [])
    service.setdefault("availabilityZoneRebalancing", "ENABLED")
    service["roleArn"] = service.get("roleArn") or _service_linked_role()
    _fill_platform(service)


def _fill_platform(service: Record) -> None:
    if service.get("launchType") == "FARGATE":
        service["platformFamily"] = service.get("platformFamily") or "Linux"
        service["platformVersion"] = service.get("platformVersion") or "LATEST"
    network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if network:
        network.setdefault("assignPublicIp", "DISABLED")
        network.setdefault("securityGroups", [])


def _service_linked_role() -> str:
    return f"arn:aws:iam::{ecs.get_account_id()}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"


def _refuse_create(params: Params) -> Response | None:
    if not find_cluster(params):
        return cluster_not_found()
    existing = find_service(params)
    if existing and existing["status"] == "ACTIVE":
        return error("InvalidParameterException", "Creation of service was not idempotent.")
    return _refuse_definition(params.get("taskDefinition")) or _refuse_load_balancers(params)


def _refuse_update(params: Params) -> Response | None:
    if not find_cluster(params):
        return cluster_not_found()
    service = find_service(params)
    if not service:
        return error("ServiceNotFoundException", "Service not found.")
    if service["status"] != "ACTIVE":
        return error("ServiceNotActiveException", "Service was not ACTIVE.")
    problem = _refuse_definition(params["taskDefinition"]) if params.get("taskDefinition") else None
    return problem or _refuse_load_balancers({**service, **params})


def _refuse_definition(reference: str | None) -> Response | None:
    return None if task_definitions.find(reference) else error("ClientException", "TaskDefinition not found.")


def _refuse_load_balancers(params: Params) -> Response | None:
    definition = task_definitions.find(params.get("taskDefinition")) or {}
    for wanted in params.get("loadBalancers") or []:
        problem = _find_group_problem(wanted.get("targetGroupArn", "")) or _find_container_problem(wanted, definition)
        if problem:
            return error("InvalidParameterException", problem)
    shift_problem = shifting.find_problem(params)
    return error("InvalidParameterException", shift_problem) if shift_problem else None


def _find_group_problem(arn: str) -> str | None:
    group = alb._tgs.get(arn)
    if not group:
        return f"The specified target group does not exist. (targetGroupArn: {arn})"
    if group["TargetType"] != "ip":
        return f"The provided target group {arn} has target type instance, which is incompatible with awsvpc."
    if not load_balancers(arn):
        return f"The target group with targetGroupArn {arn} does not have an associated load balancer."
    return None


def _find_container_problem(wanted: Record, definition: Record) -> str | None:
    name, port = wanted.get("containerName"), wanted.get("containerPort")
    container = next((one for one in definition.get("containerDefinitions", []) if one["name"] == name), None)
    if not container:
        return f"The container {name} does not exist in the task definition."
    if port not in [mapping["containerPort"] for mapping in container["portMappings"]]:
        return f"The container {name} did not have a container port {port} defined."
    return None


def _delete(original: Handler) -> Handler:
    def delete(params: Params) -> Response:
        response = original(params)
        service = find_service(params)
        if response[0] != 200 or not service:
            return response
        service["_deleted"] = time.time()
        body = content(response)
        # The answer comes while the tasks still stop; a later look finds the service inactive.
        body["service"]["status"] = "DRAINING"
        return answer(body)

    return delete


def _describe(original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        response = original(params)
        if response[0] != 200:
            return response
        body = content(response)
        for view in body["services"]:
            service = find_service({**params, "service": view["serviceArn"]}) or {}
            deleted = service.get("_deleted", 0.0)
            if view["status"] == "INACTIVE" and not provisioning.is_over("ecs.service_deletion", deleted):
                view["status"] = "DRAINING"
        return answer({**body, "services": [shifting.without_states(view) for view in body["services"]]})

    return describe
