#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_service
version_added: 0.1.0
short_description: Manage a service on AWS Fargate, with an honest verdict on its deployment
description:
  - Creates, changes or deletes a service that keeps a number of tasks running.
  - Everything that AWS can change in place is changed in place.
  - A run succeeds only when the deployment that it started is the one that ECS completed, its tasks run the image of
    the task definition, and their targets are healthy. A service that is stable again because ECS rolled the deployment
    back is a failure.
  - While it waits it shows tasks, targets and events as they come, and how long each phase took.
  - Waiting ends as soon as the end is known. When a task and the one that replaced it fail in the same way, or a task
    fails for a reason that no other attempt changes, the deployment is rolled back, also when ECS would go on trying.
  - A failure is told with its likely cause, a remedy and what was seen, the last lines of the log included.
  - A service that runs unchanged is checked as well. One whose last deployment failed is deployed again.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the service.
    type: str
    required: true
  cluster:
    description: Name or ARN of the cluster.
    type: str
    required: true
  state:
    description:
      - Whether the service should exist.
      - V(absent) stops its tasks and, with O(wait=true), returns when ECS has let go of it.
    type: str
    choices: [present, absent]
    default: present
  task_definition:
    description: ARN, or C(family:revision), of the task definition. Required when O(state=present).
    type: str
  desired_count:
    description: Number of tasks.
    type: int
    default: 1
  autoscaled:
    description: Whether something else scales the service; then O(desired_count) counts only when it is created.
    type: bool
    default: false
  platform_version:
    description: Version of the Fargate platform, or V(LATEST).
    type: str
    default: 1.4.0
  capacity_provider_strategy:
    description:
      - Capacity providers, for example V(FARGATE_SPOT), in place of the launch type C(FARGATE).
      - A change replaces the running tasks.
    type: list
    elements: dict
    default: []
    suboptions:
      capacity_provider:
        description: One of the cluster's capacity providers.
        type: str
        required: true
      weight:
        description: Share of the tasks beyond O(capacity_provider_strategy[].base).
        type: int
        default: 1
      base:
        description: Number of tasks that run here before any other provider is used.
        type: int
        default: 0
  subnets:
    description: Subnets of the tasks. Required when O(state=present).
    type: list
    elements: str
  security_groups:
    description: Security groups of the tasks. Required when O(state=present).
    type: list
    elements: str
  assign_public_ip:
    description: Whether tasks get a public address.
    type: bool
    default: false
  load_balancers:
    description: Target groups in which ECS registers the tasks.
    type: list
    elements: dict
    default: []
    suboptions:
      target_group_arn:
        description: ARN of the target group. A listener must use it already.
        type: str
        required: true
      container_name:
        description: Container that receives the requests.
        type: str
        required: true
      container_port:
        description: Port of that container.
        type: int
        required: true
      advanced_configuration:
        description: What ECS needs to shift traffic; required unless O(strategy=ROLLING).
        type: dict
        suboptions:
          alternate_target_group_arn:
            description:
              - ARN of the second target group. A deployment uses the one of the two that has no traffic.
              - The rule must forward to both, and whoever manages the rule must leave their weights alone.
            type: str
            required: true
          production_listener_rule:
            description: ARN of the rule whose forward ECS changes. It is the only one; other rules are not followed.
            type: str
            required: true
          test_listener_rule:
            description: ARN of a rule that leads to the new tasks before they get any other traffic.
            type: str
          role_arn:
            description: ARN of the role that lets ECS change rules and targets.
            type: str
            required: true
  health_check_grace_period:
    description: Seconds after the start of a task in which failed health checks do not count.
    type: int
    default: 0
  enable_execute_command:
    description:
      - Whether ECS Exec may open a shell in the containers.
      - A change replaces the running tasks, because AWS applies it to new tasks only.
    type: bool
    default: false
  minimum_healthy_percent:
    description: Share of O(desired_count) that stays healthy during a deployment.
    type: int
    default: 100
  maximum_percent:
    description: Share of O(desired_count) that may run during a deployment.
    type: int
    default: 200
  circuit_breaker:
    description: What ECS does when the tasks of a deployment fail.
    type: dict
    suboptions:
      enable:
        description: Whether ECS gives a failing deployment up.
        type: bool
        default: true
      rollback:
        description: Whether ECS then returns to the last completed deployment.
        type: bool
        default: true
      failed_tasks:
        description:
          - Number of failed tasks after which a deployment is given up.
          - Leave unset to keep what is, which AWS derives from the number of tasks.
        type: int
  strategy:
    description:
      - How a deployment replaces tasks and gets their traffic.
      - V(ROLLING) replaces them a few at a time, as O(minimum_healthy_percent) and O(maximum_percent) say.
      - V(BLUE_GREEN) starts all new tasks beside the old ones and then moves the traffic at once, V(CANARY) in two
        steps, V(LINEAR) in equal ones. The old tasks go O(bake_time_in_minutes) later.
      - ECS has its circuit breaker for V(ROLLING) only. With the others O(circuit_breaker.rollback) says what this
        module does with a deployment that fails while it waits.
    type: str
    choices: [ROLLING, BLUE_GREEN, CANARY, LINEAR]
    default: ROLLING
  bake_time_in_minutes:
    description:
      - Minutes for which old and new tasks both run once the new ones have all traffic, 0 to 1440.
      - V(ROLLING) has none.
    type: int
    default: 5
  canary_configuration:
    description: Steps of O(strategy=CANARY).
    type: dict
    suboptions:
      canary_percent:
        description: Share of the traffic in the first step, a multiple of 0.1 from 0.1 to 100.
        type: float
        default: 5.0
      canary_bake_time_in_minutes:
        description: Minutes before the rest follows, 0 to 1440.
        type: int
        default: 10
  linear_configuration:
    description: Steps of O(strategy=LINEAR).
    type: dict
    suboptions:
      step_percent:
        description: Share of the traffic that moves in each step, a multiple of 0.1 from 3.0 to 100.
        type: float
        default: 10.0
      step_bake_time_in_minutes:
        description: Minutes between two steps, 0 to 1440.
        type: int
        default: 6
  force_new_deployment:
    description:
      - Whether to deploy even if nothing has changed, which is a change each time.
      - With two target groups this brings the traffic to the other one.
    type: bool
    default: false
  alarms:
    description:
      - Names of CloudWatch alarms that fail a deployment while it goes on.
      - What ECS does then is what O(circuit_breaker.rollback) says.
    type: list
    elements: str
    default: []
  availability_zone_rebalancing:
    description: Whether ECS moves tasks when one availability zone has too many. Leave unset to keep it unmanaged.
    type: bool
  propagate_tags:
    description: Whose tags a task gets.
    type: str
    choices: [SERVICE, TASK_DEFINITION, NONE]
    default: SERVICE
  enable_ecs_managed_tags:
    description: Whether tasks carry tags that name their cluster and service.
    type: bool
    default: true
  wait:
    description: Whether to return only when the deployment is complete.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds until an incomplete deployment counts as failed, beside the minutes that ECS waits on purpose.
      - Unless O(circuit_breaker.rollback=false), it is then rolled back, so that it does not go live behind your back.
        A service of which no deployment ever was complete is deleted again, so that it does not fail at your cost.
    type: int
    default: 900
  sensitive_variables:
    description: Names of environment variables whose values are masked in the log lines that a failure shows.
    type: list
    elements: str
    default: []
  live_output:
    description: Whether to show what happens while the module waits, when it runs on this machine.
    type: bool
    default: true
  progress_path:
    description:
      - File that gains a line for everything that happens while the module waits.
      - O(live_output=true) uses a temporary one when it is unset.
    type: path
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Run the app behind the load balancer
  gatehouse.fargate.ecs_service:
    name: hello-dev
    cluster: hello-dev
    task_definition: "{{ registered.task_definition.arn }}"
    subnets: [subnet-0123456789abcdef0, subnet-0fedcba9876543210]
    security_groups: [sg-0123456789abcdef0]
    load_balancers:
      - target_group_arn: "{{ target_group_arn }}"
        container_name: app
        container_port: 3000
    health_check_grace_period: 60

