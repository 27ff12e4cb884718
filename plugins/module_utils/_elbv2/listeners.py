# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans the listeners of a load balancer and their rules, and carries the plan out.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2 import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.common import change_tags
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.shared_traffic import as_left
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.transformations import (
    normal_action,
    normal_conditions,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    PlanRefusedError,
    differences,
    tag_differences,
    tags_after,
)

LISTENER = "elb_listener"
RULE = "elb_listener_rule"
LISTENER_FIELDS = ("protocol", "certificate_arn", "ssl_policy", "default_actions")
CONDITION_VALUES = 5
LAST_PRIORITY = 50000
# What lets a request pass to the next action or not.
GATES = ("authenticate_cognito", "jwt_validation")


@dataclass(frozen=True)
class Scope:
    """What all listeners of one load balancer have in common."""

    name: str
    tags: Mapping[str, str] | None
    purge_tags: bool
    purge_listeners: bool
    purge_rules: bool

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Scope:
        return cls(*(params[one] for one in ("name", "tags", "purge_tags", "purge_listeners", "purge_rules")))

    def new(self, fields: Fields) -> Fields:
        return {**fields, "tags": dict(self.tags or {})}


@dataclass(frozen=True)
class Call:
    """What ``apply_change`` needs beyond the fields that are shown."""

    port: int
    arn: str | None = None
    request: Fields = field(default_factory=dict)
    tags_to_set: Mapping[str, str] = field(default_factory=dict)
    tags_to_remove: list[str] = field(default_factory=list)


Planned = tuple[list[Fields], list[Change]]


def plan_listeners(current: list[Fields], given: list[Fields] | None, scope: Scope) -> Planned:
    """Returns the listeners as they will be and the changes that lead there."""
    if given is None:
        return current, []
    desired = [normal_listener(listener) for listener in given]
    refuse_repeats([listener["port"] for listener in desired], f"port of the listeners of {scope.name}")
    held = {listener["port"]: listener for listener in current}
    planned = [plan_listener(held.pop(listener["port"], None), listener, scope) for listener in desired]
    listeners = [listener for listener, _changes in planned]
    changes = [change for _listener, some in planned for change in some]
    surplus = list(held.values())
    if scope.purge_listeners:
        return listeners, changes + [deletion(LISTENER, scope.name, one, one["port"]) for one in surplus]
    return listeners + surplus, changes


def normal_listener(given: Mapping[str, Any]) -> Fields:
    secure = given["protocol"] == "HTTPS"
    listener = {
        "port": given["port"],
        "protocol": given["protocol"],
        "certificate_arn": given["certificate_arn"] if secure else None,
        "ssl_policy": given["ssl_policy"] if secure else None,
        "default_actions": [normal_action(action) for action in given["default_actions"]],
        "rules": [normal_rule(rule) for rule in given["rules"]],
    }
    refuse_repeats([rule["priority"] for rule in listener["rules"]], f"priority of the rules at port {given['port']}")
    for actions in (listener["default_actions"], *(rule["actions"] for rule in listener["rules"])):
        refuse_bad_actions(actions, listener)
    return listener


def normal_rule(given: Mapping[str, Any]) -> Fields:
    priority, conditions = given["priority"], normal_conditions(given)
    values = sum(len(one.get("values", [one])) if isinstance(one, dict) else 1 for one in _each(conditions))
    if not 1 <= values <= CONDITION_VALUES:
        raise PlanRefusedError(
            f"The rule with priority {priority} has {values} values in its conditions, AWS takes 1 to "
            f"{CONDITION_VALUES}: spread them over several rules."
        )
    if not 1 <= priority <= LAST_PRIORITY:
        raise PlanRefusedError(f"priority of a rule is {priority}: AWS takes 1 to {LAST_PRIORITY}.")
    return {
        "priority": priority,
        "conditions": conditions,
        "actions": [normal_action(action) for action in given["actions"]],
    }


def _each(conditions: Fields) -> Iterable[Any]:
    return (one for values in conditions.values() for one in values)


def refuse_repeats(values: list[int], what: str) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise PlanRefusedError(f"The {what} is given more than once: {', '.join(map(str, repeated))}. Use each once.")


def refuse_bad_actions(actions: list[Fields], listener: Fields) -> None:
    gates = [action["type"] in GATES for action in actions]
    where = f"the listener at port {listener['port']}"
    if any(gates) and listener["protocol"] != "HTTPS":
        raise PlanRefusedError(
            f"An action of {where} asks for a login or a token, which AWS allows with protocol HTTPS only."
        )
    if not actions or gates[-1] or not all(gates[:-1]):
        kinds = ", ".join(action["type"] for action in actions) or "none"
        raise PlanRefusedError(
            f"The actions of {where} are {kinds}: give one of forward, redirect and fixed_response, as the last."
        )


