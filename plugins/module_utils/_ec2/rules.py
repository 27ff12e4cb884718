# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Security group rules in the form in which they are compared: one peer each; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Ref
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError

ANY_PROTOCOL = "-1"
PEER_LISTS = {
    "cidr": ("IpRanges", "CidrIp"),
    "ipv6_cidr": ("Ipv6Ranges", "CidrIpv6"),
    "prefix_list": ("PrefixListIds", "PrefixListId"),
    "group": ("UserIdGroupPairs", "GroupId"),
}


@dataclass(frozen=True, order=True)
class Rule:
    """What makes a rule unique for AWS; ``peer`` is a range or an id, or the name of a group still to be made."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    peer: str


Rules = dict[Rule, str]
EVERYTHING = Rule(ANY_PROTOCOL, -1, -1, "cidr", "0.0.0.0/0")


def rules_of(permissions: Iterable[Fields]) -> Rules:
    """Returns AWS's permissions as rules with their descriptions."""
    return {
        _rule(permission, kind, entry[key]): entry.get("Description", "")
        for permission in permissions
        for kind, (group, key) in PEER_LISTS.items()
        for entry in permission.get(group, [])
    }


def _rule(permission: Fields, kind: str, peer: str) -> Rule:
    protocol = permission["IpProtocol"]
    if protocol == ANY_PROTOCOL:
        return Rule(protocol, -1, -1, kind, peer)
    return Rule(protocol, permission.get("FromPort", -1), permission.get("ToPort", -1), kind, peer)


def wanted_rules(
    declared: Iterable[Fields] | None, groups: Mapping[str, str], prefix_lists: Mapping[str, str]
) -> Rules:
    """Returns declared rules with names replaced by ids as far as they are known."""
    rules: Rules = {}
    for rule in declared or []:
        for kind, peer in _peers(rule, groups, prefix_lists):
            protocol = rule["protocol"]
            first = rule["port"] if rule["port"] is not None and protocol != ANY_PROTOCOL else -1
            last = first if rule["to_port"] is None else rule["to_port"]
            rules[Rule(protocol, first, last, kind, peer)] = rule["description"] or ""
    return rules


def _peers(rule: Fields, groups: Mapping[str, str], prefix_lists: Mapping[str, str]) -> list[tuple[str, str]]:
    peers = [_range(cidr) for cidr in rule["cidrs"] or []]
    peers += [("prefix_list", _prefix_list(name, prefix_lists)) for name in rule["prefix_lists"] or []]
    peers += [("group", groups.get(name, name)) for name in rule["groups"] or []]
    if not peers:
        raise PlanRefusedError(
            f"rule '{rule['description'] or rule['port']}' has no peer: set cidrs, groups or prefix_lists."
        )
    return peers


def _range(cidr: str) -> tuple[str, str]:
    """Returns a range without host bits, as AWS stores it."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise PlanRefusedError(f"cidrs holds '{cidr}', which is no address range: write it like 10.0.0.0/16.") from None
    return ("cidr" if network.version == 4 else "ipv6_cidr"), str(network)


def _prefix_list(name: str, prefix_lists: Mapping[str, str]) -> str:
    if name.startswith("pl-"):
        return name
    if name not in prefix_lists:
        raise PlanRefusedError(f"prefix_lists holds {name}, and this region has no prefix list of that name.")
    return prefix_lists[name]


def permissions(rules: Mapping[Rule, str]) -> list[Fields]:
    """Returns rules in the form of a request."""
    return [_permission(rule, description) for rule, description in sorted(rules.items())]


def _permission(rule: Rule, description: str) -> Fields:
    group, key = PEER_LISTS[rule.kind]
    needs_reference = rule.kind == "group" and not rule.peer.startswith("sg-")
    entry: Fields = {key: Ref(rule.peer) if needs_reference else rule.peer}
    if description:
        entry["Description"] = description
    ports = {} if rule.protocol == ANY_PROTOCOL else {"FromPort": rule.from_port, "ToPort": rule.to_port}
    return {"IpProtocol": rule.protocol, **ports, group: [entry]}


def shown(rules: Mapping[Rule, str], names: Mapping[str, str]) -> list[Fields]:
    """Returns rules for people: groups and prefix lists by name where it is known."""
    return [_shown(rule, description, names) for rule, description in sorted(rules.items())]


def _shown(rule: Rule, description: str, names: Mapping[str, str]) -> Fields:
    ports: dict[str, Any] = {}
    if rule.protocol != ANY_PROTOCOL:
        ports = {"port": rule.from_port}
        if rule.to_port != rule.from_port:
            ports["to_port"] = rule.to_port
    return {"protocol": rule.protocol, **ports, "peer": names.get(rule.peer, rule.peer), "description": description}