- name: Remove the service
  gatehouse.fargate.ecs_service:
    name: hello-dev
    cluster: hello-dev
    state: absent
"""

RETURN = r"""
service:
  description: The service as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the service.
      type: str
    arn:
      description: ARN of the service.
      type: str
      sample: arn:aws:ecs:ap-northeast-1:123456789012:service/hello-dev/hello-dev
    cluster_arn:
      description: ARN of the cluster.
      type: str
    status:
      description: V(ACTIVE), or V(DRAINING) while it is deleted.
      type: str
    task_definition:
      description: ARN of the task definition.
      type: str
    desired_count:
      description: Number of tasks that should run.
      type: int
    running_count:
      description: Number of tasks that run.
      type: int
    deployments:
      description: The deployments that ECS lists, the current one first.
      type: list
      elements: dict
      contains:
        id:
          description: Id of the deployment.
          type: str
        status:
          description: V(PRIMARY) for the current one.
          type: str
        rollout_state:
          description: V(IN_PROGRESS), V(COMPLETED) or V(FAILED).
          type: str
        rollout_state_reason:
          description: ECS's words for it.
          type: str
        task_definition:
          description: ARN of the task definition.
          type: str
    events:
      description: The last messages of the service, newest first.
      type: list
      elements: str
    tags:
      description: Tags of the service.
      type: dict
