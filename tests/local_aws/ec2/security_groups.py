# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security groups: one stored rule per peer, grouped in the group's view, with AWS's checks on what is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ministack.services import alb

from ..hooks import Function, Handler, Params, Response, guard, patch, patch_action
from .api import backend, error, escape, first_missing, id_in, members, reply, text
from .rules import PEERS, Rule, malformed, one_rule_per_peer, without_description
from .vpcs import missing_vpc

DIRECTIONS = {"Ingress": "IpPermissions", "Egress": "IpPermissionsEgress"}
VALID_TEXT = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")


def install() -> None:
    actions = backend._ACTION_MAP
    patch(backend, "_parse_ip_permissions", one_rule_per_peer)
    patch(backend, "_strip_descriptions", lambda _original: without_description)
    patch(backend, "_sg_xml", _grouping_rules)
    patch(backend, "_sg_rule_xml", _showing_prefix_list)
    patch_action(actions, "CreateSecurityGroup", _showing_tags)
    guard(actions, "CreateSecurityGroup", _check_create)
    guard(actions, "DeleteSecurityGroup", _check_delete)
    guard(actions, "DescribeSecurityGroupRules", _check_rule_ids)
    for direction, key in DIRECTIONS.items():
        guard(actions, f"AuthorizeSecurityGroup{direction}", _checking_authorize(key))
        guard(actions, f"RevokeSecurityGroup{direction}", _checking_revoke(key))
        name = f"UpdateSecurityGroupRuleDescriptions{direction}"
        patch_action(actions, name, _describing_rules(name, key), new=True)


def _check_create(params: Params) -> Response | None:
    name, description = text(params, "GroupName"), text(params, "GroupDescription")
    if text(params, "VpcId") and missing_vpc(params):
        return missing_vpc(params)
    if not description:
        return error("MissingParameter", "The request must contain the parameter GroupDescription")
    if name.startswith("sg-") or not VALID_TEXT.fullmatch(name):
        return error("InvalidParameterValue", f"Value ({name}) for parameter GroupName is invalid.")
    if not VALID_TEXT.fullmatch(description):
        return error("InvalidParameterValue", "Invalid security group description.")
    return None


def _showing_tags(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        group_id = id_in(response, "sg-")
        if group_id is None:
            return response
        status, headers, body = response
        return status, headers, body.replace(b"<requestId>", backend._tag_set_xml(group_id).encode() + b"<requestId>")

    return run


def _check_delete(params: Params) -> Response | None:
    group_id = text(params, "GroupId")
    if group_id not in backend._security_groups:
        return None
    if _has_members(group_id) or _is_referenced(group_id):
        return error("DependencyViolation", f"resource {group_id} has a dependent object")
    return None


def _has_members(group_id: str) -> bool:
    interfaces = backend._network_interfaces.values()
    balanced = any(group_id in balancer.get("SecurityGroups", []) for balancer in alb._lbs.values())
    return balanced or any(group["GroupId"] == group_id for card in interfaces for group in card.get("Groups", []))


def _is_referenced(group_id: str) -> bool:
    others = (group for group in backend._security_groups.values() if group["GroupId"] != group_id)
    rules = (rule for group in others for key in DIRECTIONS.values() for rule in group[key])
    return any(peer.get("GroupId") == group_id for rule in rules for peer in rule.get("UserIdGroupPairs", []))


def _check_rule_ids(params: Params) -> Response | None:
    known = {
        backend._sg_rule_id(group["GroupId"], key == DIRECTIONS["Egress"], rule)
        for group in backend._security_groups.values()
        for key in DIRECTIONS.values()
        for rule in group[key]
    }
    return first_missing(
        members(params, "SecurityGroupRuleId"), known, "InvalidSecurityGroupRuleId.NotFound", "security group rule"
    )


def _group(params: Params) -> Any:
    return backend._security_groups.get(text(params, "GroupId"))


def _stored(group: Any, key: str, rule: Rule) -> Rule | None:
    return next((stored for stored in group[key] if without_description(stored) == without_description(rule)), None)


def _checking_authorize(key: str) -> Callable[[Params], Response | None]:
    def check(params: Params) -> Response | None:
        group = _group(params)
        if group is None:
            return None
        problem = malformed(params)
        if problem:
            return problem
        rules = backend._parse_ip_permissions(params, "IpPermissions")
        return _unknown_peer(rules) or _duplicate(rules, group, key)

    return check


def _unknown_peer(rules: list[Rule]) -> Response | None:
    for rule in rules:
        for peer in rule["UserIdGroupPairs"]:
            if peer.get("GroupId") and peer["GroupId"] not in backend._security_groups:
                return error("InvalidGroup.NotFound", f"The security group '{peer['GroupId']}' does not exist")
        for peer in rule["PrefixListIds"]:
            prefix_list = peer["PrefixListId"]
            if prefix_list not in backend._prefix_lists and not backend._resolve_aws_pl_by_id(prefix_list):
                return error("InvalidPrefixListId.NotFound", f"The prefix list ID '{prefix_list}' does not exist")
    return None


def _duplicate(rules: list[Rule], group: Any, key: str) -> Response | None:
    seen: list[Rule] = []
    for rule in rules:
        bare = without_description(rule)
        if bare in seen or _stored(group, key, rule):
            return error("InvalidPermission.Duplicate", f"the specified rule {bare} already exists")
        seen.append(bare)
    return None


def _checking_revoke(key: str) -> Callable[[Params], Response | None]:
    def check(params: Params) -> Response | None:
        group = _group(params)
        if group is None or members(params, "SecurityGroupRuleId"):
            return None
        problem = malformed(params)
        if problem:
            return problem
        rules = backend._parse_ip_permissions(params, "IpPermissions")
        if all(_stored(group, key, rule) for rule in rules):
            return None
        return error("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")

    return check


def _describing_rules(action: str, key: str) -> Callable[[Handler], Handler]:
    def run(params: Params) -> Response:
        group = _group(params)
        if group is None:
            return error("InvalidGroup.NotFound", f"The security group '{text(params, 'GroupId')}' does not exist")
        pairs = [(_stored(group, key, rule), rule) for rule in backend._parse_ip_permissions(params, "IpPermissions")]
        if not all(stored for stored, _rule in pairs):
            return error("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        for stored, rule in pairs:
            if stored is not None:
                stored.pop("Description", None)
                stored.update({kind: rule[kind] for kind in PEERS})
        return reply(action)

    return lambda _original: run


def _grouping_rules(original: Function) -> Function:
    def run(group: dict[str, Any]) -> str:
        view = {key: _grouped(group[key]) for key in DIRECTIONS.values()}
        texts = {name: escape(group[name]) for name in ("GroupName", "Description")}
        return str(original({**group, **view, **texts}))

    return run


def _grouped(rules: list[Rule]) -> list[Rule]:
    """A group's view joins the rules of one protocol and port range into one permission."""
    permissions: dict[tuple[Any, ...], Rule] = {}
    for rule in rules:
        ports = (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
        empty = {**rule, **{kind: [] for kind in PEERS}}
        permission = permissions.setdefault(ports, empty)
        for kind in PEERS:
            permission[kind] += rule.get(kind, [])
    return list(permissions.values())


def _showing_prefix_list(original: Function) -> Function:
    def run(group_id: str, rule: Rule, is_egress: bool = False) -> str:
        view = str(original(group_id, rule, is_egress))
        for peer in rule.get("PrefixListIds", []):
            view = view.replace("</toPort>", f"</toPort><prefixListId>{peer['PrefixListId']}</prefixListId>")
        return view

    return run
