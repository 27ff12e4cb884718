# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What happens to a service whose deployment failed: it returns to what worked, or goes when nothing ever did.

ECS rolls back what it gives up itself. What ends earlier, because its end is known, is stopped with the same effect:
StopServiceDeployment rolls back even where the circuit breaker is off.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.services import primary
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.watch import ROLLING_BACK, UNDER_WAY, told
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress

# The old tasks usually still run, so that ECS only has to stop the new ones.
ROLLBACK_SECONDS = 600


class WayBack:
    """Takes one service back after its deployment failed."""

    def __init__(self, client: Any, observe: Callable[[], Look], wanted: Followed, progress: Progress) -> None:
        self._client = client
        self._observe = observe
        self._wanted = wanted
        self._progress = progress

    def go(self, look: Look, wanted_back: bool) -> str:
        """Returns in words what became of the service."""
        if is_rolling_back(look, self._wanted) or not is_current(look, self._wanted):
            return self._await_rollback(look)
        if not wanted_back:
            return f"Nothing was stopped, because circuit_breaker.rollback is false. {aftermath(look, self._wanted)}"
        try:
            return self._leave(look)
        except AnsibleAWSError as error:
            return f"{aftermath(look, self._wanted)} It could not be taken back: {error}"

    def _leave(self, look: Look) -> str:
        if not has_worked(self._client, look, self._wanted):
            return self._delete(look)
        if is_under_way(look, self._wanted):
            return self._roll_back(look)
        # The service is read before its deployments: ECS may have taken it back between the two.
        return self._await_rollback(self._observe())

    @AWSErrorHandler.common_error_handler("roll the deployment back")
    def _roll_back(self, look: Look) -> str:
        self._progress.say("Its end is known: rolling back")
        arn = look.rollout.get("arn") or self._arn_under_way(look.service)
        self._client.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
        return self._await_rollback(self._observe())

    @AWSErrorHandler.common_error_handler("delete the service")
    def _delete(self, look: Look) -> str:
        self._progress.say("Its end is known, and there is nothing to return to: deleting the service")
        service = look.service
        self._client.delete_service(cluster=service["cluster_arn"], service=service["name"], force=True)
        return "No release of the service ever worked, so it was deleted again. The next run creates it."

    def _arn_under_way(self, service: Fields) -> str:
        """Returns the one deployment that a service can have under way."""
        answer = self._client.list_service_deployments(
            cluster=service["cluster_arn"], service=service["arn"], status=[*UNDER_WAY]
        )
        return "".join(one["serviceDeploymentArn"] for one in answer["serviceDeployments"][:1])

    def _await_rollback(self, look: Look) -> str:
        last = look
        for last in self._looks(look):
            if not is_rolling_back(last, self._wanted):
                break
        return aftermath(last, self._wanted)

    def _looks(self, look: Look) -> Iterator[Look]:
        yield look
        if is_rolling_back(look, self._wanted):
            yield from told(self._observe, self._wanted, self._progress, ROLLBACK_SECONDS)


@AWSErrorHandler.common_error_handler("list the service deployments")
def has_worked(client: Any, look: Look, wanted: Followed) -> bool:
    """Tells whether there is a release to return to: one that still runs, or one that ECS remembers as complete."""
    others = [one for one in look.service["deployments"] if one["id"] != wanted.deployment_id]
    if any(one["rollout_state"] == "COMPLETED" or one["running_count"] for one in others):
        return True
    service = look.service
    answer = client.list_service_deployments(
        cluster=service["cluster_arn"], service=service["arn"], status=["SUCCESSFUL"], maxResults=1
    )
    return bool(answer["serviceDeployments"])


def is_current(look: Look, wanted: Followed) -> bool:
    return bool(primary(look.service).get("id") == wanted.deployment_id)


def is_under_way(look: Look, wanted: Followed) -> bool:
    """Tells whether ECS still works on the deployment."""
    if look.rollout:
        return look.rollout["status"] in UNDER_WAY
    return is_current(look, wanted) and primary(look.service).get("rollout_state") == "IN_PROGRESS"


def is_rolling_back(look: Look, wanted: Followed) -> bool:
    if look.rollout:
        return look.rollout["status"] in ROLLING_BACK
    return not is_current(look, wanted) and primary(look.service).get("rollout_state") == "IN_PROGRESS"


def aftermath(look: Look, wanted: Followed) -> str:
    """Says what a service runs once its deployment has failed."""
    current = primary(look.service)
    if not current:
        return "The service is gone."
    counts = f"{current['running_count']} of {current['desired_count']} tasks"
    if current["id"] == wanted.deployment_id:
        ending = "ECS goes on with it" if is_under_way(look, wanted) else "ECS starts no more tasks of it"
        return f"{ending}, {counts} run."
    state = "returns to" if is_rolling_back(look, wanted) else "runs"
    return f"The service {state} {revision(current)} again, {counts}."


def revision(deployment: Fields) -> str:
    return str(deployment["task_definition"].rpartition("/")[2])