failure:
  description: Why the deployment failed, for programs; the message says the same for people.
  returned: when the deployment failed
  type: dict
  contains:
    code:
      description: The likely cause in one word, for example V(container_exited) or V(health_path_missing).
      type: str
    cause:
      description: The likely cause in a sentence.
      type: str
    remedy:
      description: What to do about it.
      type: str
    reason:
      description: Why it counts as failed.
      type: str
    deployment:
      description: Id of the deployment.
      type: str
    task_definition:
      description: ARN of the task definition that was deployed.
      type: str
    aftermath:
      description: What the service runs now.
      type: str
    evidence:
      description: What was seen.
      type: dict
      contains:
        stopped_tasks:
          description: The newest failed tasks of the deployment, with their times and their containers' exit codes.
          type: list
          elements: dict
        log_stream:
          description: Log group and stream of the container that failed.
          type: str
        log_lines:
          description: Its last 30 lines, values of O(sensitive_variables) masked.
          type: list
          elements: str
        targets:
          description: Health of the deployment's targets in the load balancer.
          type: list
          elements: dict
        events:
          description: The last messages of the service, newest first.
          type: list
          elements: str
        settings:
          description: The settings that the cause depends on.
          type: dict
        network:
          description: Subnets of the tasks without a default route, and the endpoints of their VPC.
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

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed, followed, is_steady
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ServiceErrors, when_usable
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import stopped_ids
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.services import (
    create_request,
    described,
    managed,
    primary,
    update_request,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import (
    ADVANCED,
    OPTIONS,
    balancer_problems,
    problems,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.strategies import CAPACITY_PROVIDER
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_list, change_tags
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.verdict import WAIT_OPTIONS, await_verdict
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    is_known,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ADVANCED_CONFIGURATION: dict[str, Any] = {
    name: {"type": "str", "required": name != "test_listener_rule"} for name in ADVANCED
}
LOAD_BALANCER: dict[str, Any] = {
    "target_group_arn": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "container_port": {"type": "int", "required": True},
    "advanced_configuration": {"type": "dict", "options": ADVANCED_CONFIGURATION},
}
CIRCUIT_BREAKER: dict[str, Any] = {
    "enable": {"type": "bool", "default": True},
    "rollback": {"type": "bool", "default": True},
    "failed_tasks": {"type": "int"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "task_definition": {"type": "str"},
    "desired_count": {"type": "int", "default": 1},
    "autoscaled": {"type": "bool", "default": False},
    "platform_version": {"type": "str", "default": "1.4.0"},
    "capacity_provider_strategy": {"type": "list", "elements": "dict", "default": [], "options": CAPACITY_PROVIDER},
    "subnets": {"type": "list", "elements": "str"},
    "security_groups": {"type": "list", "elements": "str"},
    "assign_public_ip": {"type": "bool", "default": False},
    "load_balancers": {"type": "list", "elements": "dict", "default": [], "options": LOAD_BALANCER},
    "health_check_grace_period": {"type": "int", "default": 0},
    "enable_execute_command": {"type": "bool", "default": False},
    "minimum_healthy_percent": {"type": "int", "default": 100},
    "maximum_percent": {"type": "int", "default": 200},
    "circuit_breaker": {"type": "dict", "apply_defaults": True, "options": CIRCUIT_BREAKER},
    **OPTIONS,
    "force_new_deployment": {"type": "bool", "default": False},
    "alarms": {"type": "list", "elements": "str", "default": []},
    "availability_zone_rebalancing": {"type": "bool"},
    "propagate_tags": {"type": "str", "choices": ["SERVICE", "TASK_DEFINITION", "NONE"], "default": "SERVICE"},
    "enable_ecs_managed_tags": {"type": "bool", "default": True},
    **WAIT_OPTIONS,
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "ecs_service"
# Reasons for another deployment that are no fields of a service.
FORCED = ("rollout_state", "force_new_deployment")
DRAIN_POLL_SECONDS = 3


def describe(client: Any, params: Fields) -> Fields:
    return read(client, params) if is_known(params["cluster"]) else {}


@ServiceErrors.list_error_handler("describe the service", {})
def read(client: Any, params: Fields) -> Fields:
    answer = client.describe_services(cluster=params["cluster"], services=[params["name"]], include=["TAGS"])
    alive = [service for service in answer["services"] if service["status"] != "INACTIVE"]
    return described(alive[0]) if alive else {}


def plan(current: Fields, params: Fields) -> Plan:
    active = current.get("status") == "ACTIVE"
    if params["state"] == "absent":
        return plan_absent(current, active)
    refuse_impossible(params)
    return plan_update(current, params) if active else plan_create(current, params)


def refuse_impossible(params: Fields) -> None:
    if params["desired_count"] < 0:
        raise PlanRefusedError(f"desired_count is {params['desired_count']}: it must be 0 or more.")
    low, high = params["minimum_healthy_percent"], params["maximum_percent"]
    if not (0 <= low <= 100 <= high <= 200) or low == high:
        raise PlanRefusedError(
            f"minimum_healthy_percent is {low} and maximum_percent is {high}: a deployment can only proceed with "
            "a minimum of 0 to 100, a maximum of 100 to 200, and one of them not 100."
        )
    for problem in (*problems(params), *balancer_problems(params["strategy"], params["load_balancers"])):
        raise PlanRefusedError(problem)


def plan_absent(current: Fields, active: bool) -> Plan:
    if not current:
        return Plan({})
    before = {key: current[key] for key in ("arn", "task_definition", "desired_count")}
    # A draining service needs no second request, but is still waited for.
    return Plan({}, (Change(Action.DELETE, RESOURCE, current["name"], before=before, call=active),))


def plan_create(draining: Fields, params: Fields) -> Plan:
    fields = {key: value for key, value in managed(params, {}).items() if value is not None}
    fields["tags"] = params["tags"] or {}
    result = {
        "name": params["name"],
        "arn": KNOWN_AFTER_APPLY,
        "cluster_arn": KNOWN_AFTER_APPLY,
        "status": "ACTIVE",
        "running_count": 0,
        "deployments": [],
        "events": [],
        **fields,
    }
    after = {"name": params["name"], "cluster": params["cluster"], **fields}
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=after, call=bool(draining)),))


def plan_update(current: Fields, params: Fields) -> Plan:
    if current["controller"] != "ECS":
        raise PlanRefusedError(
            f"Service {params['name']} is deployed by {current['controller']}: this module manages services with the "
            "ECS deployment controller; delete the service first, or choose another name."
        )
    before, after = differences(current, managed(params, current))
    # Only a new deployment gets a service out of one that ECS has given up.
    if primary(current).get("rollout_state") == "FAILED":
        before["rollout_state"], after["rollout_state"] = "FAILED", "COMPLETED"
    if params["force_new_deployment"]:
        before["force_new_deployment"], after["force_new_deployment"] = False, True
    result = {key: value for key, value in {**current, **after}.items() if key not in FORCED}
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
        result["tags"] = after["tags"]
    if not after:
        return Plan(current)
    return Plan(result, (Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=(to_set, to_remove)),))


