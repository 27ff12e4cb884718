# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Target health: real health checks, as configured, of every target of a target group in use."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ministack.services import alb

from local_aws.elb.api import Record, answer, elements, members, not_found
from local_aws.elb.target_groups import in_use, load_balancers
from local_aws.hooks import Handler, Params, Response, patch_action

TICK_SECONDS = 0.25
CHECKERS = 16
Key = tuple[str, str, int]


@dataclass
class Target:
    """What the checks of one target have shown so far."""

    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    failures: int = 0
    successes: int = 0
    next_check: float = 0.0


_targets: dict[Key, Target] = {}
_UNUSED = Target(
    "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
)
_UNKNOWN = Target("unused", "Target.NotRegistered", "Target is not registered to the target group")


def install() -> None:
    """Start checking, and tell the results."""
    patch_action(alb._ACTION_MAP, "DescribeTargetHealth", _describe)
    threading.Thread(target=_check_forever, name="local-aws-target-health", daemon=True).start()


def state(group: str, address: str, port: int) -> str:
    """The state of a target: initial, healthy, unhealthy or unused."""
    return _find((group, address, port)).state


def description(group: str, address: str, port: int) -> str:
    """Why a target is unhealthy, in words; empty when it is not."""
    found = _find((group, address, port))
    return found.description if found.state == "unhealthy" else ""


def usable_targets(group: str) -> list[Record]:
    """The targets that receive traffic: the healthy ones, or all when none is healthy."""
    registered = list(alb._targets.get(group, []))
    healthy = [target for target in registered if _find(_key(group, target)).state == "healthy"]
    return healthy or registered


def _describe(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        group = alb._p(params, "TargetGroupArn")
        if group not in alb._tgs:
            return not_found("TargetGroup")
        asked = alb._parse_targets_param(params) or alb._targets.get(group, [])
        return answer("DescribeTargetHealth", members("TargetHealthDescriptions", [_view(group, one) for one in asked]))

    return describe


def _view(group: str, target: Record) -> str:
    _arn, address, port = key = _key(group, target)
    found = _find(key)
    health = {"State": found.state}
    if found.state != "healthy":
        health |= {"Reason": found.reason, "Description": found.description}
    where = elements({"Id": address, "Port": port})
    check_port = elements({"HealthCheckPort": port})
    return f"<Target>{where}</Target>{check_port}<TargetHealth>{elements(health)}</TargetHealth>"


def _key(group: str, target: Record) -> Key:
    return group, target["Id"], int(target.get("Port") or alb._tgs[group]["Port"])


def _find(key: Key) -> Target:
    if not load_balancers(key[0]):
        return _UNUSED
    registered = {_key(key[0], target) for target in alb._targets.get(key[0], [])}
    return _targets.get(key, Target()) if key in registered else _UNKNOWN


def _check_forever() -> None:
    with ThreadPoolExecutor(CHECKERS, thread_name_prefix="local-aws-health-check") as checkers:
        while True:
            for key, group in _due():
                checkers.submit(_check, key, group)
            time.sleep(TICK_SECONDS)


def _due() -> list[tuple[Key, Record]]:
    now, registered = time.monotonic(), _registered()
    for gone in _targets.keys() - registered.keys():
        del _targets[gone]
    due = []
    for key, group in registered.items():
        target = _targets.setdefault(key, Target())
        if now >= target.next_check:
            target.next_check = now + int(group["HealthCheckIntervalSeconds"])
            due.append((key, group))
    return due


def _registered() -> dict[Key, Record]:
    found: dict[Key, Record] = {}
    used = in_use()
    for (account, region, arn), group in alb._tgs.all_items():
        if group["TargetType"] != "lambda" and arn in used:
            for target in alb._targets.get_scoped(account, region, arn) or []:
                found[arn, target["Id"], int(target.get("Port") or group["Port"])] = group
    return found


def _check(key: Key, group: Record) -> None:
    target = _targets.get(key)
    if not target:
        return
    problem = _probe(key[1], key[2], group)
    if problem:
        _note_failure(target, group, *problem)
    else:
        _note_success(target, group)


def _note_success(target: Target, group: Record) -> None:
    target.failures, target.successes = 0, target.successes + 1
    # One success is enough for a new target; the threshold is for one that was unhealthy.
    if target.state == "initial" or target.successes >= int(group["HealthyThresholdCount"]):
        target.state, target.reason, target.description = "healthy", "", ""


def _note_failure(target: Target, group: Record, reason: str, description: str) -> None:
    target.failures, target.successes = target.failures + 1, 0
    if target.failures >= int(group["UnhealthyThresholdCount"]):
        target.state, target.reason, target.description = "unhealthy", reason, description
    elif target.state == "initial":
        target.reason, target.description = "Elb.InitialHealthChecking", "Initial health checks in progress"


def _probe(address: str, port: int, group: Record) -> tuple[str, str] | None:
    check_port = group["HealthCheckPort"]
    connection = _connection(group, address, port if check_port == "traffic-port" else int(check_port))
    try:
        connection.request("GET", group["HealthCheckPath"], headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        return "Target.Timeout", "Request timed out"
    except (OSError, http.client.HTTPException):
        return "Target.FailedHealthChecks", "Health checks failed"
    finally:
        connection.close()
    if _matches(status, group["Matcher"]["HttpCode"]):
        return None
    return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"


def _connection(group: Record, address: str, port: int) -> http.client.HTTPConnection:
    timeout = int(group["HealthCheckTimeoutSeconds"])
    if group["HealthCheckProtocol"] == "HTTPS":
        # A load balancer does not verify its targets' certificates.
        return http.client.HTTPSConnection(address, port, timeout=timeout, context=ssl._create_unverified_context())
    return http.client.HTTPConnection(address, port, timeout=timeout)


def _matches(status: int, codes: str) -> bool:
    for part in codes.split(","):
        first, _dash, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False
