# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import (
    Stack,
    is_own_record,
    others,
    resource,
)

STACK = Stack("hello", "hello.example.com", "eu-west-1", "aws", "hello-logs", lambda *_service: None)
OWNER = "gatehouse:stack"


@pytest.mark.parametrize(
    ("tags", "named", "found_by"),
    [
        ({OWNER: "hello"}, False, ["tag"]),
        ({OWNER: "hello"}, True, ["tag"]),
        ({OWNER: "hello-dev"}, True, []),
        ({"team": "web"}, True, ["name"]),
        ({"team": "web"}, False, []),
        ({}, True, ["name"]),
        ({}, False, []),
    ],
)
def test_the_tag_decides_before_the_name(tags: dict[str, str], named: bool, found_by: list[str]) -> None:
    found = resource(STACK, "vpc", "hello", "vpc-1", tags, named)
    assert [one["found_by"] for one in found] == found_by
    assert [one["foreign"] for one in found] == [way == "name" for way in found_by]


@pytest.mark.parametrize(
    ("name", "kind", "value", "own"),
    [
        ("hello.example.com", "A", "192.0.2.1", True),
        ("auth.hello.example.com", "A", "192.0.2.1", True),
        ("_1.hello.example.com", "CNAME", "_2.xyz.acm-validations.aws.", True),
        ("mail.hello.example.com", "A", "192.0.2.1", False),
        ("hello.example.com", "MX", "10 mail.example.com.", False),
        ("_1.hello.example.com", "CNAME", "elsewhere.example.net.", False),
        ("www.hello.example.com", "CNAME", "_2.xyz.acm-validations.aws.", False),
    ],
)
def test_records_that_gatehouse_writes_are_known(name: str, kind: str, value: str, own: bool) -> None:
    record: dict[str, Any] = {"Name": f"{name}.", "Type": kind, "ResourceRecords": [{"Value": value}]}
    assert is_own_record(STACK, name, record) is own


@pytest.mark.parametrize(
    ("arn", "kinds"),
    [
        ("arn:aws:sns:eu-west-1:1:topic", ["sns"]),
        ("arn:aws:s3:::notes", ["s3"]),
        ("arn:aws:ecr:eu-west-1:1:repository/hello", []),
        ("arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a", []),
        ("arn:aws:ec2:eu-west-1:1:natgateway/nat-1", []),
        ("arn:aws:ecs:eu-west-1:1:task-definition/hello:1", []),
    ],
)
def test_the_index_adds_what_no_finder_knows(arn: str, kinds: list[str]) -> None:
    found = [{"id": "arn:aws:ecr:eu-west-1:1:repository/hello"}, {"id": "eu-west-1_a"}]
    assert [one["kind"] for one in others([arn], found)] == kinds