@ServiceErrors.common_error_handler("change the service")
def apply(client: Any, params: Fields, planned: Plan) -> Followed | None:
    """Carries the plan out; returns the deployment to follow, None when the service was deleted."""
    (change,) = planned.changes
    if change.action is Action.DELETE:
        delete(client, params, change)
        return None
    if change.action is Action.CREATE:
        return followed(create(client, params, change))
    return followed(update(client, params, planned))


def create(client: Any, params: Fields, change: Change) -> Fields:
    if change.call:
        wait_until_inactive(client, params)
    request = {"cluster": params["cluster"], "serviceName": change.name, "tags": as_list(change.after["tags"])}
    return described(when_usable(client.create_service)(**request, **create_request(change.after))["service"])


def update(client: Any, params: Fields, planned: Plan) -> Fields:
    (change,) = planned.changes
    change_tags(client, planned.result["arn"], *change.call)
    request = update_request(change.after, planned.result)
    if not request:
        return describe(client, params)
    request |= {"cluster": params["cluster"], "service": change.name}
    return described(when_usable(client.update_service)(**request)["service"])


@ServiceErrors.deletion_error_handler("delete the service")
def delete(client: Any, params: Fields, change: Change) -> None:
    if change.call:
        client.delete_service(cluster=params["cluster"], service=change.name, force=True)
    if params["wait"]:
        wait_until_inactive(client, params)


