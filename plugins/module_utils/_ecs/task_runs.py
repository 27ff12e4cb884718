# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One-off tasks as data: what to ask of RunTask, and what became of the task.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.masking import masked
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.strategies import (
    described_strategy,
    requested_strategy,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_list
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError, is_known

STARTED_BY = "gatehouse"


def settings(service: Fields, params: Fields) -> Fields:
    """Returns what the task runs with: what is given, else what the service has."""
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    public = params["assign_public_ip"]
    return {
        "task_definition": params["task_definition"] or service.get("taskDefinition", ""),
        "subnets": params["subnets"] or sorted(network.get("subnets", [])),
        "security_groups": params["security_groups"] or sorted(network.get("securityGroups", [])),
        "assign_public_ip": network.get("assignPublicIp") == "ENABLED" if public is None else public,
        "platform_version": params["platform_version"] or service.get("platformVersion", "LATEST"),
        "capacity_provider_strategy": described_strategy(service.get("capacityProviderStrategy")),
    }


def container_of(definition: Fields, wanted: str | None, service: Fields) -> Fields:
    """Returns the container that runs the command: the named one, that behind the load balancer, or the first."""
    containers = {one["name"]: one for one in definition["containerDefinitions"]}
    if wanted and wanted not in containers:
        raise PlanRefusedError(
            f"container is '{wanted}', and task definition {name_of(definition)} has {', '.join(containers)}: name "
            "one of these."
        )
    balanced = [item.get("containerName") for item in service.get("loadBalancers", [])]
    name = wanted or next((name for name in containers if name in balanced), next(iter(containers)))
    return dict(containers[name])


def name_of(definition: Fields) -> str:
    return str(definition["taskDefinitionArn"].rsplit("/", 1)[1])


def run_request(params: Fields, planned: Fields, token: str) -> Fields:
    """Returns the parameters of RunTask; the token makes a repeated call start no second task."""
    request: dict[str, Any] = {
        "cluster": params["cluster"],
        "taskDefinition": planned["task_definition"],
        "clientToken": token,
        "startedBy": STARTED_BY,
        "platformVersion": planned["platform_version"],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": planned["subnets"],
                "securityGroups": planned["security_groups"],
                "assignPublicIp": "ENABLED" if planned["assign_public_ip"] else "DISABLED",
            }
        },
        "overrides": {"containerOverrides": [{"name": planned["container"], "command": planned["command"]}]},
        "enableECSManagedTags": True,
        "propagateTags": "TASK_DEFINITION",
    }
    if params["tags"]:
        request["tags"] = as_list(params["tags"])
    if planned["capacity_provider_strategy"]:
        return {**request, "capacityProviderStrategy": requested_strategy(planned["capacity_provider_strategy"])}
    return {**request, "launchType": "FARGATE"}


def log_of(container: Fields, task_id: str) -> Fields:
    """Returns where the container's output goes, nothing when that is no stream of CloudWatch Logs with a known name.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html: prefix/container/task.
    """
    log = container.get("logConfiguration", {})
    options = log.get("options", {})
    if log.get("logDriver") != "awslogs" or not options.get("awslogs-stream-prefix"):
        return {}
    return {
        "group": options["awslogs-group"],
        "region": options["awslogs-region"],
        "stream": f"{options['awslogs-stream-prefix']}/{container['name']}/{task_id}",
    }


def outcome(task: Fields, container: str) -> Fields:
    """Returns what became of a task."""
    own: Fields = next((one for one in task["containers"] if one["name"] == container), {})
    return {
        "status": task["lastStatus"],
        "exit_code": own.get("exitCode"),
        "reason": own.get("reason", ""),
        "stop_code": task.get("stopCode", ""),
        "stopped_reason": task.get("stoppedReason", ""),
    }


def problem(ended: Fields, timeout: int) -> str:
    """Returns why a task counts as failed, nothing when it succeeded."""
    if ended["status"] != "STOPPED":
        return f"was not over after {timeout} s and was stopped"
    if ended["exit_code"] is None:
        because = ended["reason"] or ended["stopped_reason"] or ended["stop_code"] or "no reason given"
        return f"never ran the command: {because}"
    if ended["exit_code"]:
        return f"ended with exit code {ended['exit_code']}"
    return ""


def shown(planned: Fields) -> Fields:
    """Returns what may be said of a task, whoever reads along."""
    return {
        "task_definition": planned["task_definition"],
        "container": planned["container"],
        "command": masked(planned["command"], planned["secrets"]),
    }


def failure(planned: Fields, ended: Fields, trouble: str, lines: list[str]) -> str:
    """Returns one readable block: what failed, why, and the end of the log."""
    name = planned["task_definition"].rsplit("/", 1)[-1]
    head = f"Task {ended['id']} of {name} {trouble}: {' '.join(shown(planned)['command'])}"
    log = ["Its log ends:", *(f"  {line}" for line in lines)] if lines else ["It logged nothing."]
    return "\n".join([head, *log])


def refuse_incomplete(planned: Fields, params: Fields) -> None:
    """Refuses what AWS would refuse, with the option to give."""
    if params["service"] and not is_known(planned["task_definition"]) and not params["task_definition"]:
        raise PlanRefusedError(
            f"Cluster {params['cluster']} has no service {params['service']} whose settings the task could have: "
            "deploy it with gatehouse.fargate.site first, or look at its name and the region."
        )
    for name in ("task_definition", "subnets", "security_groups"):
        if not planned[name]:
            raise PlanRefusedError(f"{name} is empty: give it, or a service that has it.")
    if not planned["command"] or not planned["command"][0]:
        raise PlanRefusedError("The command is empty: give cmd or argv at least one word.")
