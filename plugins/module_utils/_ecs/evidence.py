# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What AWS knows about a deployment that failed: tasks, log lines, targets, events, and the settings they depend on.

Reading is tolerant throughout: the reason of a failure must not be hidden by a second one.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.crash_loops import has_failed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.digests import task_definition
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.masking import forms, masked, secret_values
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look, tolerant
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

MOST_TASKS = 3
MOST_EVENTS = 5
MOST_LINES = 30

Clients = Callable[[str], Any]


def gather(clients: Clients, look: Look, wanted: Followed) -> Fields:
    """Returns the evidence that a rollback would blur."""
    return {
        "stopped_tasks": failed_tasks(look),
        "targets": targets_of(look),
        "events": look.service.get("events", [])[:MOST_EVENTS],
        "alarms": look.rollout.get("triggered_alarms", []),
        "settings": settings(clients, definition_of(clients, wanted), look.service),
        "network": (tolerant(lambda: network(clients("ec2"), look.service)) or [{}])[0],
    }


def read_log(clients: Clients, look: Look, wanted: Followed, sensitive: Iterable[str]) -> Fields:
    """Returns the last lines of the container that failed; values of the variables named ``sensitive`` are masked."""
    definition = definition_of(clients, wanted)
    stream, lines = log_of(clients, definition, failed_tasks(look) or look.running)
    return {"log_stream": stream, "log_lines": masked(lines, forms(secret_values(definition, sensitive)))}


def failed_tasks(look: Look) -> list[Fields]:
    return [task for task in look.stopped if has_failed(task)][:MOST_TASKS]


def definition_of(clients: Clients, wanted: Followed) -> Fields:
    return (tolerant(lambda: task_definition(clients("ecs"), wanted.task_definition)) or [{}])[0]


def targets_of(look: Look) -> list[Fields]:
    """Returns the targets that are the deployment's own; those of the last release say nothing about it."""
    ours = {address for task in look.tasks for address in task["addresses"]}
    found = {target["id"]: target for target in [*look.targets, *look.once_unhealthy]}
    return [target for target in found.values() if target["address"] in ours]


def log_of(clients: Clients, definition: Fields, tasks: list[Fields]) -> tuple[str, list[str]]:
    """Returns the log stream of the container that failed in the newest task, and its last lines."""
    options = {
        one["name"]: one.get("logConfiguration", {}).get("options", {})
        for one in definition.get("containerDefinitions", [])
    }
    for name in by_guilt(tasks[0]) if tasks else []:
        group, prefix = (options.get(name, {}).get(f"awslogs-{key}") for key in ("group", "stream-prefix"))
        if group and prefix:
            stream = f"{prefix}/{name}/{tasks[0]['id']}"
            return f"{group}: {stream}", messages(clients, group, stream)
    return "", []


def messages(clients: Clients, group: str, stream: str) -> list[str]:
    return [line["message"] for line in tolerant(lambda: log_lines(clients("logs"), group, stream))]


def by_guilt(task: Fields) -> list[str]:
    """Returns the names of a task's containers, those that ended badly first."""
    badly = sorted(task["containers"], key=lambda one: one["exit_code"] in (None, 0))
    return [container["name"] for container in badly]


@AWSErrorHandler.common_error_handler("read the log")
def log_lines(client: Any, group: str, stream: str) -> list[Fields]:
    answer = client.get_log_events(logGroupName=group, logStreamName=stream, limit=MOST_LINES, startFromHead=False)
    return list(answer["events"])[-MOST_LINES:]


def settings(clients: Clients, definition: Fields, service: Fields) -> Fields:
    """Returns the settings that explain a failure, and that its remedy names."""
    balancers = service.get("load_balancers", [])
    behind = {one["container_name"]: one["container_port"] for one in balancers}
    containers = definition.get("containerDefinitions", [])
    chosen = next((one for one in containers if one["name"] in behind), containers[0] if containers else {})
    return {
        "region": "".join(service.get("arn", "").split(":")[3:4]),
        "image": chosen.get("image", ""),
        "port": behind.get(chosen.get("name", ""), ""),
        "memory": chosen.get("memory") or definition.get("memory", ""),
        "architecture": definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
        "execution_role": definition.get("executionRoleArn", ""),
        "log_group": chosen.get("logConfiguration", {}).get("options", {}).get("awslogs-group", ""),
        "health_check": (tolerant(lambda: health_check(clients("elbv2"), balancers)) or [{}])[0].get("request", ""),
    }


@AWSErrorHandler.common_error_handler("read the target group")
def health_check(client: Any, balancers: list[Fields]) -> list[Fields]:
    arns = [one["target_group_arn"] for one in balancers[:1] if one["target_group_arn"]]
    groups = client.describe_target_groups(TargetGroupArns=arns)["TargetGroups"] if arns else []
    return [{"request": f"GET {group.get('HealthCheckPath', '/')}"} for group in groups]


@AWSErrorHandler.common_error_handler("read the routes of the tasks")
def network(client: Any, service: Fields) -> list[Fields]:
    """Returns which subnets of the tasks have no default route, and the endpoints of their VPC."""
    subnets = client.describe_subnets(SubnetIds=service["subnets"])["Subnets"]
    here = [{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    tables = client.describe_route_tables(Filters=here)["RouteTables"]
    endpoints = client.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    return [
        {
            "subnets_without_route": [subnet for subnet in service["subnets"] if not leads_out(subnet, tables)],
            "endpoints": sorted(".".join(one["ServiceName"].split(".")[3:]) for one in endpoints),
        }
    ]


def leads_out(subnet: str, tables: list[Fields]) -> bool:
    """Tells whether the route table of a subnet, or the VPC's main one, has a usable default route."""
    own = [table for table in tables if subnet in [one.get("SubnetId") for one in table.get("Associations", [])]]
    main = [table for table in tables if any(one.get("Main") for one in table.get("Associations", []))]
    routes = [route for table in (own or main) for route in table.get("Routes", [])]
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active"
        for route in routes
    )
