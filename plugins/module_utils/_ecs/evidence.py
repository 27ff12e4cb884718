# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What ECS and the load balancer know about a deployment that failed.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

MOST_TASKS = 3
MOST_EVENTS = 5


def gather(ecs: Any, elbv2: Callable[[], Any], service: Fields, wanted: Followed) -> Fields:
    """Returns the newest stopped tasks of the deployment, the targets' health and the last events."""
    return {
        "stopped_tasks": tolerant(lambda: stopped_tasks(ecs, service, wanted)),
        "targets": tolerant(lambda: targets(elbv2(), service)),
        "events": service.get("events", [])[:MOST_EVENTS],
    }


def tolerant(read: Callable[[], list[Fields]]) -> list[Fields]:
    """Returns nothing where reading fails: the reason of the failure must not be hidden by a second one."""
    try:
        return read()
    except AnsibleAWSError:
        return []


@AWSErrorHandler.common_error_handler("read the stopped tasks")
def stopped_tasks(client: Any, service: Fields, wanted: Followed) -> list[Fields]:
    cluster = service["cluster_arn"]
    arns = client.list_tasks(cluster=cluster, serviceName=service["name"], desiredStatus="STOPPED")["taskArns"]
    if not arns:
        return []
    tasks = client.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"]
    own = [task for task in tasks if task["taskDefinitionArn"] == wanted.task_definition]
    newest = sorted(own, key=lambda task: str(task.get("stoppedAt", "")), reverse=True)
    return [described_task(task) for task in newest[:MOST_TASKS]]


def described_task(task: Fields) -> Fields:
    return {
        "id": task["taskArn"].rsplit("/", 1)[-1],
        "stop_code": task.get("stopCode", ""),
        "stopped_reason": task.get("stoppedReason", ""),
        "containers": [
            {
                "name": container["name"],
                "exit_code": container.get("exitCode"),
                "reason": container.get("reason", ""),
            }
            for container in task.get("containers", [])
        ],
    }


@AWSErrorHandler.common_error_handler("read the health of the targets")
def targets(client: Any, service: Fields) -> list[Fields]:
    return [
        described_target(description)
        for balancer in service["load_balancers"]
        for description in client.describe_target_health(TargetGroupArn=balancer["target_group_arn"])[
            "TargetHealthDescriptions"
        ]
    ]


def described_target(description: Fields) -> Fields:
    health = description["TargetHealth"]
    return {
        "id": f"{description['Target']['Id']}:{description['Target'].get('Port', '')}",
        "state": health["State"],
        "reason": health.get("Reason", ""),
        "description": health.get("Description", ""),
    }
