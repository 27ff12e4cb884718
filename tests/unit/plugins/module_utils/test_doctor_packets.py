# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What passes security groups, network ACLs and routes."""

from __future__ import annotations

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import (
    ALL_PORTS,
    EVERYWHERE,
    Acl,
    AclEntry,
    Break,
    End,
    Fabric,
    Group,
    Network,
    Route,
    RouteTable,
    connection,
    ipv4,
    route_break,
    route_to,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import Rule

OFFICE = End("client", (Network("198.51.100.0/24"),))
WORLD = End("client", (EVERYWHERE,))
PEER = Group("sg-peer", "peer")


def tcp(peer: str, first: int = 443, last: int = 443, kind: str = "cidr", protocol: str = "tcp") -> Rule:
    return Rule(protocol, first, last, kind, peer)


def door(*rules: Rule) -> End:
    return End("door", (Network("10.0.0.0/24"),), "subnet-door", (Group("sg-door", "door", inbound=rules),))


def said(found: list[Break]) -> str:
    return " ".join(f"{one.broken_at} | {one.remedy}" for one in found)


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        ([tcp("0.0.0.0/0")], True),
        ([tcp("198.51.100.0/24", 1, 65535)], True),
        ([tcp("198.51.100.0/25"), tcp("198.51.100.128/25")], True),
        ([tcp("0.0.0.0/0", -1, -1, protocol="-1")], True),
        ([tcp("pl-office", kind="prefix_list")], True),
        ([], False),
        ([tcp("198.51.100.0/25")], False),
        ([tcp("0.0.0.0/0", 80, 80)], False),
        ([tcp("0.0.0.0/0", protocol="udp")], False),
        ([tcp("pl-empty", kind="prefix_list")], False),
        ([tcp("::/0", kind="ipv6_cidr")], False),
        ([tcp("sg-peer", kind="group")], False),
    ],
)
def test_ranges_pass_a_security_group(rules: list[Rule], passes: bool) -> None:
    fabric = Fabric(prefix_lists={"pl-office": OFFICE.networks})
    found = list(connection(fabric, OFFICE, door(*rules), 443))
    assert (found == []) is passes
    if not passes:
        assert "sg-door (door): no inbound rule lets TCP 443 in from 198.51.100.0/24" in said(found)
        assert "add an inbound rule to sg-door: TCP 443 from 198.51.100.0/24" in said(found)


@pytest.mark.parametrize(
    ("outbound", "missing"),
    [
        ([tcp("sg-door", kind="group")], ""),
        ([tcp("10.0.0.0/16")], ""),
        ([tcp("sg-other", kind="group")], "sg-peer (peer): no outbound rule lets TCP 443 out to sg-door (door)"),
        ([], "add an outbound rule to sg-peer: TCP 443 to sg-door (door)"),
    ],
)
def test_groups_may_name_each_other(outbound: list[Rule], missing: str) -> None:
    source = End(
        "peer", (Network("10.0.1.0/24"),), "subnet-peer", (Group("sg-peer", "peer", outbound=tuple(outbound)),)
    )
    found = list(connection(Fabric(), source, door(tcp("sg-peer", kind="group")), 443))
    assert len(found) == bool(missing)
    assert missing in said(found)


def test_a_prefix_list_is_named_as_a_whole() -> None:
    tasks = End("tasks", (Network("10.0.1.0/24"),), "subnet-a", (PEER,))
    s3 = End("S3", (Network("52.219.0.0/20"), Network("3.5.152.0/21")), prefix_list="pl-s3")
    assert "sg-peer (peer): no outbound rule lets TCP 443 out to pl-s3" in said([*connection(Fabric(), tasks, s3, 443)])
    allowed = End(
        "tasks", tasks.networks, "subnet-a", (Group("sg-peer", "peer", outbound=(tcp("pl-s3", kind="prefix_list"),)),)
    )
    assert list(connection(Fabric(), allowed, s3, 443)) == []


def rule(number: int, allow: bool, network: str = "0.0.0.0/0", ports: tuple[int, int] = ALL_PORTS) -> AclEntry:
    return AclEntry(number, allow, Network(network), *ports)


ALL = rule(100, True)
NOTHING = rule(32767, False)


