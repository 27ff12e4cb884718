# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security group rules as AWS stores them: one peer each, protocol and range in their normal form."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from ..hooks import Function, Params, Response
from .api import error, text

Rule = dict[str, Any]

PEERS = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
IDENTITY = ("CidrIp", "CidrIpv6", "PrefixListId", "GroupId")
PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
RANGES = re.compile(r"IpPermissions\.\d+\.(?:IpRanges\.\d+\.CidrIp|Ipv6Ranges\.\d+\.CidrIpv6)|CidrIp")
DESCRIPTIONS = re.compile(r"IpPermissions\.\d+\.\w+\.\d+\.Description")
VALID_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def one_rule_per_peer(original: Function) -> Function:
    """ministack keeps a permission with many peers as one rule; AWS makes one rule, with its own id, of each."""

    def run(params: Params, prefix: str) -> list[Rule]:
        rules = []
        for number, permission in enumerate(original(params, prefix), 1):
            permission["PrefixListIds"] += _prefix_lists(params, f"{prefix}.{number}.PrefixListIds")
            _normalise(permission)
            rules += _split(permission)
        return rules

    return run


def _prefix_lists(params: Params, prefix: str) -> list[dict[str, str]]:
    peers: list[dict[str, str]] = []
    while prefix_list := text(params, f"{prefix}.{len(peers) + 1}.PrefixListId"):
        description = text(params, f"{prefix}.{len(peers) + 1}.Description")
        peers.append({"PrefixListId": prefix_list} | ({"Description": description} if description else {}))
    return peers


def _normalise(permission: Rule) -> None:
    permission["IpProtocol"] = PROTOCOLS.get(permission["IpProtocol"], permission["IpProtocol"])
    for kind, name in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
        for peer in permission[kind]:
            peer[name] = str(ipaddress.ip_network(peer[name], strict=False))
    if permission["IpProtocol"] == "-1":
        permission.pop("FromPort", None)
        permission.pop("ToPort", None)


def _split(permission: Rule) -> list[Rule]:
    bare = {**permission, **{kind: [] for kind in PEERS}}
    return [{**bare, **{each: [] for each in PEERS}, kind: [peer]} for kind in PEERS for peer in permission[kind]]


def without_description(rule: Rule) -> Rule:
    """What makes a rule the same rule for AWS: protocol, ports and peer."""
    ports = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if rule.get(name) not in (None, "")}
    peers = {
        kind: [{name: peer[name] for name in IDENTITY if name in peer} for peer in rule.get(kind, [])] for kind in PEERS
    }
    return {**ports, **peers}


def malformed(params: Params) -> Response | None:
    """AWS's refusals of rules that make no sense, before anything is looked up."""
    return _bad_range(params) or _bad_description(params) or _bad_ports(params)


def _bad_range(params: Params) -> Response | None:
    for name in params:
        if RANGES.fullmatch(name):
            try:
                ipaddress.ip_network(text(params, name), strict=False)
            except ValueError:
                return error("InvalidParameterValue", f"CIDR block {text(params, name)} is malformed")
    return None


def _bad_description(params: Params) -> Response | None:
    for name in params:
        if DESCRIPTIONS.fullmatch(name) and not VALID_DESCRIPTION.fullmatch(text(params, name)):
            return error("InvalidParameterValue", f"Invalid rule description: {text(params, name)}")
    return None


def _bad_ports(params: Params) -> Response | None:
    number = 1
    while protocol := text(params, f"IpPermissions.{number}.IpProtocol"):
        ports = [text(params, f"IpPermissions.{number}.{name}") for name in ("FromPort", "ToPort")]
        problem = _bad_protocol(protocol) or _bad_port_range(PROTOCOLS.get(protocol, protocol), ports)
        if problem:
            return problem
        number += 1
    return None


def _bad_protocol(protocol: str) -> Response | None:
    if protocol in (*PROTOCOLS.values(), "-1") or (protocol.isdigit() and int(protocol) <= 255):
        return None
    return error("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")


def _bad_port_range(protocol: str, ports: list[str]) -> Response | None:
    if protocol not in ("tcp", "udp"):
        return None
    if not all(ports):
        message = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
        return error("InvalidParameterValue", message)
    first, last = int(ports[0]), int(ports[1])
    if not 0 <= first <= last <= 65535:
        return error("InvalidParameterValue", f"Invalid {protocol.upper()} port range ({first}:{last})")
    return None
