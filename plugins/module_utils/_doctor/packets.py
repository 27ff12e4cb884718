# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a TCP connection passes security groups, network ACLs and routes; pure functions on plain data.

This module util is private to the collection. It can have breaking changes at any time.

A connection goes from one end to another at a port. An end is an address range, and, inside the VPC, a subnet and
security groups. Security groups keep state, so answers always pass them; network ACLs do not, so the way back is
checked as well.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import ANY_PROTOCOL, Rule

Network = ipaddress.IPv4Network
EVERYWHERE = Network("0.0.0.0/0")
TCP = ("6", "tcp", ANY_PROTOCOL)
# Load balancers and NAT gateways open connections from these ports, clients from some of them:
# https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html#nacl-ephemeral-ports
EPHEMERAL = (1024, 65535)
# A network ACL that denies less than this part of what has to pass is meant to: one hostile range, one port.
SLIVER = 0.01
ALL_PORTS = (0, 65535)


@dataclass(frozen=True)
class Break:
    """Where a link is broken, and what mends it."""

    broken_at: str
    remedy: str


@dataclass(frozen=True)
class Box:
    """Addresses and ports that have to pass."""

    network: Network
    first: int
    last: int


@dataclass(frozen=True)
class AclEntry:
    """One rule of a network ACL, for one direction."""

    number: int
    allow: bool
    network: Network
    first: int
    last: int


@dataclass(frozen=True)
class Acl:
    id: str
    inbound: tuple[AclEntry, ...] = ()
    outbound: tuple[AclEntry, ...] = ()


@dataclass(frozen=True)
class Group:
    id: str
    name: str
    inbound: tuple[Rule, ...] = ()
    outbound: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return f"{self.id} ({self.name})"

    @property
    def prefix_lists(self) -> set[str]:
        return {rule.peer for rule in (*self.inbound, *self.outbound) if rule.kind == "prefix_list"}


@dataclass(frozen=True)
class Route:
    """A destination, a range or the id of a prefix list, and where its packets go; blackholes go nowhere."""

    destination: str
    target: str
    active: bool = True


@dataclass(frozen=True)
class RouteTable:
    id: str
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class End:
    """One end of a connection. Without a subnet it is outside the VPC; ``prefix_list`` is the id of its own list."""

    name: str
    networks: tuple[Network, ...]
    subnet: str = ""
    groups: tuple[Group, ...] = ()
    prefix_list: str = ""


@dataclass(frozen=True)
class Fabric:
    """What filters and forwards packets in one VPC; ACLs and tables by subnet, prefix lists by id."""

    acls: Mapping[str, Acl] = field(default_factory=dict)
    tables: Mapping[str, RouteTable] = field(default_factory=dict)
    prefix_lists: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)


def connection(fabric: Fabric, source: End, target: End, port: int) -> Iterator[Break]:
    """Yields what stops TCP connections from one end to the other: groups first, then ACLs there and back."""
    yield from let_out(fabric, source, target, port)
    yield from let_in(fabric, source, target, port)
    # Network ACLs stand between subnets.
    if not source.subnet or source.subnet != target.subnet:
        yield from acl_breaks(fabric, source, target, (port, port), (EPHEMERAL, "answers"))


def let_out(fabric: Fabric, source: End, target: End, port: int) -> Iterator[Break]:
    rules = [rule for group in source.groups for rule in group.outbound]
    if source.groups and any(left_over(fabric, rules, target, port)):
        peer = peer_of(target)
        yield Break(
            f"{named(source.groups)}: no outbound rule lets TCP {port} out to {peer}",
            f"add an outbound rule to {source.groups[0].id}: TCP {port} to {peer}",
        )


def let_in(fabric: Fabric, source: End, target: End, port: int) -> Iterator[Break]:
    rules = [rule for group in target.groups for rule in group.inbound]
    if target.groups and any(left_over(fabric, rules, source, port)):
        peer = peer_of(source)
        yield Break(
            f"{named(target.groups)}: no inbound rule lets TCP {port} in from {peer}",
            f"add an inbound rule to {target.groups[0].id}: TCP {port} from {peer}",
        )


def named(groups: Iterable[Group]) -> str:
    return ", ".join(str(group) for group in groups)


def peer_of(end: End) -> str:
    """Names an end the way a rule of a security group would."""
    if end.groups:
        return str(end.groups[0])
    return end.prefix_list or listed(end.networks)


def listed(networks: Iterable[Network]) -> str:
    return ", ".join(str(network) for network in networks)


def left_over(fabric: Fabric, rules: Iterable[Rule], peer: End, port: int) -> list[Box]:
    """Returns what no rule of security groups lets through."""
    boxes = [Box(network, port, port) for network in peer.networks]
    for rule in rules:
        if rule.protocol in TCP and names_whole(rule, peer) and covers(rule, port):
            return []
        for network in ranges_of(fabric, rule):
            boxes = [rest for box in boxes for rest in without(box, network, *ports_of(rule))]
    return boxes


def names_whole(rule: Rule, peer: End) -> bool:
    """Tells whether a rule names the peer by a group or list that it has, whatever its addresses."""
    return rule.peer == peer.prefix_list or rule.peer in [group.id for group in peer.groups]


def covers(rule: Rule, port: int) -> bool:
    first, last = ports_of(rule)
    return first <= port <= last


