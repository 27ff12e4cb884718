# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What makes a resource part of a stack; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

OWNER_TAG = "gatehouse:stack"
VALIDATION_TARGET = ".acm-validations.aws"
# Kinds that have a finder of their own. The tagging index knows their dead for hours, so it is not asked for them.
WITH_FINDER = ("ec2", "ecs", "elasticloadbalancing", "route53", "iam")


@dataclass(frozen=True)
class Stack:
    """A stack, and how to reach the account that holds it."""

    name: str
    domain: str
    region: str
    partition: str
    log_bucket: str
    client: Callable[..., Any] = field(repr=False)

    @property
    def login_domain(self) -> str:
        return f"auth.{self.domain}"


def resource(
    stack: Stack,
    kind: str,
    name: str,
    identifier: str,
    tags: Mapping[str, str],
    named: bool = False,
    holds: str = "",
) -> list[Fields]:
    """Returns the resource if it belongs to the stack: by its tag, or by its name when nobody else's tag is on it."""
    owner = tags.get(OWNER_TAG)
    if owner != stack.name and (owner is not None or not named):
        return []
    found_by = "tag" if owner == stack.name else "name"
    return [
        {"kind": kind, "name": name, "id": identifier, "found_by": found_by, "protected": False, "holds": holds}
        | {"foreign": found_by == "name"}
    ]


def is_own_record(stack: Stack, name: str, record: Mapping[str, Any]) -> bool:
    """Tells whether Gatehouse wrote the record: those of app and login, and proofs for certificates."""
    if record["Type"] == "A" and name in (stack.domain, stack.login_domain):
        return True
    targets = [value["Value"].rstrip(".") for value in record.get("ResourceRecords", [])]
    return (
        record["Type"] == "CNAME" and name.startswith("_") and all(one.endswith(VALIDATION_TARGET) for one in targets)
    )


def others(arns: Iterable[str], found: Iterable[Fields]) -> list[Fields]:
    """Returns what carries the stack's tag although no finder knows it."""
    known = {one["id"] for one in found}
    unknown = []
    for arn in arns:
        service, part = arn.split(":", 5)[2], arn.split(":", 5)[5]
        if service in WITH_FINDER or arn in known or part.rpartition("/")[2] in known:
            continue
        unknown.append(
            {"kind": service, "name": part, "id": arn, "found_by": "index", "protected": False, "holds": ""}
            | {"foreign": False}
        )
    return unknown
