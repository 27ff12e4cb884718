# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deployments of services: they take time, can be followed one by one, and keep their history."""

from __future__ import annotations

import time
import uuid

from ministack.core.concurrency import resource_lock
from ministack.services import cloudwatch, ecs

from local_aws.ecs import shifting
from local_aws.ecs.api import Record, answer, error, find_service
from local_aws.hooks import Check, Function, Handler, Params, Response, guard, patch, patch_action

HISTORY = "_deployments"
# What ListServiceDeployments returns at once when nothing else is asked for.
PAGE = 20
ALARMING = "ALARM"
# The most that the Describe calls take.
MOST_ARNS = 20


def install() -> None:
    """Add the calls that follow a deployment."""
    patch(ecs, "_make_deployment", _starting)
    patch_action(ecs._ACTION_MAP, "DescribeServiceDeployments", _describe)
    patch_action(ecs._ACTION_MAP, "ListServiceDeployments", _list)
    patch_action(ecs._ACTION_MAP, "DescribeServiceRevisions", _describe_revisions)
    guard(ecs._ACTION_MAP, "DescribeServiceDeployments", _refuse_many("serviceDeploymentArns"))
    guard(ecs._ACTION_MAP, "DescribeServiceRevisions", _refuse_many("serviceRevisionArns"))
    patch_action(ecs._ACTION_MAP, "StopServiceDeployment", _stop, new=True)


def note_deployment(service: Record) -> None:
    """Remember a deployment that has just begun."""
    history = service.setdefault(HISTORY, [])
    primary = ecs._primary_deployment(service)
    if primary and all(entry["deployment"] is not primary for entry in history):
        history.append(_entry(service, primary, history[-1] if history else None))
    service["currentServiceDeployment"] = history[-1]["arn"]
    service["currentServiceRevisions"] = [{"arn": history[-1]["revision"]}]


def _entry(service: Record, deployment: Record, previous: Record | None) -> Record:
    definition = ecs._task_defs[ecs._resolve_td_key(deployment["taskDefinition"])]
    return {
        "arn": _arn(service, "service-deployment", uuid.uuid4().hex[:21]),
        "revision": _arn(service, "service-revision", str(time.time_ns())),
        "previous": previous["revision"] if previous else None,
        "deployment": deployment,
        "service": service,
        "started": time.time(),
        "containers": definition["containerDefinitions"],
        # An alarm that is up already says nothing about this deployment.
        "watched": [name for name in _alarm_names(service) if _alarm_state(name) != ALARMING],
        "triggered": [],
    }


def _alarm_names(service: Record) -> list[str]:
    alarms = service.get("deploymentConfiguration", {}).get("alarms") or {}
    return list(alarms.get("alarmNames", [])) if alarms.get("enable") else []


def _alarm_state(name: str) -> str:
    alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}
    return str(alarm.get("StateValue", ""))


def heed_alarms(service: Record) -> None:
    """Fail the deployment that goes on when one of its alarms went off, and roll it back if that is wanted."""
    entry = (service.get(HISTORY) or [None])[-1]
    if not entry or entry["triggered"] or _status(entry) != "IN_PROGRESS":
        return
    entry["triggered"] = [name for name in entry["watched"] if _alarm_state(name) == ALARMING]
    if not entry["triggered"]:
        return
    reason = f"Service deployment failed because the alarms {', '.join(entry['triggered'])} are in ALARM state."
    target = _rollback_target(entry) if service["deploymentConfiguration"]["alarms"].get("rollback") else None
    if target:
        _roll_back(entry, target, reason)
    else:
        entry["deployment"].update(rolloutState="FAILED", rolloutStateReason=reason)


def _arn(service: Record, kind: str, identifier: str) -> str:
    return f"{service['serviceArn'].replace(':service/', f':{kind}/', 1)}/{identifier}"


def _starting(original: Function) -> Function:
    def make(definition: str, count: int, status: str = "PRIMARY") -> Record:
        deployment: Record = original(definition, count, status)
        reason = f"ECS deployment {deployment['id']} in progress."
        deployment.update(rolloutState="IN_PROGRESS", rolloutStateReason=reason)
        return deployment

    return make