def ports_of(rule: Rule) -> tuple[int, int]:
    return ALL_PORTS if rule.protocol == ANY_PROTOCOL or rule.from_port < 0 else (rule.from_port, rule.to_port)


def ranges_of(fabric: Fabric, rule: Rule) -> tuple[Network, ...]:
    if rule.protocol not in TCP:
        return ()
    if rule.kind == "cidr":
        return (Network(rule.peer),)
    return fabric.prefix_lists.get(rule.peer, ()) if rule.kind == "prefix_list" else ()


def without(box: Box, network: Network, first: int, last: int) -> Iterator[Box]:
    """Yields the parts of a box that are not in a range of addresses and ports."""
    low, high = max(box.first, first), min(box.last, last)
    if low > high or not box.network.overlaps(network):
        yield box
        return
    if box.first < low:
        yield Box(box.network, box.first, low - 1)
    if high < box.last:
        yield Box(box.network, high + 1, box.last)
    if not box.network.subnet_of(network):
        for rest in box.network.address_exclude(network):
            yield Box(rest, low, high)


def acl_breaks(
    fabric: Fabric, source: End, target: End, ports: tuple[int, int], back: tuple[tuple[int, int], str]
) -> Iterator[Break]:
    """Yields what the ACLs of both ends stop: requests on the way there, answers on the way back."""
    (answer_ports, answers), there = back, "connections"
    for end, peer, outbound, some_ports, what in (
        (source, target, True, ports, there),
        (target, source, False, ports, there),
        (target, source, True, answer_ports, answers),
        (source, target, False, answer_ports, answers),
    ):
        acl = fabric.acls.get(end.subnet)
        if acl:
            boxes = [Box(network, *some_ports) for network in peer.networks]
            found = (acl_break(acl, end.subnet, box, outbound, what) for box in boxes)
            yield from [one for one in found if one][:1]


def acl_break(acl: Acl, subnet: str, wanted: Box, outbound: bool, what: str) -> Break | None:
    """Returns the first rule that stops a part of a box; rules count in the order of their numbers."""
    boxes = [wanted]
    for entry in sorted(acl.outbound if outbound else acl.inbound, key=lambda entry: entry.number):
        if not entry.allow and size(boxes) - size(rests(boxes, entry)) > SLIVER * size([wanted]):
            return stopped(acl, subnet, wanted, outbound, f"rule {entry.number} denies {what}")
        boxes = rests(boxes, entry)
    return stopped(acl, subnet, wanted, outbound, f"no rule allows {what}") if boxes else None


def rests(boxes: Iterable[Box], entry: AclEntry) -> list[Box]:
    return [rest for box in boxes for rest in without(box, entry.network, entry.first, entry.last)]


def size(boxes: Iterable[Box]) -> int:
    return sum(box.network.num_addresses * (box.last - box.first + 1) for box in boxes)


def stopped(acl: Acl, subnet: str, wanted: Box, outbound: bool, how: str) -> Break:
    way, preposition = ("outbound", "to") if outbound else ("inbound", "from")
    ports = str(wanted.first) if wanted.first == wanted.last else f"{wanted.first}-{wanted.last}"
    traffic = f"TCP {ports} {preposition} {wanted.network}"
    entries = acl.outbound if outbound else acl.inbound
    denying = [one.number for one in entries if not one.allow and rests([wanted], one) != [wanted]]
    before = f", with a number below {min(denying)}" if denying else ""
    return Break(
        f"network ACL {acl.id} of {subnet}: {way} {how}, {traffic}",
        f"add an {way} allow rule to {acl.id}: {traffic}{before}",
    )


def route_to(table: RouteTable, destination: Network) -> Route | None:
    """Returns the most specific route that takes all of a range."""
    holding = [
        (network.prefixlen, route)
        for route in table.routes
        if (network := network_of(route.destination)) and destination.subnet_of(network)
    ]
    return max(holding, key=lambda one: one[0])[1] if holding else None


def network_of(destination: str) -> Network | None:
    try:
        return Network(destination)
    except ValueError:
        return None


def route_break(
    fabric: Fabric, subnet: str, destination: Network, gateways: Iterable[str], remedy: str
) -> Iterator[Break]:
    """Yields why a subnet's packets to a range do not go to one of the gateways."""
    table = fabric.tables.get(subnet)
    if table is None:
        yield Break(f"{subnet}: no route table", f"associate a route table with {subnet}: {remedy}")
        return
    route = route_to(table, destination)
    where = f"route table {table.id} of {subnet}"
    if route is None:
        yield Break(f"{where}: no route to {destination}", f"add a route to {table.id}: {remedy}")
    elif not route.active:
        text = f"the route to {route.destination} is a blackhole, {route.target} is gone"
        yield Break(f"{where}: {text}", f"replace the route {route.destination} of {table.id}: {remedy}")
    elif route.target not in gateways:
        text = f"the route to {route.destination} leads to {route.target}"
        yield Break(f"{where}: {text}", f"replace the route {route.destination} of {table.id}: {remedy}")


def ipv4(ranges: Iterable[Any]) -> tuple[Network, ...]:
    """Returns the IPv4 ranges among texts; the load balancers of Gatehouse speak no IPv6."""
    networks = (ipaddress.ip_network(str(one), strict=False) for one in ranges)
    return tuple(network for network in networks if isinstance(network, Network))
