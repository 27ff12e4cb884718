# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which zones a network gets that names none: those that it has, else the first that are free."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2 import zones as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import PlanRefusedError
from botocore.stub import Stubber

KEYS = {"region_name": "cn-north-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
RANGES = {"public_subnets": ["10.0.0.0/20", "10.0.16.0/20"], "private_subnets": ["10.0.32.0/20", "10.0.48.0/20"]}


def params(**named: str) -> dict[str, Any]:
    """Two zones, public and private; ``named`` says which subnets name theirs, like ``public_0="a"``."""
    tiers = {
        tier: [
            {"cidr": cidr, "availability_zone": named.get(f"{tier.removesuffix('_subnets')}_{place}", "")}
            for place, cidr in enumerate(ranges)
        ]
        for tier, ranges in RANGES.items()
    }
    return {"nat": "none", **tiers}


def held(**zones: str) -> list[dict[str, Any]]:
    """Subnets that exist, by the names of ``params``."""
    found = []
    for name, zone in zones.items():
        tier, place = name.split("_")
        found.append({"cidr": RANGES[f"{tier}_subnets"][int(place)], "availability_zone": zone})
    return found


def offered(*zones: str) -> Any:
    return lambda: list(zones)


def nobody_asks() -> list[str]:
    raise AssertionError("the zones were asked for")


@pytest.mark.parametrize(
    ("subnets", "region", "expected"),
    [
        # A region that has got another zone since does not move what is there.
        ([], ("a", "c"), [["a", "c"], ["a", "c"]]),
        (held(public_0="c", public_1="d", private_0="c", private_1="d"), None, [["c", "d"], ["c", "d"]]),
        (held(private_0="c", private_1="d"), None, [["c", "d"], ["c", "d"]]),
        (held(public_0="c"), ("a", "c", "d"), [["c", "a"], ["c", "a"]]),
        (held(public_1="a"), ("a", "c", "d"), [["c", "a"], ["c", "a"]]),
        # Somebody made them so; AWS cannot move a subnet.
        (held(public_0="a", private_0="c", public_1="d"), None, [["a", "d"], ["c", "d"]]),
    ],
)
def test_subnets_stay_and_new_ones_join_their_counterparts(
    subnets: list[dict[str, Any]], region: tuple[str, ...] | None, expected: list[list[str]]
) -> None:
    resolved = subject.with_zones(params(), subnets, offered(*region) if region else nobody_asks)
    assert [[one["availability_zone"] for one in resolved[tier]] for tier in subject.TIERS] == expected
    assert resolved["nat"] == "none"


def test_named_zones_count_and_are_not_asked_for() -> None:
    named = params(public_0="a", public_1="c", private_0="a", private_1="c")
    assert subject.with_zones(named, held(public_0="d"), nobody_asks) == named


def test_a_network_may_have_no_subnets() -> None:
    resolved = subject.with_zones({"public_subnets": None, "private_subnets": None}, [], nobody_asks)
    assert resolved == {"public_subnets": [], "private_subnets": []}


def test_a_region_with_too_few_zones_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match="need 1 more availability zones and the region has none left"):
        subject.with_zones(params(), held(public_0="a"), offered("a"))


def test_the_zones_are_asked_for_by_kind_and_sorted() -> None:
    client = boto3.client("ec2", **KEYS)
    with Stubber(client) as stub:
        zones = [{"ZoneName": "cn-north-1b"}, {"ZoneName": "cn-north-1a"}]
        stub.add_response("describe_availability_zones", {"AvailabilityZones": zones}, {"Filters": subject.OFFERED})
        assert subject.read_zones(client) == ["cn-north-1a", "cn-north-1b"]


def test_a_refusal_says_what_was_asked() -> None:
    client = boto3.client("ec2", **KEYS)
    with Stubber(client) as stub:
        stub.add_client_error("describe_availability_zones", "AuthFailure", "not able to validate the credentials")
        with pytest.raises(AnsibleAWSError, match="list the availability zones"):
            subject.read_zones(client)