def _describe(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        wanted, known = params.get("serviceDeploymentArns", []), {one["arn"]: one for one in _all_entries()}
        found = [_view(known[arn]) for arn in wanted if arn in known]
        failures = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known]
        return answer({"serviceDeployments": found, "failures": failures})

    return describe


def _list(_original: Handler) -> Handler:
    def list_deployments(params: Params) -> Response:
        service = find_service(params)
        views = [_view(entry) for entry in reversed(service.get(HISTORY, []))] if service else []
        wanted = params.get("status") or [view["status"] for view in views]
        briefs = [_brief(view) for view in views if view["status"] in wanted]
        return answer(_page(briefs, params))

    return list_deployments


def _page(briefs: list[Record], params: Params) -> Record:
    size, start = int(params.get("maxResults") or PAGE), int(params.get("nextToken") or 0)
    more = {"nextToken": str(start + size)} if start + size < len(briefs) else {}
    return {"serviceDeployments": briefs[start : start + size], **more}


def _refuse_many(name: str) -> Check:
    def check(params: Params) -> Response | None:
        if len(params.get(name, [])) <= MOST_ARNS:
            return None
        return error("InvalidParameterException", f"{name} can have at most {MOST_ARNS} items.")

    return check


def _describe_revisions(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        wanted, known = params.get("serviceRevisionArns", []), {one["revision"]: one for one in _all_entries()}
        found = [_revision_view(known[arn]) for arn in wanted if arn in known]
        failures = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known]
        return answer({"serviceRevisions": found, "failures": failures})

    return describe


def _stop(_original: Handler) -> Handler:
    def stop(params: Params) -> Response:
        arn = params.get("serviceDeploymentArn", "")
        entry = next((one for one in _all_entries() if one["arn"] == arn), None)
        if not entry:
            return error(
                "ServiceDeploymentNotFoundException", "The service deploy ARN that you specified doesn't exist."
            )
        if _status(entry) not in ("PENDING", "IN_PROGRESS"):
            return error("ConflictException", "The service deployment is not in progress.")
        target = _rollback_target(entry)
        if not target:
            return error("InvalidParameterException", "There is no service revision to roll back to.")
        _roll_back(entry, target, "Service deployment rolled back because of a StopServiceDeployment call.")
        return answer({"serviceDeploymentArn": arn})

    return stop


def _rollback_target(entry: Record) -> Record | None:
    listed = entry["service"]["deployments"]
    return next((one for one in listed if one is not entry["deployment"] and one["rolloutState"] == "COMPLETED"), None)


def _roll_back(entry: Record, target: Record, reason: str) -> None:
    service, deployment = entry["service"], entry["deployment"]
    cluster, _slash, name = service["serviceArn"].partition(":service/")[2].partition("/")
    with resource_lock("ecs-service", f"{cluster}/{name}"):
        entry["stopped"] = True
        deployment.update(status="ACTIVE", rolloutState="FAILED", rolloutStateReason=reason, desiredCount=0)
        running = "ECS deployment rollback in progress."
        target.update(status="PRIMARY", rolloutState="IN_PROGRESS", rolloutStateReason=running)
        target["desiredCount"] = service["desiredCount"]
        service["taskDefinition"] = target["taskDefinition"]
        shifting.give_back(service, target)
        message = f"(service {name}) rolling back to (deployment {target['id']})."
        service["events"].insert(0, {"id": uuid.uuid4().hex, "createdAt": ecs._iso(), "message": message})
    ecs._reconcile_service_tasks(cluster, f"{cluster}/{name}")


def _all_entries() -> list[Record]:
    return [entry for service in ecs._services.values() for entry in service.get(HISTORY, [])]


def _view(entry: Record) -> Record:
    deployment, service = entry["deployment"], entry["service"]
    status = _status(entry)
    view: Record = {
        "serviceDeploymentArn": entry["arn"],
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": entry["started"],
        "startedAt": entry["started"],
        "updatedAt": _finish_time(entry) or time.time(),
        "targetServiceRevision": _counted(entry["revision"], deployment),
        "status": status,
        "statusReason": deployment.get("rolloutStateReason", ""),
        "deploymentConfiguration": service["deploymentConfiguration"],
        "deploymentCircuitBreaker": _breaker(entry),
        "alarms": _alarms_view(entry),
    }
    if "_stage" in deployment:
        view["lifecycleStage"] = deployment["_stage"]
    if entry["previous"]:
        view["sourceServiceRevisions"] = [{"arn": entry["previous"]}]
    if status not in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
        view["finishedAt"] = _finish_time(entry)
    if status.startswith("ROLLBACK"):
        view["rollback"] = {"reason": deployment["rolloutStateReason"], "serviceRevisionArn": entry["previous"]}
    return view