def wait_until_inactive(client: Any, params: Fields) -> None:
    attempts = max(1, params["wait_timeout"] // DRAIN_POLL_SECONDS)
    client.get_waiter("services_inactive").wait(
        cluster=params["cluster"],
        services=[params["name"]],
        WaiterConfig={"Delay": DRAIN_POLL_SECONDS, "MaxAttempts": attempts},
    )


def judge(module: AnsibleAWSModule, client: Any, wanted: Followed, progress: Progress) -> None:
    params = module.params
    rolls_back = params["circuit_breaker"]["rollback"]
    await_verdict(module, client, lambda: read(client, params), wanted, progress, rolls_back=rolls_back)


def steps(
    module: AnsibleAWSModule, client: Any, progress: Progress
) -> tuple[Callable[[Fields], Plan], Callable[[Plan], None]]:
    """Returns the plan and apply steps, each of which ends with the verdict when it is wanted."""
    params = module.params
    judged = params["wait"] and params["state"] == "present" and not module.check_mode

    def planned(current: Fields) -> Plan:
        result = plan(current, params)
        if judged and not result.changes and not is_steady(current):
            judge(module, client, followed(current), progress)
        return result

    def applied(result: Plan) -> None:
        updates = judged and result.changes[0].action is Action.UPDATE
        stopped_before = stopped_ids(client, result.result) if updates else frozenset()
        wanted = apply(client, params, result)
        if judged and wanted:
            judge(module, client, replace(wanted, stopped_before=stopped_before), progress)

    return planned, applied


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["task_definition", "subnets", "security_groups"])],
        supports_check_mode=True,
    )
    client = aws_client(module, "ecs")
    what = f"service {module.params['name']}"
    with Progress(module.params["progress_path"], f"Waiting for AWS to change {what}") as progress:
        plan_step, apply_step = steps(module, client, progress)
        run(
            module,
            "service",
            describe=lambda: describe(client, module.params),
            plan=guarded(what, module.params, plan_step),
            apply=apply_step,
        )


if __name__ == "__main__":
    main()
