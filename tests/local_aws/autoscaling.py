# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Application Auto Scaling for ECS services, which ministack lacks: targets, policies and scheduled actions are kept.

Nothing is ever measured here, so no policy scales and no schedule comes due; new limits move the count, as on AWS.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import ecs

from local_aws.elb.target_groups import load_balancers
from local_aws.hooks import HookMissing, Params, Response

Record = dict[str, Any]

SERVICE = "application-autoscaling"
MODULE = "application_autoscaling"
TARGET_PREFIX = "AnyScaleFrontendService"
REQUESTS = "ALBRequestCountPerTarget"
LIMITS = ("MinCapacity", "MaxCapacity")

_targets = AccountRegionScopedDict()
_policies = AccountRegionScopedDict()
_actions = AccountRegionScopedDict()


def install() -> None:
    """Add the service."""
    if SERVICE in app.SERVICE_HANDLERS:
        raise HookMissing(f"this ministack already has {SERVICE}")
    app.SERVICE_HANDLERS[SERVICE] = _handle
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": [TARGET_PREFIX], "credential_scope": SERVICE}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    # Where ministack looks for what a reset empties, and state.py for stores.
    app.SERVICE_REGISTRY[SERVICE] = {"module": MODULE}
    sys.modules[f"ministack.services.{MODULE}"] = sys.modules[__name__]


def get_state() -> Record:
    """What the service holds."""
    return {"targets": _targets, "policies": _policies, "actions": _actions}


def reset() -> None:
    """Forget everything."""
    for store in (_targets, _policies, _actions):
        store.clear()


async def _handle(_method: str, _path: str, headers: dict[str, str], body: bytes, _query: Params) -> Response:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    answer = OPERATIONS.get(operation)
    return answer(json.loads(body or b"{}")) if answer else _error("InvalidAction", f"Unknown operation {operation}")


def _error(code: str, message: str) -> Response:
    response: Response = error_response_json(code, message, 400)
    return response


def _answer(body: Record) -> Response:
    response: Response = json_response(body)
    return response


def _key(params: Params, name: str = "") -> str:
    return f"{params['ResourceId']} {params['ScalableDimension']} {name}".rstrip()


def _arn(kind: str) -> str:
    return f"arn:aws:{SERVICE}:{get_region()}:{get_account_id()}:{kind}/{uuid.uuid4().hex}"


def _find_service(params: Params) -> Record | None:
    service: Record | None = ecs._services.get(params["ResourceId"].removeprefix("service/"))
    return service if service and service["status"] == "ACTIVE" else None


def _register(params: Params) -> Response:
    service, held = _find_service(params), _targets.get(_key(params))
    if not service:
        return _error("ValidationException", f"ECS service doesn't exist: {params['ResourceId']}")
    limits = {key: params.get(key, (held or {}).get(key)) for key in LIMITS}
    low, high = (limits[key] for key in LIMITS)
    if low is None or high is None or low > high:
        return _error("ValidationException", "Maximum capacity cannot be less than minimum capacity")
    target = held or _new_target(params)
    target.update(limits)
    _targets[_key(params)] = target
    _keep_within(service, target)
    return _answer({"ScalableTargetARN": target["ScalableTargetARN"]})


