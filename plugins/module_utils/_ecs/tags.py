# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tags in the ECS API's spelling, and the two calls that change them.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)


def as_dict(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return dict(boto3_tag_list_to_ansible_dict(tags or [], tag_name_key_name="key", tag_value_key_name="value"))


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return list(ansible_dict_to_boto3_tag_list(dict(tags), tag_name_key_name="key", tag_value_key_name="value"))


def change_tags(client: Any, arn: str, to_set: Mapping[str, str], to_remove: list[str]) -> None:
    if to_remove:
        client.untag_resource(resourceArn=arn, tagKeys=to_remove)
    if to_set:
        client.tag_resource(resourceArn=arn, tags=as_list(to_set))
