# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans a set of security groups whose rules may refer to each other; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import (
    Call,
    Ref,
    Step,
    removal,
    tag_calls,
    tag_specification,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import (
    EVERYTHING,
    Rules,
    permissions,
    shown,
    wanted_rules,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import is_owned, refuse_foreign
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    tag_differences,
    tags_after,
)

DIRECTIONS = ("ingress", "egress")
# Rules may point to any group of the set, so all groups are made before and removed after them.
RULES, REMOVAL = 1, 2


def plan(current: Fields, params: Fields) -> Plan:
    names = {group["name"] for group in params["groups"]}
    if params["state"] == "absent":
        leaving = [group for name, group in current["groups"].items() if name in names]
        for group in leaving:
            refuse_foreign(f"security group {group['name']} ({group['id']})", group["tags"], params)
        return finish(current, params, (), leaving)
    changes = [change for group in params["groups"] if (change := plan_group(current, group, params))]
    undeclared = [group for name, group in current["groups"].items() if name in undeclared_names(current, params)]
    return finish(current, params, tuple(changes), undeclared if params["purge"] else [])


def finish(current: Fields, params: Fields, changes: tuple[Change, ...], leaving: list[Fields]) -> Plan:
    """Adds the removals and predicts the groups that remain."""
    removals = tuple(removal_of(group, current) for group in leaving)
    groups = {name: group for name, group in current["groups"].items() if group not in leaving}
    for change in changes:
        before = groups.get(change.name, {})
        groups[change.name] = {**before, **change.after}
    return Plan(summarise({**current, "groups": groups}, params), (*changes, *removals))


def undeclared_names(state: Fields, params: Fields) -> list[str]:
    """Returns the names of our groups in the VPC that nobody declared."""
    declared = {group["name"] for group in params["groups"]}
    return [
        name
        for name, group in state["groups"].items()
        if name not in declared and is_owned(group["tags"], params["tags"])
    ]


def summarise(state: Fields, params: Fields) -> Fields:
    """Returns the declared groups with rules for people."""
    declared = [group["name"] for group in params["groups"]]
    names = names_by_id(state)
    groups = {
        name: {**group, **{way: readable(group[way], names) for way in DIRECTIONS}}
        for name, group in state["groups"].items()
        if name in declared
    }
    return {"groups": groups, "undeclared": undeclared_names(state, params)}


def readable(rules: Any, names: Mapping[str, str]) -> list[Fields]:
    return rules if isinstance(rules, list) else shown(rules, names)


def names_by_id(state: Fields) -> dict[str, str]:
    names = {group["id"]: name for name, group in state["groups"].items()}
    return names | {prefix_list: name for name, prefix_list in state["prefix_lists"].items()}


def plan_group(current: Fields, wanted: Fields, params: Fields) -> Change | None:
    ids = {name: group["id"] for name, group in current["groups"].items()}
    refuse_unknown_groups(wanted, {*ids, *(group["name"] for group in params["groups"])})
    rules = {way: wanted_rules(wanted[way], ids, current["prefix_lists"]) for way in DIRECTIONS}
    tags = {**(params["tags"] or {}), "Name": wanted["name"]}
    group = current["groups"].get(wanted["name"])
    if group is None:
        return create_group(current, wanted, rules, tags, params)
    refuse_foreign(f"security group {group['name']} ({group['id']})", group["tags"], params)
    return update_group(current, group, rules, tags, params)


def refuse_unknown_groups(wanted: Fields, known: set[str]) -> None:
    named = [name for way in DIRECTIONS for rule in wanted[way] or [] for name in rule["groups"] or []]
    for name in named:
        if name not in known and not name.startswith("sg-") and name != KNOWN_AFTER_APPLY:
            raise PlanRefusedError(
                f"groups of a rule of {wanted['name']} holds {name}, which is neither declared nor in the VPC: "
                "declare it, or give the id of a group."
            )


def create_group(
    current: Fields, wanted: Fields, rules: dict[str, Rules], tags: dict[str, str], params: Fields
) -> Change:
    names = names_by_id(current)
    description = wanted["description"] or wanted["name"]
    request = {
        "GroupName": wanted["name"],
        "Description": description,
        "VpcId": params["vpc_id"],
        "TagSpecifications": tag_specification("security-group", tags),
    }
    steps: list[Step] = [Call("create_security_group", request, wanted["name"], ("GroupId",))]
    made_by_aws: dict[str, Rules] = {"ingress": {}, "egress": {EVERYTHING: ""}}
    for way in DIRECTIONS:
        steps += rule_steps(Ref(wanted["name"]), way, made_by_aws[way], rules[way], purge=True)
    fields = {
        "id": KNOWN_AFTER_APPLY,
        "name": wanted["name"],
        "description": description,
        **{way: shown(rules[way], names) for way in DIRECTIONS},
        "tags": tags,
    }
    return Change(Action.CREATE, "security_group", wanted["name"], after=fields, call=tuple(steps))


def update_group(
    current: Fields, group: Fields, rules: dict[str, Rules], tags: dict[str, str], params: Fields
) -> Change | None:
    names = names_by_id(current)
    before: Fields = {}
    after: Fields = {}
    steps: list[Step] = []
    for way in DIRECTIONS:
        kept = {} if params["purge_rules"] else group[way]
        target = {**kept, **rules[way]}
        if target != group[way]:
            before[way], after[way] = shown(group[way], names), shown(target, names)
            steps += rule_steps(group["id"], way, group[way], target, params["purge_rules"])
    purge_tags = params["purge_tags"] and params["tags"] is not None
    to_set, to_remove = tag_differences(group["tags"], tags, purge_tags)
    if to_set or to_remove:
        before["tags"], after["tags"] = group["tags"], tags_after(group["tags"], to_set, to_remove)
        steps += tag_calls(group["id"], to_set, to_remove)
    if not after:
        return None
    return Change(Action.UPDATE, "security_group", group["name"], before, after, tuple(steps))


def rule_steps(group: Any, way: str, current: Rules, wanted: Rules, purge: bool) -> list[Step]:
    """Returns the calls for one direction; new rules come first, so that allowed traffic never stops."""
    added = {rule: text for rule, text in wanted.items() if rule not in current}
    renamed = {rule: text for rule, text in wanted.items() if rule in current and current[rule] != text}
    removed = {rule: "" for rule in current if rule not in wanted} if purge else {}
    calls = {
        f"authorize_security_group_{way}": added,
        f"update_security_group_rule_descriptions_{way}": renamed,
        f"revoke_security_group_{way}": removed,
    }
    return [
        Call(operation, {"GroupId": group, "IpPermissions": permissions(rules)}, phase=RULES)
        for operation, rules in calls.items()
        if rules
    ]


def removal_of(group: Fields, current: Fields) -> Change:
    """Groups that point to each other keep each other alive, so the rules go first."""
    steps: list[Step] = []
    for way in DIRECTIONS:
        pointing = {rule: "" for rule in group[way] if rule.kind == "group"}
        steps += rule_steps(group["id"], way, pointing, {}, purge=True)
    steps.append(removal("delete_security_group", GroupId=group["id"], phase=REMOVAL))
    names = names_by_id(current)
    before = {**group, **{way: shown(group[way], names) for way in DIRECTIONS}}
    return Change(Action.DELETE, "security_group", group["name"], before=before, call=tuple(steps))
