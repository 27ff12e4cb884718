# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2 import network_api as subject

OWNER = {"gatehouse:stack": "hello"}
PARAMS = {"name": "hello", "state": "present", "nat": "none", "tags": OWNER}


def address(**tags: str) -> dict[str, Any]:
    return {"AllocationId": "eipalloc-1", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


@pytest.mark.parametrize(
    ("params", "addresses", "expected"),
    [
        ({}, [], False),
        ({}, [address(Name="bastion")], False),
        ({}, [address(Name="hello-nat-a", **OWNER)], True),
        ({}, [address(Name="hello-nat-a", **{"gatehouse:stack": "other"})], False),
        ({"nat": "single"}, [], True),
        ({"state": "absent"}, [], True),
    ],
)
def test_nat_gateways_are_asked_for_where_there_can_be_one(
    params: dict[str, Any], addresses: list[dict[str, Any]], expected: bool
) -> None:
    assert subject.may_have_nat({**PARAMS, **params}, addresses) is expected
