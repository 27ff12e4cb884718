# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Target groups: the fields, attributes and load balancers that ministack forgets, and what AWS refuses."""

from __future__ import annotations

import re

from ministack.services import alb, ec2

from local_aws.elb.actions import target_groups
from local_aws.elb.api import Record, answer, error, not_found, pairs, text, texts
from local_aws.elb.defaults import TARGET_GROUP_ATTRIBUTES
from local_aws.hooks import Function, Handler, Params, Response, guard, patch, patch_action

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
ARN = re.compile(rb"<TargetGroupArn>([^<]+)")
IDENTITY = ("Protocol", "Port", "VpcId", "TargetType", "HealthCheckPath", "HealthCheckProtocol", "HealthCheckPort")


def install() -> None:
    """Complete the calls about target groups."""
    calls = alb._ACTION_MAP
    patch(alb, "_tg_xml", _view)
    patch_action(calls, "CreateTargetGroup", _create)
    guard(calls, "CreateTargetGroup", _refuse_create)
    guard(calls, "DescribeTargetGroups", _refuse_describe)
    guard(calls, "ModifyTargetGroupAttributes", _refuse_attributes)
    guard(calls, "DeleteTargetGroup", _refuse_delete)


def load_balancers(arn: str) -> list[str]:
    """The load balancers whose rules lead to a target group."""
    leading = {rule["ListenerArn"] for rule in alb._rules.all_values() if arn in _targets_of(rule)}
    found = [one["LoadBalancerArn"] for one in alb._listeners.all_values() if one["ListenerArn"] in leading]
    return list(dict.fromkeys(found))


def in_use() -> set[str]:
    """All target groups to which a rule of some listener leads, found in one pass over the rules of all accounts."""
    listeners = {one["ListenerArn"] for one in alb._listeners.all_values()}
    rules = [rule for rule in alb._rules.all_values() if rule["ListenerArn"] in listeners]
    return {arn for rule in rules for arn in _targets_of(rule)}


def _targets_of(rule: Record) -> list[str]:
    return [arn for action in rule["Actions"] for arn in target_groups(action)]


def _view(original: Function) -> Function:
    def view(group: Record) -> str:
        xml = original({**group, "LoadBalancerArns": load_balancers(group["TargetGroupArn"])})
        version = group.get("ProtocolVersion", "HTTP1")
        extra = f"<ProtocolVersion>{version}</ProtocolVersion><IpAddressType>ipv4</IpAddressType>"
        return str(xml).replace("</TargetType>", f"</TargetType>{extra}")

    return view


def _create(original: Handler) -> Handler:
    def create(params: Params) -> Response:
        existing = _find(text(params, "Name"))
        if existing and all(text(params, key, str(existing[key])) == str(existing[key]) for key in IDENTITY):
            return answer("CreateTargetGroup", f"<TargetGroups>{alb._tg_xml(existing)}</TargetGroups>")
        response = original(params)
        found = ARN.search(response[2])
        if not found:
            return response
        group = alb._tgs[found[1].decode()]
        group["ProtocolVersion"] = text(params, "ProtocolVersion", "HTTP1")
        defaults = [{"Key": key, "Value": value} for key, value in TARGET_GROUP_ATTRIBUTES.items()]
        alb._tg_attrs[group["TargetGroupArn"]] = defaults
        return answer("CreateTargetGroup", f"<TargetGroups>{alb._tg_xml(group)}</TargetGroups>")

    return create


def _find(name: str) -> Record | None:
    return next((group for group in alb._tgs.values() if group["TargetGroupName"] == name), None)


def _refuse_create(params: Params) -> Response | None:
    name, vpc = text(params, "Name"), text(params, "VpcId")
    if len(name) > 32:
        return error("ValidationError", f"Target group name '{name}' cannot be longer than '32' characters")
    if not NAME.fullmatch(name):
        message = "can only contain characters that are alphanumeric characters or hyphens(-)"
        return error("ValidationError", f"Target group name '{name}' {message}")
    if vpc and vpc not in ec2._vpcs:
        return error("ValidationError", f"The VPC ID '{vpc}' is not found")
    interval, timeout = (int(text(params, f"HealthCheck{key}Seconds", "0")) for key in ("Interval", "Timeout"))
    if interval and timeout and timeout >= interval:
        return error(
            "ValidationError", f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'"
        )
    return None


def _refuse_describe(params: Params) -> Response | None:
    for arn, group in alb._tgs.items():
        group["LoadBalancerArns"] = load_balancers(arn)
    names = {group["TargetGroupName"] for group in alb._tgs.values()}
    unknown_names = set(texts(params, "Names")) - names
    unknown_arns = [arn for arn in texts(params, "TargetGroupArns") if arn not in alb._tgs]
    return not_found("TargetGroup") if unknown_arns or unknown_names else None


def _refuse_attributes(params: Params) -> Response | None:
    unknown = pairs(params, "Attributes").keys() - TARGET_GROUP_ATTRIBUTES.keys()
    if unknown:
        return error("ValidationError", f"Target group attribute key '{min(unknown)}' is not recognized")
    return None


def _refuse_delete(params: Params) -> Response | None:
    arn = text(params, "TargetGroupArn")
    if arn not in alb._tgs:
        # Deleting what is gone succeeds on AWS.
        response: Response = alb._empty("DeleteTargetGroup")
        return response
    if load_balancers(arn):
        return error("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
    return None
