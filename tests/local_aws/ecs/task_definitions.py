# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Task definitions: defaults, Fargate's rules, and a family that means its latest active revision."""

from __future__ import annotations

from ministack.services import ecs

from local_aws.ecs.api import Record, answer, content, error
from local_aws.hooks import Function, Handler, Params, Response, guard, patch, patch_action

EMPTY_LISTS = ("environment", "mountPoints", "volumesFrom", "portMappings", "systemControls")
EXTRA = ("enableFaultInjection",)


def _steps(first: int, last: int, step: int = 1024) -> set[int]:
    return set(range(first, last + 1, step))


FARGATE_MEMORY = {
    256: {512, 1024, 2048},
    512: _steps(1024, 4096),
    1024: _steps(2048, 8192),
    2048: _steps(4096, 16384),
    4096: _steps(8192, 30720),
    8192: _steps(16384, 61440, 4096),
    16384: _steps(32768, 122880, 8192),
}


def install() -> None:
    """Complete the calls about task definitions."""
    patch(ecs, "_resolve_td_key", _latest_active)
    patch_action(ecs._ACTION_MAP, "RegisterTaskDefinition", _register)
    guard(ecs._ACTION_MAP, "RegisterTaskDefinition", _refuse)


def find(reference: str | None) -> Record | None:
    """The active task definition of a family, a family with revision, or an ARN."""
    definition: Record | None = ecs._task_defs.get(ecs._resolve_td_key(reference)) if reference else None
    return definition if definition and definition["status"] == "ACTIVE" else None


def _latest_active(original: Function) -> Function:
    def resolve(reference: str) -> str | None:
        family = (reference or "").rsplit("/", 1)[-1]
        if not family or ":" in family:
            key: str | None = original(reference)
            return key
        active = [one for one in ecs._task_defs.values() if one["family"] == family and one["status"] == "ACTIVE"]
        latest = max((one["revision"] for one in active), default=None)
        return f"{family}:{latest}" if latest else family

    return resolve


def _register(original: Handler) -> Handler:
    def register(params: Params) -> Response:
        for definition in params.get("containerDefinitions", []):
            _fill_container(definition)
        response = original(params)
        if response[0] != 200:
            return response
        body = content(response)
        stored = ecs._task_defs[f"{body['taskDefinition']['family']}:{body['taskDefinition']['revision']}"]
        stored.update({key: params[key] for key in EXTRA if key in params})
        return answer({"taskDefinition": stored, "tags": body["tags"]})

    return register


def _fill_container(definition: Record) -> None:
    for key in EMPTY_LISTS:
        definition.setdefault(key, [])
    for mapping in definition["portMappings"]:
        mapping.setdefault("hostPort", mapping["containerPort"])
        mapping.setdefault("protocol", "tcp")


def _refuse(params: Params) -> Response | None:
    if "FARGATE" not in params.get("requiresCompatibilities", []):
        return None
    if not (params.get("cpu") and params.get("memory")):
        return error("ClientException", "Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    if params.get("networkMode", "awsvpc") != "awsvpc":
        return error("ClientException", "Fargate only supports network mode 'awsvpc'.")
    if int(params["memory"]) not in FARGATE_MEMORY.get(int(params["cpu"]), set()):
        message = "No Fargate configuration exists for given values: "
        return error("ClientException", f"{message}{params['cpu']} CPU, {params['memory']} memory.")
    return _refuse_log_drivers(params)


def _refuse_log_drivers(params: Params) -> Response | None:
    drivers = [one.get("logConfiguration", {}).get("logDriver") for one in params.get("containerDefinitions", [])]
    if "awslogs" in drivers and not params.get("executionRoleArn"):
        message = "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        return error("ClientException", message)
    return None
