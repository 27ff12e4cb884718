#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_groups
version_added: 0.1.0
short_description: Manage a set of security groups with their rules in one call
description:
  - Creates, changes or deletes security groups of a VPC. Rules may refer to groups of the same call by name,
    in any direction.
  - A group of a declared name that carries another C(gatehouse:stack) tag, or none, is refused unless O(adopt=true).
author:
  - Gatehouse contributors (@gatehouse)
options:
  vpc_id:
    description: VPC of the groups.
    type: str
    required: true
  state:
    description: Whether the groups should exist.
    type: str
    choices: [present, absent]
    default: present
  groups:
    description: The groups.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the group, which is also its C(Name) tag.
        type: str
        required: true
      description:
        description: Description of a new group; AWS cannot change it later. Defaults to the name.
        type: str
      ingress:
        description: Traffic that is let in.
        type: list
        elements: dict
        suboptions: &rule
          protocol:
            description: Name of the IP protocol, or V(-1) for all of them.
            type: str
            default: tcp
          port:
            description: Port, or the first one of a range; not used with V(-1).
            type: int
          to_port:
            description: Last port of a range.
            type: int
          cidrs:
            description: Address ranges of the other side, IPv4 or IPv6.
            type: list
            elements: str
          groups:
            description: Security groups of the other side, by name within the VPC or by id.
            type: list
            elements: str
          prefix_lists:
            description: Prefix lists of the other side, by name or by id.
            type: list
            elements: str
          description:
            description: What the rule is for.
            type: str
      egress:
        description: Traffic that is let out; without any, nothing is.
        type: list
        elements: dict
        suboptions: *rule
  purge_rules:
    description: Whether rules that are not declared are removed.
    type: bool
    default: true
  purge:
    description:
      - Whether groups of the VPC that carry the C(gatehouse:stack) tag of O(tags) and are not declared are removed.
        They are listed in RV(security_groups.undeclared) either way.
    type: bool
    default: false
  adopt:
    description: Whether groups of the declared names are taken over from another owner.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Let the load balancer talk to the tasks and nobody else
  gatehouse.fargate.security_groups:
    vpc_id: vpc-0123456789abcdef0
    groups:
      - name: hello-dev-alb
        ingress:
          - {port: 443, cidrs: [0.0.0.0/0], description: HTTPS}
        egress:
          - {port: 3000, groups: [hello-dev-service], description: App}
      - name: hello-dev-service
        ingress:
          - {port: 3000, groups: [hello-dev-alb], description: App}
        egress:
          - {port: 443, prefix_lists: [com.amazonaws.ap-northeast-1.s3], description: Image layers}
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
security_groups:
  description: The groups as they are now, or as they will be in check mode.
  returned: always
  type: dict
  contains:
    groups:
      description: The declared groups that exist, by name.
      type: dict
      contains:
        id:
          description: Id of the group.
          type: str
        name:
          description: Name of the group.
          type: str
        description:
          description: Description of the group.
          type: str
        ingress:
          description: Rules for incoming traffic, one peer each.
          type: list
          elements: dict
        egress:
          description: Rules for outgoing traffic, one peer each.
          type: list
          elements: dict
        tags:
          description: Tags of the group.
          type: dict
    undeclared:
      description: Names of groups that O(purge) would remove.
      type: list
      elements: str
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be.
      type: dict
unchanged:
  description: The other resources that the module manages, which are as declared.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import perform, when_visible
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.group_plan import DIRECTIONS, plan, summarise
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.rules import rules_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, Plan, is_known
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

RULE: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "protocol": {"type": "str", "default": "tcp"},
        "port": {"type": "int"},
        "to_port": {"type": "int"},
        "cidrs": {"type": "list", "elements": "str"},
        "groups": {"type": "list", "elements": "str"},
        "prefix_lists": {"type": "list", "elements": "str"},
        "description": {"type": "str"},
    },
}
ARGUMENT_SPEC: dict[str, Any] = {
    "vpc_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "groups": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "ingress": RULE,
            "egress": RULE,
        },
    },
    "purge_rules": {"type": "bool", "default": True},
    "purge": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
TIMEOUT = 600


def read(client: Any, params: Fields) -> Fields:
    return {
        "groups": read_groups(client, params["vpc_id"]) if is_known(params["vpc_id"]) else {},
        "prefix_lists": read_prefix_lists(client, prefix_list_names(params)),
    }


@AWSErrorHandler.common_error_handler("list the security groups")
def read_groups(client: Any, vpc_id: str) -> Fields:
    pages = client.get_paginator("describe_security_groups").paginate(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    return {
        group["GroupName"]: {
            "id": group["GroupId"],
            "name": group["GroupName"],
            "description": group["Description"],
            "ingress": rules_of(group.get("IpPermissions", [])),
            "egress": rules_of(group.get("IpPermissionsEgress", [])),
            "tags": boto3_tag_list_to_ansible_dict(group.get("Tags", [])),
        }
        for group in pages.build_full_result()["SecurityGroups"]
    }


def prefix_list_names(params: Fields) -> list[str]:
    rules = [rule for group in params["groups"] for way in DIRECTIONS for rule in group[way] or []]
    names = {name for rule in rules for name in rule["prefix_lists"] or []}
    return sorted(name for name in names if not name.startswith("pl-"))


@AWSErrorHandler.common_error_handler("find the prefix lists")
def read_prefix_lists(client: Any, names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-name", "Values": names}]
    )
    return {found["PrefixListName"]: found["PrefixListId"] for found in pages.build_full_result()["PrefixLists"]}


class GroupSession:
    """Reads and changes the groups; remembers what it created until AWS lists it."""

    def __init__(self, client: Any, params: Fields) -> None:
        self._client = client
        self._params = params
        self._created: dict[str, str] = {}
        self._state: Fields = {}

    def describe(self) -> Fields:
        """Returns the groups for people; the plan needs the rules as they are compared."""
        self._state = when_visible(lambda: read(self._client, self._params), self._created.values())
        return summarise(self._state, self._params)

    def plan(self) -> Plan:
        return plan(self._state, self._params)

    def apply(self, planned: Plan) -> None:
        self._created = perform(self._client, planned, TIMEOUT)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    session = GroupSession(aws_client(module, "ec2"), module.params)
    run(
        module,
        "security_groups",
        describe=session.describe,
        plan=lambda _current: session.plan(),
        apply=session.apply,
    )


if __name__ == "__main__":
    main()