def _new_target(params: Params) -> Record:
    role = f"arn:aws:iam::{get_account_id()}:role/aws-service-role/ecs.{SERVICE}.amazonaws.com"
    return {
        **{key: params[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
        "ScalableTargetARN": _arn("scalable-target"),
        "RoleARN": f"{role}/AWSServiceRoleForApplicationAutoScaling_ECSService",
        "CreationTime": time.time(),
        "SuspendedState": dict.fromkeys(
            ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
        ),
        "_tags": dict(params.get("Tags") or {}),
    }


def _keep_within(service: Record, target: Record) -> None:
    wanted = min(max(service["desiredCount"], target["MinCapacity"]), target["MaxCapacity"])
    if wanted != service["desiredCount"]:
        _kind, cluster, name = target["ResourceId"].split("/")
        ecs._update_service({"cluster": cluster, "service": name, "desiredCount": wanted})


def _deregister(params: Params) -> Response:
    if _key(params) not in _targets:
        return _no_target(params)
    del _targets[_key(params)]
    for store in (_policies, _actions):
        for key in [key for key in store if key.startswith(f"{_key(params)} ")]:
            del store[key]
    return _answer({})


def _no_target(params: Params) -> Response:
    where = f"resource ID: {params['ResourceId']}, scalable dimension: {params['ScalableDimension']}"
    return _error("ObjectNotFoundException", f"No scalable target found for service namespace: ecs, {where}")


def _describe_targets(params: Params) -> Response:
    wanted = params.get("ResourceIds")
    found = [target for target in _targets.values() if not wanted or target["ResourceId"] in wanted]
    return _answer({"ScalableTargets": [_shown(target) for target in found]})


def _shown(record: Record) -> Record:
    return {key: value for key, value in record.items() if not key.startswith("_")}


def _put_policy(params: Params) -> Response:
    if _key(params) not in _targets:
        return _no_target(params)
    tracking = params.get("TargetTrackingScalingPolicyConfiguration") or {}
    problem = _label_problem(tracking.get("PredefinedMetricSpecification") or {})
    if problem:
        return _error("ValidationException", problem)
    key = _key(params, params["PolicyName"])
    held = _policies.get(key) or {"PolicyARN": _arn("scaling-policy"), "CreationTime": time.time()}
    _policies[key] = {**held, **params, "Alarms": []}
    return _answer({"PolicyARN": held["PolicyARN"], "Alarms": []})


def _label_problem(metric: Record) -> str | None:
    kind, label = metric.get("PredefinedMetricType"), metric.get("ResourceLabel")
    if kind != REQUESTS:
        return f"Resource label must not be specified for the metric {kind}" if label else None
    balancer, found, group = (label or "").partition("/targetgroup/")
    arn = f"arn:aws:elasticloadbalancing:{get_region()}:{get_account_id()}"
    users = load_balancers(f"{arn}:targetgroup/{group}") if found else []
    if f"{arn}:loadbalancer/{balancer}" not in users:
        return f"Resource label {label} names no target group of a load balancer"
    return None


def _put_action(params: Params) -> Response:
    if _key(params) not in _targets:
        return _no_target(params)
    key = _key(params, params["ScheduledActionName"])
    held = _actions.get(key) or {"ScheduledActionARN": _arn("scheduledAction"), "CreationTime": time.time()}
    _actions[key] = {**held, **params}
    return _answer({})


def _describing(store: Any, answer_key: str, name_key: str) -> Callable[[Params], Response]:
    def describe(params: Params) -> Response:
        wanted, names = params.get("ResourceId"), params.get(f"{name_key}s")
        of_resource = [one for one in store.values() if not wanted or one["ResourceId"] == wanted]
        return _answer({answer_key: [one for one in of_resource if not names or one[name_key] in names]})

    return describe


def _deleting(store: Any, name_key: str) -> Callable[[Params], Response]:
    def delete(params: Params) -> Response:
        key = _key(params, params[name_key])
        if key not in store:
            return _error("ObjectNotFoundException", f"{params[name_key]} was not found")
        del store[key]
        return _answer({})

    return delete


def _tagging(change: Callable[[Record, Params], Any]) -> Callable[[Params], Response]:
    def with_tags(params: Params) -> Response:
        target = next((one for one in _targets.values() if one["ScalableTargetARN"] == params["ResourceARN"]), None)
        if not target:
            return _error("ResourceNotFoundException", f"The resource {params['ResourceARN']} was not found")
        change(target["_tags"], params)
        return _answer({"Tags": target["_tags"]})

    return with_tags


OPERATIONS: dict[str, Callable[[Params], Response]] = {
    "RegisterScalableTarget": _register,
    "DeregisterScalableTarget": _deregister,
    "DescribeScalableTargets": _describe_targets,
    "PutScalingPolicy": _put_policy,
    "DeleteScalingPolicy": _deleting(_policies, "PolicyName"),
    "DescribeScalingPolicies": _describing(_policies, "ScalingPolicies", "PolicyName"),
    "PutScheduledAction": _put_action,
    "DeleteScheduledAction": _deleting(_actions, "ScheduledActionName"),
    "DescribeScheduledActions": _describing(_actions, "ScheduledActions", "ScheduledActionName"),
    "ListTagsForResource": _tagging(lambda _tags, _params: None),
    "TagResource": _tagging(lambda tags, params: tags.update(params["Tags"])),
    "UntagResource": _tagging(lambda tags, params: [tags.pop(key, None) for key in params["TagKeys"]]),
}