@pytest.mark.parametrize(
    ("inbound", "outbound", "words"),
    [
        ([ALL, NOTHING], [ALL, NOTHING], ""),
        ([rule(100, True, ports=(443, 443)), NOTHING], [rule(100, True, ports=(1024, 65535)), NOTHING], ""),
        ([rule(90, True, "0.0.0.0/1"), rule(95, True, "128.0.0.0/1"), NOTHING], [ALL], ""),
        ([rule(50, False, ports=(22, 22)), ALL], [ALL], ""),
        ([rule(50, False, "203.0.113.0/24"), ALL], [rule(50, False, ports=(3389, 3389)), ALL], ""),
        ([NOTHING], [ALL], "acl-a of subnet-door: inbound rule 32767 denies connections, TCP 443 from 0.0.0.0/0"),
        ([], [ALL], "inbound no rule allows connections"),
        ([rule(50, False, "0.0.0.0/2"), ALL], [ALL], "inbound rule 50 denies connections"),
        ([ALL], [rule(100, True, ports=(443, 443)), NOTHING], "outbound rule 32767 denies answers, TCP 1024-65535"),
        ([ALL], [rule(1, False, ports=(1024, 32767)), ALL], "TCP 1024-65535 to 0.0.0.0/0, with a number below 1"),
    ],
)
def test_network_acls_count_in_their_order_there_and_back(
    inbound: list[AclEntry], outbound: list[AclEntry], words: str
) -> None:
    fabric = Fabric({"subnet-door": Acl("acl-a", tuple(inbound), tuple(outbound))})
    found = list(connection(fabric, WORLD, door(tcp("0.0.0.0/0")), 443))
    assert len(found) == bool(words)
    assert words in said(found)


def test_inside_a_subnet_there_is_no_network_acl() -> None:
    fabric = Fabric({"subnet-door": Acl("acl-a", (NOTHING,), (NOTHING,))})
    neighbour = End("tasks", (Network("10.0.0.0/24"),), "subnet-door")
    assert list(connection(fabric, neighbour, door(tcp("10.0.0.0/24")), 443)) == []


def test_both_ends_have_a_network_acl() -> None:
    closed = Acl("acl-a", (ALL,), (NOTHING,))
    tasks = End("tasks", (Network("10.0.1.0/24"),), "subnet-tasks")
    found = list(connection(Fabric({"subnet-tasks": closed}), tasks, door(tcp("10.0.0.0/16")), 443))
    assert [one.broken_at for one in found] == [
        "network ACL acl-a of subnet-tasks: outbound rule 32767 denies connections, TCP 443 to 10.0.0.0/24"
    ]


LOCAL = Route("10.0.0.0/16", "local")
OPEN = Route("0.0.0.0/0", "igw-1")


@pytest.mark.parametrize(
    ("routes", "destination", "target"),
    [
        ([LOCAL, OPEN], "10.0.1.0/24", "local"),
        ([LOCAL, OPEN], "198.51.100.0/24", "igw-1"),
        ([LOCAL, OPEN, Route("198.51.0.0/16", "tgw-1")], "198.51.100.0/24", "tgw-1"),
        ([LOCAL, OPEN, Route("pl-s3", "vpce-1")], "0.0.0.0/0", "igw-1"),
        ([LOCAL], "0.0.0.0/0", None),
    ],
)
def test_the_most_specific_route_counts(routes: list[Route], destination: str, target: str | None) -> None:
    found = route_to(RouteTable("rtb-1", tuple(routes)), Network(destination))
    assert (found.target if found else None) == target


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ([OPEN], ""),
        ([LOCAL], "route table rtb-1 of subnet-a: no route to 0.0.0.0/0 | add a route to rtb-1: 0.0.0.0/0 to igw-1"),
        ([Route("0.0.0.0/0", "nat-9")], "leads to nat-9 | replace the route 0.0.0.0/0 of rtb-1: 0.0.0.0/0 to igw-1"),
        ([Route("0.0.0.0/0", "igw-1", active=False)], "is a blackhole, igw-1 is gone | replace the route"),
    ],
)
def test_a_route_has_to_lead_to_the_gateway(routes: list[Route], words: str) -> None:
    fabric = Fabric(tables={"subnet-a": RouteTable("rtb-1", tuple(routes))})
    found = list(route_break(fabric, "subnet-a", EVERYWHERE, ["igw-1"], "0.0.0.0/0 to igw-1"))
    assert len(found) == bool(words)
    assert words in said(found)


def test_ipv6_clients_are_passed_over() -> None:
    assert ipv4(["2001:db8::/32", "198.51.100.7/24"]) == (Network("198.51.100.0/24"),)
