# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import ipaddress
from itertools import combinations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gatehouse.fargate.plugins.filter.aws_partition import aws_partition
from ansible_collections.gatehouse.fargate.plugins.filter.subnet_layout import subnet_layout
from ansible_collections.gatehouse.fargate.plugins.filter.subnet_problems import subnet_problems
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.subnets import range_problems

ZONES = [f"zone-{letter}" for letter in "abcdefghij"]


def ranges(cidr: str, zones: int) -> list[str]:
    layout = subnet_layout(cidr, ZONES[:zones])
    return [subnet["cidr"] for tier in ("public", "private") for subnet in layout[tier]]


@pytest.mark.parametrize(
    ("cidr", "zones", "expected"),
    [
        ("10.0.0.0/16", 2, ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20", "10.0.48.0/20"]),
        ("10.0.0.0/16", 1, ["10.0.0.0/20", "10.0.16.0/20"]),
        ("10.0.0.0/24", 2, ["10.0.0.0/27", "10.0.0.32/27", "10.0.0.64/27", "10.0.0.96/27"]),
        ("10.0.0.0/25", 2, ["10.0.0.0/27", "10.0.0.32/27", "10.0.0.64/27", "10.0.0.96/27"]),
        ("10.0.0.0/26", 1, ["10.0.0.0/27", "10.0.0.32/27"]),
    ],
)
def test_public_subnets_come_first_in_order(cidr: str, zones: int, expected: list[str]) -> None:
    assert ranges(cidr, zones) == expected


@pytest.mark.parametrize("zones", range(1, 11))
@pytest.mark.parametrize("prefix", range(16, 23))
def test_any_number_of_zones_fits_without_overlap(prefix: int, zones: int) -> None:
    vpc = ipaddress.IPv4Network(f"10.0.0.0/{prefix}")
    subnets = [ipaddress.IPv4Network(cidr) for cidr in ranges(str(vpc), zones)]
    assert len(subnets) == 2 * zones
    assert all(subnet.subnet_of(vpc) and subnet.prefixlen <= 27 for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


def test_given_ranges_are_taken_as_they_are() -> None:
    layout = subnet_layout("10.0.0.0/16", ["a"], ["10.0.8.0/24"], ["10.0.9.0/24"])
    assert layout["private"] == [{"cidr": "10.0.9.0/24", "availability_zone": "a"}]


def test_a_range_that_is_too_small_fails_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match=r"Take a range of /25 or larger"):
        subnet_layout("10.0.0.0/26", ["a", "b"])


@pytest.mark.parametrize(
    ("vpc", "public", "private", "problem"),
    [
        ("10.0.0.0/16", [], [], ""),
        ("10.0.0.0/16", ["10.0.0.0/24", "10.0.1.0/24"], ["10.0.2.0/28", "10.0.3.0/28"], ""),
        ("10.0.0.0/8", [], [], "AWS takes /16 to /28"),
        ("10.0.0.0/29", [], [], "AWS takes /16 to /28"),
        ("10.0.0.1/16", [], [], "host bits"),
        ("10.0.0.0", [], [], "the prefix length is missing"),
        ("fd00::/16", [], [], "no IPv4 range"),
        ("anything", [], [], "no IPv4 range"),
        ("10.0.0.0/26", [], [], "too small for 4 subnets in 2 availability zones"),
        ("10.0.0.0/16", ["10.0.0.0/24"], ["10.0.2.0/24", "10.0.3.0/24"], "1 public subnets are given for 2"),
        ("10.0.0.0/16", ["10.0.0.0/24", "10.0.1.0/24"], [], "0 private subnets are given for 2"),
        ("10.0.0.0/16", ["10.0.0.0/24", "10.0.0.0/25"], ["10.0.2.0/24", "10.0.3.0/24"], "overlap"),
        ("10.0.0.0/16", ["10.0.0.0/24", "10.0.0.0/24"], ["10.0.2.0/24", "10.0.3.0/24"], "overlap"),
        ("10.0.0.0/16", ["10.1.0.0/24", "10.0.1.0/24"], ["10.0.2.0/24", "10.0.3.0/24"], "lies outside"),
        (
            "10.0.0.0/16",
            ["10.0.0.0/28", "10.0.1.0/24"],
            ["10.0.2.0/24", "10.0.3.0/24"],
            "too small for a load balancer",
        ),
        ("10.0.0.0/16", ["10.0.0.0/24", "10.0.1.0/24"], ["10.0.2.0/29", "10.0.3.0/24"], "AWS takes /28 or larger"),
    ],
)
def test_what_is_wrong_is_said(vpc: str, public: list[str], private: list[str], problem: str) -> None:
    found = subnet_problems(vpc, 2, public, private)
    assert bool(found) == bool(problem)
    assert problem in "; ".join(found)


@pytest.mark.parametrize(
    ("cidrs", "problem"),
    [
        (["0.0.0.0/0", "2001:db8::/32"], ""),
        ([], ""),
        (["10.0.0.1"], "has no prefix length"),
        (["10.0.0.1/8"], "host bits"),
        (["office"], "office"),
        ("0.0.0.0/0", "is no list"),
    ],
)
def test_ranges_of_clients_are_checked(cidrs: object, problem: str) -> None:
    found = range_problems(cidrs)
    assert bool(found) == bool(problem)
    assert problem in "; ".join(found)


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("ap-northeast-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eu-north-9", ""),
        ("", ""),
    ],
)
def test_a_region_that_aws_does_not_have_has_no_partition(region: str, partition: str) -> None:
    assert aws_partition(region) == partition
