# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks: started once for a token, with a network and known containers; and the agent that ECS Exec talks to."""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs

from local_aws.ecs import task_definitions
from local_aws.ecs.api import Record, answer, cluster_name, content, error
from local_aws.hooks import Handler, Params, Response, guard, patch_action

NOT_CONNECTED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn't running. Wait and try again or run a new task with execute command enabled and try again."
)
# What RunTask answered to each client token, by account and region; AWS keeps them for a day.
_answers: dict[tuple[str, str, str], tuple[str, Record]] = {}


def install() -> None:
    """Complete the calls about tasks."""
    calls = ecs._ACTION_MAP
    patch_action(calls, "RunTask", _once_for_a_token)
    guard(calls, "RunTask", _refuse)
    patch_action(calls, "DescribeTasks", _with_agents)
    guard(calls, "ExecuteCommand", _refuse_session)


def _once_for_a_token(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        token = params.get("clientToken")
        if not token:
            return original(params)
        key, asked = (get_account_id(), get_region(), str(token)), json.dumps(params, sort_keys=True, default=str)
        if key in _answers:
            before, body = _answers[key]
            if before != asked:
                return error("ConflictException", "The client token was used with other parameters.")
            return answer(body)
        response = original(params)
        if response[0] == 200:
            _answers[key] = asked, content(response)
        return response

    return run


def _refuse(params: Params) -> Response | None:
    definition = task_definitions.find(params.get("taskDefinition"))
    if not definition:
        return error("ClientException", "TaskDefinition not found.")
    if definition.get("networkMode") == "awsvpc" and not params.get("networkConfiguration"):
        message = "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        return error("InvalidParameterException", message)
    names = {one["name"] for one in definition["containerDefinitions"]}
    for override in (params.get("overrides") or {}).get("containerOverrides", []):
        if override.get("name") not in names:
            message = f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            return error("InvalidParameterException", message)
    return None


def _with_agents(original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        response = original(params)
        if response[0] != 200:
            return response
        body = content(response)
        for task in body["tasks"]:
            if task.get("enableExecuteCommand"):
                for container in task["containers"]:
                    container["managedAgents"] = [_agent(task, container)]
        return answer(body)

    return describe


def _agent(task: Record, container: Record) -> Record:
    agent: dict[str, Any] = {"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}
    if task["lastStatus"] == "STOPPED" or _is_readonly(task, container):
        # It writes to the container's root, and ends where it cannot.
        return {**agent, "lastStatus": "STOPPED"}
    if task["lastStatus"] == "RUNNING":
        return {**agent, "lastStatus": "RUNNING", "lastStartedAt": task["startedAt"]}
    return agent


def _is_readonly(task: Record, container: Record) -> bool:
    definition = ecs._task_defs.get(task["taskDefinitionArn"].rsplit("/", 1)[1]) or {}
    return any(
        one["name"] == container["name"] and one.get("readonlyRootFilesystem")
        for one in definition.get("containerDefinitions", [])
    )


def _refuse_session(params: Params) -> Response | None:
    if not params.get("interactive"):
        return error("InvalidParameterException", "Interactive is the only mode supported currently.")
    name = cluster_name(params)
    task = ecs._resolve_task(params.get("task", ""), name)
    if not task:
        return None
    wanted = params.get("container")
    agents = [
        _agent(task, container)["lastStatus"]
        for container in task["containers"]
        if container["name"] == wanted or not wanted
    ]
    if not task.get("enableExecuteCommand"):
        return error("InvalidParameterException", NOT_CONNECTED)
    if "RUNNING" not in agents:
        return error("TargetNotConnectedException", NOT_CONNECTED)
    return None
