# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carves a VPC's address range into subnets; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
from itertools import combinations, islice

Network = ipaddress.IPv4Network

# AWS: a VPC and a subnet are /16 to /28; a load balancer needs /27.
VPC_PREFIXES = range(16, 29)
SMALLEST_SUBNET_PREFIX = 28
LOAD_BALANCER_PREFIX = 27
USUAL_NEW_BITS = 4


class LayoutError(ValueError):
    """An address range that cannot be used; the message names the value and the remedy."""


def parse(cidr: object) -> Network:
    """Returns the network of a CIDR text, refusing host bits and anything but IPv4."""
    text = str(cidr)
    try:
        if "/" not in text:
            raise ValueError("the prefix length is missing")
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise LayoutError(f"'{text}' is no IPv4 range ({error}): write it like 10.0.0.0/16") from None


def parse_vpc(cidr: object) -> Network:
    network = parse(cidr)
    if network.prefixlen not in VPC_PREFIXES:
        raise LayoutError(f"'{cidr}' cannot be a VPC: AWS takes /16 to /28")
    return network


def carve(cidr: object, zones: int) -> tuple[list[str], list[str]]:
    """Returns the ranges of the public subnets, then of the private ones, one of each per zone."""
    network = parse_vpc(cidr)
    needed = (2 * zones - 1).bit_length()
    prefix = network.prefixlen + max(needed, min(USUAL_NEW_BITS, LOAD_BALANCER_PREFIX - network.prefixlen))
    if prefix > LOAD_BALANCER_PREFIX:
        largest = LOAD_BALANCER_PREFIX - needed
        raise LayoutError(
            f"'{cidr}' is too small for {2 * zones} subnets in {zones} availability zones: a load balancer needs "
            f"subnets of /{LOAD_BALANCER_PREFIX} or larger. Take a range of /{largest} or larger, or fewer zones"
        )
    ranges = [str(subnet) for subnet in islice(network.subnets(new_prefix=prefix), 2 * zones)]
    return ranges[:zones], ranges[zones:]


def layout(cidr: object, zones: list[str], public: list[str], private: list[str]) -> dict[str, list[dict[str, str]]]:
    """Returns every subnet's range and zone: as given, else carved."""
    if not public and not private:
        public, private = carve(cidr, len(zones))
    return {
        tier: [{"cidr": cidr, "availability_zone": zone} for cidr, zone in zip(ranges, zones, strict=True)]
        for tier, ranges in (("public", public), ("private", private))
    }


def problems(vpc: object, zones: int, public: list[str], private: list[str]) -> list[str]:
    """Returns what is wrong with a layout, one sentence each; empty when all is well."""
    try:
        network = parse_vpc(vpc)
        if not public and not private:
            carve(vpc, zones)
        subnets = {cidr: parse(cidr) for cidr in [*public, *private]}
    except LayoutError as error:
        return [str(error)]
    return _miscounted(zones, public, private) + _misplaced(network, subnets, public, private)


def range_problems(cidrs: object) -> list[str]:
    """Returns what is wrong with a list of address ranges, IPv4 or IPv6."""
    if not isinstance(cidrs, list):
        return [f"'{cidrs}' is no list: write it like ['0.0.0.0/0']"]
    return [problem for cidr in cidrs if (problem := _range_problem(str(cidr)))]


def _range_problem(cidr: str) -> str:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        return f"{error}: write it like 203.0.113.0/24"
    return "" if "/" in cidr else f"'{cidr}' has no prefix length: write {cidr}/32 for one address"


def _miscounted(zones: int, public: list[str], private: list[str]) -> list[str]:
    if not public and not private:
        return []
    return [
        f"{len(ranges)} {tier} subnets are given for {zones} availability zones: give one for each, or none of either"
        for tier, ranges in (("public", public), ("private", private))
        if len(ranges) != zones
    ]


def _misplaced(vpc: Network, subnets: dict[str, Network], public: list[str], private: list[str]) -> list[str]:
    misfits = [_misfit(vpc, subnet, cidr in public) for cidr, subnet in subnets.items()]
    overlaps = [
        f"'{one}' and '{other}' overlap: give every subnet a range of its own"
        for one, other in combinations([*public, *private], 2)
        if subnets[one].overlaps(subnets[other])
    ]
    return [misfit for misfit in misfits if misfit] + overlaps


def _misfit(vpc: Network, subnet: Network, is_public: bool) -> str:
    if not subnet.subnet_of(vpc):
        return f"'{subnet}' lies outside the VPC's range '{vpc}': choose a part of it"
    if is_public and subnet.prefixlen > LOAD_BALANCER_PREFIX:
        return f"'{subnet}' is too small for a load balancer: take /{LOAD_BALANCER_PREFIX} or larger"
    if subnet.prefixlen > SMALLEST_SUBNET_PREFIX:
        return f"'{subnet}' cannot be a subnet: AWS takes /{SMALLEST_SUBNET_PREFIX} or larger"
    return ""
