#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_service_rollback
version_added: 0.1.0
short_description: Return an Amazon ECS service to an earlier release
description:
  - Gives the service the task definition of an earlier release, and nothing else, so that its settings, its task count
    and its load balancer stay as they are. Nothing is built.
  - Succeeds only when the deployment that the module started is complete.
  - A service that has gone back already, by this module or by itself, stays there unless O(release) names another.
  - M(gatehouse.fargate.ecs_releases_info) lists the releases.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the service.
    type: str
    required: true
  cluster:
    description: Name or ARN of its cluster.
    type: str
    required: true
  stack:
    description:
      - Stack that the service must belong to by its tag C(gatehouse:stack), or nothing is changed.
      - Empty accepts any service.
    type: str
    default: ""
  release:
    description:
      - The release to run, by its revision such as V(7) or V(hello-dev:7), or by its digest.
      - Empty means the last one before the current that is known to have worked.
    type: str
    default: ""
  wait:
    description: Whether to wait for the deployment's end, and fail when it is not a success.
    type: bool
    default: true
  wait_timeout:
    description: Seconds until an incomplete deployment counts as failed. It is then rolled back.
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
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Go back to what worked
  gatehouse.fargate.ecs_service_rollback:
    name: hello-dev
    cluster: hello-dev

- name: Go to a certain release
  gatehouse.fargate.ecs_service_rollback:
    name: hello-dev
    cluster: hello-dev
    release: "7"
"""

RETURN = r"""
rollback:
  description: What the service runs now, or will run in check mode.
  returned: success
  type: dict
  contains:
    service:
      description: Name of the service.
      type: str
    tags:
      description: Tags of the service.
      type: dict
    release:
      description: The release.
      type: dict
      contains:
        name:
          description: Family and revision of the task definition, which is the release's name.
          type: str
          sample: hello-dev:7
        revision:
          description: Number of the revision.
          type: int
        task_definition:
          description: ARN of the task definition.
          type: str
        digest:
          description: Digest of the image behind the load balancer, or of the first container; empty when unknown.
          type: str
        images:
          description: Images of all containers.
          type: list
          elements: str
        missing_images:
          description: Those that an ECR repository of this account and region does not hold any more.
          type: list
          elements: str
        registered_at:
          description: When the task definition was registered.
          type: str
        registered_by:
          description: ARN of the principal that registered it, as ECS recorded it.
          type: str
        deployed_at:
          description: When its last deployment ended or, while that is under way, began; empty when ECS knows of none.
          type: str
        verdict:
          description:
            - V(succeeded), V(failed), V(stopped) or V(in_progress) is how its last deployment stands.
            - V(served) means that a later deployment started from it and that ECS has forgotten its own.
            - V(unknown) means that ECS knows of no deployment.
          type: str
        reason:
          description: What ECS says about the verdict.
          type: str
        current:
          description: Whether the service is to run it now.
          type: bool
    releases:
      description: All releases in the same form, newest first, as they were found.
      type: list
      elements: dict
failure:
  description: What is known about a deployment that failed, as M(gatehouse.fargate.ecs_service) returns it.
  returned: when the deployment failed
  type: dict
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(update).
      type: str
    resource:
      description: V(ecs_service).
      type: str
    name:
      description: Name of the service.
      type: str
    before:
      description: Its task definition as it was.
      type: dict
    after:
      description: Its task definition as it is to be.
      type: dict
unchanged:
  description: The service when it runs the release already.
  returned: success
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

from dataclasses import replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed, followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.errors import ServiceErrors
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import stopped_ids
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.release_api import read_releases, read_service
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.releases import current_release, target
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.services import described
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.tags import as_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.verdict import WAIT_OPTIONS, await_verdict
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import OWNER_TAG, owner_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
    "stack": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
    **WAIT_OPTIONS,
}


def describe(ecs: Any, ecr: Any, params: Fields) -> Fields:
    service = read_service(ecs, params["cluster"], params["name"])
    if not service:
        return {}
    found = read_releases(ecs, ecr, service)
    return {
        "service": params["name"],
        "tags": as_dict(service.get("tags")),
        "release": current_release(found),
        "releases": found,
    }


def plan(current: Fields, params: Fields) -> Plan:
    refuse_unusable(current, params)
    wanted = target(current["releases"], params["release"].strip())
    if wanted["current"]:
        return Plan(current)
    before = {key: current["release"].get(key, "") for key in ("task_definition", "digest")}
    after = {key: wanted[key] for key in before}
    change = Change(Action.UPDATE, "ecs_service", params["name"], before, after)
    return Plan({**current, "release": wanted}, (change,))


def refuse_unusable(current: Fields, params: Fields) -> None:
    if not current:
        raise PlanRefusedError(
            f"Cluster {params['cluster']} has no service {params['name']}: there is nothing to roll back. Deploy it "
            "with gatehouse.fargate.site, or look at its name and the region."
        )
    if params["stack"] and owner_of(current["tags"]) != params["stack"]:
        raise PlanRefusedError(
            f"Service {params['name']} carries no tag {OWNER_TAG}={params['stack']}, so it belongs to somebody else: "
            "nothing was changed. Run gatehouse.fargate.site with stack_adopt set to true to take it over."
        )


@ServiceErrors.common_error_handler("return the service to the release")
def apply(client: Any, params: Fields, planned: Plan) -> Fields:
    """Carries the plan out; returns the service with the deployment to follow."""
    (change,) = planned.changes
    answer = client.update_service(
        cluster=params["cluster"], service=params["name"], taskDefinition=change.after["task_definition"]
    )
    return described(answer["service"])


def judge(module: AnsibleAWSModule, client: Any, wanted: Followed, progress: Progress) -> None:
    """Returns when the deployment is complete; otherwise fails the module."""

    def read() -> Fields:
        found = read_service(client, module.params["cluster"], module.params["name"])
        return described(found) if found else {}

    await_verdict(module, client, read, wanted, progress, rolls_back=True)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    ecs, ecr, params = aws_client(module, "ecs"), aws_client(module, "ecr"), module.params

    def applied(planned: Plan) -> None:
        service = described(read_service(ecs, params["cluster"], params["name"]))
        stopped_before = stopped_ids(ecs, service) if params["wait"] else frozenset()
        wanted = followed(apply(ecs, params, planned))
        if params["wait"]:
            judge(module, ecs, replace(wanted, stopped_before=stopped_before), progress)

    with Progress(params["progress_path"], f"Waiting for AWS to return service {params['name']}") as progress:
        run(
            module,
            "rollback",
            describe=lambda: describe(ecs, ecr, params),
            plan=lambda current: plan(current, params),
            apply=applied,
        )


if __name__ == "__main__":
    main()