def plan_listener(current: Fields | None, desired: Fields, scope: Scope) -> tuple[Fields, list[Change]]:
    port = desired["port"]
    name = f"{scope.name}:{port}"
    rules, rule_changes = plan_rules(current["rules"] if current else [], desired["rules"], scope, port)
    fields = {key: value for key, value in desired.items() if key != "rules"}
    fields["default_actions"] = as_left(fields["default_actions"], current["default_actions"] if current else [])
    if current is None:
        new = scope.new(fields)
        change = Change(Action.CREATE, LISTENER, name, after=new, call=Call(port, request=new))
        return {**new, "arn": KNOWN_AFTER_APPLY, "rules": rules}, [change, *rule_changes]
    managed = {key: fields[key] for key in LISTENER_FIELDS}
    after, changes = plan_update(LISTENER, name, current, managed, scope, request=fields)
    return {**current, **after, "rules": rules}, [*changes, *rule_changes]


def plan_update(
    resource: str, name: str, current: Fields, desired: Fields, scope: Scope, request: Fields | None = None
) -> tuple[Fields, list[Change]]:
    """Returns the fields that change, and the change if there is one."""
    before, after = differences(current, desired)
    modified = (after if request is None else request) if after else {}
    to_set, to_remove = tag_differences(current["tags"], scope.tags, scope.purge_tags)
    call = Call(current.get("port", 0), current["arn"], modified, to_set, to_remove)
    if to_set or to_remove:
        before, after = dict(before), dict(after)
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    return after, [Change(Action.UPDATE, resource, name, before, after, call=call)] if after else []


def plan_rules(current: list[Fields], desired: list[Fields], scope: Scope, port: int) -> Planned:
    pairs, surplus = match_rules(current, desired, scope.purge_rules)
    rules: list[Fields] = []
    changes: list[Change] = []
    for held, rule in pairs:
        result, some = plan_rule(held, rule, scope, port)
        rules.append(result)
        changes += some
    if scope.purge_rules:
        return rules, changes + [deletion(RULE, scope.name, one, port, one["priority"]) for one in surplus]
    return rules + surplus, changes


def match_rules(
    current: list[Fields], desired: list[Fields], may_move: bool
) -> tuple[list[tuple[Fields | None, Fields]], list[Fields]]:
    """Pairs each rule with the one it is now: the one of its priority, else one that only moved."""
    spare = {rule["priority"]: rule for rule in current}
    exact = {rule["priority"]: spare.pop(rule["priority"], None) for rule in desired}
    pairs: list[tuple[Fields | None, Fields]] = []
    for rule in desired:
        held = exact[rule["priority"]]
        if held is None and may_move:
            held = next((one for one in spare.values() if is_same_but_for_priority(one, rule)), None)
            if held:
                del spare[held["priority"]]
        pairs.append((held, rule))
    return pairs, list(spare.values())


def is_same_but_for_priority(one: Fields, other: Fields) -> bool:
    return one["conditions"] == other["conditions"] and one["actions"] == as_left(other["actions"], one["actions"])


def plan_rule(current: Fields | None, desired: Fields, scope: Scope, port: int) -> tuple[Fields, list[Change]]:
    name = f"{scope.name}:{port}/{desired['priority']}"
    desired = {**desired, "actions": as_left(desired["actions"], current["actions"] if current else [])}
    if current is None:
        new = scope.new(desired)
        change = Change(Action.CREATE, RULE, name, after=new, call=Call(port, request=new))
        return {**new, "arn": KNOWN_AFTER_APPLY}, [change]
    wanted = {**desired, "transforms": []} if "transforms" in current else desired
    after, changes = plan_update(RULE, name, current, wanted, scope)
    return {**current, **after}, changes


def deletion(resource: str, name: str, current: Fields, port: int, priority: int | None = None) -> Change:
    path = f"{name}:{port}" if priority is None else f"{name}:{port}/{priority}"
    return Change(Action.DELETE, resource, path, before=current, call=Call(port, current["arn"]))


def apply_change(client: Any, change: Change, load_balancer_arn: str, listener_arns: dict[int, str]) -> None:
    """Carries out one change of a listener or a rule, and notes the ARN of a new listener."""
    if change.resource == LISTENER:
        apply_listener(client, change, load_balancer_arn, listener_arns)
    else:
        apply_rule(client, change, listener_arns)


def apply_listener(client: Any, change: Change, load_balancer_arn: str, listener_arns: dict[int, str]) -> None:
    call: Call = change.call
    if change.action is Action.DELETE:
        api.delete_listener(client, call.arn)
    elif change.action is Action.CREATE:
        listener_arns[call.port] = api.create_listener(client, load_balancer_arn, call.request)
    else:
        if call.request:
            api.update_listener(client, call.arn, call.request)
        change_tags(client, str(call.arn), call.tags_to_set, call.tags_to_remove)


def apply_rule(client: Any, change: Change, listener_arns: dict[int, str]) -> None:
    call: Call = change.call
    if change.action is Action.DELETE:
        api.delete_rule(client, call.arn)
    elif change.action is Action.CREATE:
        api.create_rule(client, listener_arns[call.port], call.request)
    else:
        api.update_rule(client, call.arn, call.request)
        change_tags(client, str(call.arn), call.tags_to_set, call.tags_to_remove)
