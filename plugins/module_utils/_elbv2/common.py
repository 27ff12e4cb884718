# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What load balancers and target groups share: names, attributes, tags.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import PlanRefusedError

NAME = re.compile(r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
# DescribeTags takes this many resources.
TAGGED_RESOURCES = 20


def refuse_bad_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise PlanRefusedError(
            f"name of the {kind} is {name}, which AWS does not take: use at most 32 letters, digits and hyphens, "
            f"no hyphen at either end, and not internal- at the start."
        )


def as_text(value: Any) -> str:
    """Returns an attribute's value the way AWS spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def from_text(text: str) -> Any:
    """Returns an attribute's value as a boolean, a number or text."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def attribute_map(attributes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in attributes}


def attribute_list(attributes: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": as_text(value)} for key, value in attributes.items()]


def describe_tags(client: Any, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Returns the tags of many resources by ARN."""
    wanted = list(arns)
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(wanted), TAGGED_RESOURCES):
        some = wanted[start : start + TAGGED_RESOURCES]
        for one in client.describe_tags(ResourceArns=some)["TagDescriptions"]:
            found[one["ResourceArn"]] = boto3_tag_list_to_ansible_dict(one["Tags"])
    return found


def tags_argument(tags: Mapping[str, str]) -> dict[str, Any]:
    """Returns the argument that tags a new resource; AWS refuses an empty list."""
    return {"Tags": ansible_dict_to_boto3_tag_list(dict(tags))} if tags else {}


def change_tags(client: Any, arn: str, to_set: Mapping[str, str], to_remove: list[str]) -> None:
    if to_remove:
        client.remove_tags(ResourceArns=[arn], TagKeys=to_remove)
    if to_set:
        client.add_tags(ResourceArns=[arn], **tags_argument(to_set))
