# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules: their order, their priorities and what AWS refuses."""

from __future__ import annotations

from ministack.services import alb

from local_aws.elb.api import Record, answer, error, not_found, prefixes, text, texts
from local_aws.elb.listeners import refuse_actions
from local_aws.hooks import Handler, Params, Response, guard, patch_action


def install() -> None:
    """Complete the calls about rules."""
    calls = alb._ACTION_MAP
    guard(calls, "CreateRule", _refuse_create)
    guard(calls, "ModifyRule", _refuse_modify)
    guard(calls, "DeleteRule", _refuse_delete)
    guard(calls, "SetRulePriorities", _refuse_priorities)
    patch_action(calls, "DescribeRules", _describe)
    guard(calls, "DescribeRules", _refuse_describe)


def _refuse_create(params: Params) -> Response | None:
    listener, priority = alb._listeners.get(text(params, "ListenerArn")), text(params, "Priority")
    if not listener:
        return not_found("Listener")
    if _find_by_priority(listener["ListenerArn"], priority):
        return error("PriorityInUse", f"Priority '{priority}' is currently in use")
    return refuse_actions(params, "Actions", listener["Protocol"], listener["LoadBalancerArn"])


def _find_by_priority(listener: str, priority: str) -> Record | None:
    same = (rule for rule in alb._rules.values() if rule["ListenerArn"] == listener)
    return next((rule for rule in same if str(rule["Priority"]) == priority), None)


def _refuse_modify(params: Params) -> Response | None:
    rule = alb._rules.get(text(params, "RuleArn"))
    listener = alb._listeners.get(rule["ListenerArn"]) if rule else None
    if not listener:
        return not_found("Rule")
    return refuse_actions(params, "Actions", listener["Protocol"], listener["LoadBalancerArn"])


def _refuse_delete(params: Params) -> Response | None:
    rule = alb._rules.get(text(params, "RuleArn"))
    if not rule:
        return not_found("Rule")
    if rule["IsDefault"]:
        return error("OperationNotPermitted", f"Default rule '{rule['RuleArn']}' cannot be deleted")
    return None


def _refuse_priorities(params: Params) -> Response | None:
    members = list(prefixes(params, "RulePriorities", "RuleArn"))
    wanted = {text(params, member + "RuleArn"): text(params, member + "Priority") for member in members}
    for arn, priority in wanted.items():
        rule = alb._rules.get(arn)
        if not rule:
            return not_found("Rule")
        holder = _find_by_priority(rule["ListenerArn"], priority)
        if holder and holder["RuleArn"] not in wanted:
            return error("PriorityInUse", f"Priority '{priority}' is currently in use")
    return None


def _refuse_describe(params: Params) -> Response | None:
    listener = text(params, "ListenerArn")
    if listener and listener not in alb._listeners:
        return not_found("Listener")
    return not_found("Rule") if any(arn not in alb._rules for arn in texts(params, "RuleArns")) else None


def _describe(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        listener, arns = text(params, "ListenerArn"), texts(params, "RuleArns")
        rules = [
            rule
            for rule in alb._rules.values()
            if listener in ("", rule["ListenerArn"]) and (not arns or rule["RuleArn"] in arns)
        ]
        views = "".join(alb._rule_xml(rule) for rule in sorted(rules, key=alb._rule_sort_key))
        return answer("DescribeRules", f"<Rules>{views}</Rules>")

    return describe