def _alarms_view(entry: Record) -> Record:
    names = _alarm_names(entry["service"])
    if not names:
        return {"status": "DISABLED"}
    ended = "MONITORING_COMPLETE" if _status(entry) == "SUCCESSFUL" else "MONITORING"
    return {
        "status": "TRIGGERED" if entry["triggered"] else ended,
        "alarmNames": names,
        "triggeredAlarmNames": entry["triggered"],
    }


def _brief(view: Record) -> Record:
    keys = ("serviceDeploymentArn", "serviceArn", "clusterArn", "createdAt", "startedAt", "finishedAt", "status")
    brief = {key: view[key] for key in (*keys, "statusReason") if key in view}
    return {**brief, "targetServiceRevisionArn": view["targetServiceRevision"]["arn"]}


def _counted(revision: str, deployment: Record) -> Record:
    counts = {"requested": "desiredCount", "running": "runningCount", "pending": "pendingCount"}
    return {"arn": revision, **{f"{name}TaskCount": deployment[key] for name, key in counts.items()}}


def _status(entry: Record) -> str:
    deployment = entry["deployment"]
    if deployment["rolloutState"] == "COMPLETED" or entry.get("succeeded"):
        entry["succeeded"] = True
        return "SUCCESSFUL"
    if deployment["rolloutState"] == "FAILED":
        return _rollback_status(entry)
    return "IN_PROGRESS" if deployment["status"] == "PRIMARY" else "STOPPED"


def _rollback_status(entry: Record) -> str:
    deployment, service = entry["deployment"], entry["service"]
    primary = ecs._primary_deployment(service)
    breaker = service["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
    if not (breaker.get("rollback") or entry.get("stopped")):
        return "STOPPED"
    if primary is deployment:
        # There is nothing to go back to before the first success.
        return "ROLLBACK_FAILED"
    return "ROLLBACK_IN_PROGRESS" if primary["rolloutState"] == "IN_PROGRESS" else "ROLLBACK_SUCCESSFUL"


def _finish_time(entry: Record) -> float | None:
    if _status(entry) in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
        return None
    return float(entry.setdefault("finished", time.time()))


def _breaker(entry: Record) -> Record:
    deployment, service = entry["deployment"], entry["service"]
    breaker = service["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
    if not breaker.get("enable"):
        return {"status": "DISABLED", "failureCount": 0, "threshold": 0}
    states = {"FAILED": "TRIGGERED", "COMPLETED": "MONITORING_COMPLETE"}
    return {
        "status": states.get(deployment["rolloutState"], "MONITORING"),
        "failureCount": int(deployment.get("failedTasks", 0)),
        "threshold": ecs._circuit_breaker_threshold(service),
    }


def _revision_view(entry: Record) -> Record:
    service = entry["service"]
    copied = ("launchType", "platformVersion", "platformFamily", "loadBalancers", "networkConfiguration")
    digests = entry["deployment"].get("_image_digests", {})
    return {
        "serviceRevisionArn": entry["revision"],
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "taskDefinition": entry["deployment"]["taskDefinition"],
        "createdAt": entry["started"],
        **{key: service[key] for key in copied if service.get(key)},
        **_resolved(entry),
        "containerImages": [_image(container, digests) for container in entry["containers"]],
    }


def _resolved(entry: Record) -> Record:
    group = entry["deployment"].get("_group")
    return {"resolvedConfiguration": {"loadBalancers": [{"targetGroupArn": group}]}} if group else {}


def _image(container: Record, digests: dict[str, str]) -> Record:
    digest = digests.get(container["name"]) or container["image"].partition("@")[2]
    image = {"containerName": container["name"], "image": container["image"]}
    return {**image, "imageDigest": digest} if digest else image
