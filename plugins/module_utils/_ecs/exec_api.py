# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Finds out what a session of ECS Exec needs to know, and opens one.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ServiceErrors
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.exec_checks import ACTIONS, Facts
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.release_api import read_service
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.task_runs import container_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

VERSION_SECONDS = 20
Clients = Callable[[str], Any]


def find_out(clients: Clients, params: Fields) -> Facts:
    """Returns what is known, down to the first thing that is missing."""
    facts = Facts(
        plugin=params["plugin"],
        plugin_version=plugin_version(params["plugin"]),
        terminal=bool(params["cmd"] or params["terminal"]),
    )
    service = read_service(clients("ecs"), params["cluster"], params["service"])
    task = running_task(clients("ecs"), service, params["task"]) if service else {}
    facts = replace(facts, service=service, task=task)
    if not task:
        return facts
    return in_task(clients, facts, params["container"])


def plugin_version(plugin: str) -> str:
    """Returns what the plugin says of itself, nothing when it cannot be run."""
    try:
        done = subprocess.run(
            [plugin, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@ServiceErrors.common_error_handler("look for a running task")
def running_task(client: Any, service: Fields, wanted: str) -> Fields:
    """Returns the named task, or the newest that runs, one that takes sessions before others."""
    cluster = service["clusterArn"]
    arns = client.list_tasks(cluster=cluster, serviceName=service["serviceName"], desiredStatus="RUNNING")["taskArns"]
    tasks = client.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"] if arns else []
    running = [task for task in tasks if task["lastStatus"] == "RUNNING"]
    if wanted:
        running = [task for task in running if task["taskArn"].rsplit("/", 1)[-1] == wanted.rsplit("/", 1)[-1]]
        if not running:
            raise PlanRefusedError(
                f"task is '{wanted}', and no task of service {service['serviceName']} with this id runs."
            )
    return max(running, key=lambda task: (bool(task.get("enableExecuteCommand")), task["createdAt"]), default={})


@ServiceErrors.common_error_handler("look at the task")
def in_task(clients: Clients, facts: Facts, wanted: str | None) -> Facts:
    definition = clients("ecs").describe_task_definition(taskDefinition=facts.task["taskDefinitionArn"])[
        "taskDefinition"
    ]
    container = container_of(definition, wanted, facts.service)
    states = [one for one in facts.task["containers"] if one["name"] == container["name"]]
    role = definition.get("taskRoleArn", "")
    return replace(
        facts,
        container=container,
        state=states[0] if states else {},
        role=role,
        denied=denied_actions(clients("iam"), role) if role else (),
        unreachable=unreachable(clients("ec2"), facts.task, clients("ecs").meta.region_name),
    )


def denied_actions(client: Any, role: str) -> tuple[str, ...] | None:
    """Returns what IAM's simulator says that the role may not do; None when the caller may not ask it."""
    actions = [f"ssmmessages:{action}" for action in ACTIONS]
    try:
        results = simulate(client, role, actions)
    except AnsibleAWSError:
        return None
    return tuple(one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed")


@AWSErrorHandler.common_error_handler("ask what the task role may do")
def simulate(client: Any, role: str, actions: list[str]) -> list[Fields]:
    pages = client.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=role, ActionNames=actions)
    return [result for page in pages for result in page["EvaluationResults"]]


@AWSErrorHandler.common_error_handler("look at the network of the task")
def unreachable(client: Any, task: Fields, region: str) -> str:
    """Returns why a task cannot reach ssmmessages: neither a way out nor an endpoint; empty when it has one of them."""
    details = {item["name"]: item["value"] for one in task.get("attachments", []) for item in one.get("details", [])}
    if not details.get("subnetId"):
        return ""
    (subnet,) = client.describe_subnets(SubnetIds=[details["subnetId"]])["Subnets"]
    if has_way_out(client, subnet):
        return ""
    name = f"com.amazonaws.{region}.ssmmessages"
    wanted = {"vpc-id": subnet["VpcId"], "service-name": name, "vpc-endpoint-state": "available"}
    filters = [{"Name": key, "Values": [value]} for key, value in wanted.items()]
    if any(one.get("PrivateDnsEnabled") for one in client.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]):
        return ""
    return f"subnet {subnet['SubnetId']} has no way to the internet, and its VPC no endpoint {name} with private DNS"


def has_way_out(client: Any, subnet: Fields) -> bool:
    own = client.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}])
    main = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}]
    tables = own["RouteTables"] or client.describe_route_tables(Filters=main)["RouteTables"]
    routes = [route for table in tables for route in table["Routes"]]
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active"
        for route in routes
    )


@ServiceErrors.common_error_handler("open the session")
def open_session(client: Any, facts: Facts, command: str) -> Fields:
    """Returns the answer of ExecuteCommand. Its session holds a token that must not be shown."""
    return dict(
        client.execute_command(
            cluster=facts.task["clusterArn"],
            task=facts.task["taskArn"],
            container=facts.container["name"],
            command=command,
            interactive=True,
        )
    )
