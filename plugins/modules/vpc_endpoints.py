#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vpc_endpoints
version_added: 0.1.0
short_description: Manage all VPC endpoints of a network in one call
description:
  - Creates, changes or deletes interface and gateway endpoints of a VPC, field by field.
  - An endpoint of a declared service that carries another C(gatehouse:stack) tag, or none, is refused unless
    O(adopt=true). Endpoints that AWS is deleting are ignored.
author:
  - Gatehouse contributors (@gatehouse)
options:
  vpc_id:
    description: VPC of the endpoints.
    type: str
    required: true
  name:
    description: Start of the C(Name) tag of every endpoint, as in C(<name>-ecr.api). Without it no C(Name) is set.
    type: str
  state:
    description:
      - Whether the endpoints should exist.
      - With V(absent), every endpoint of the VPC that carries the C(gatehouse:stack) tag of O(tags) is deleted.
    type: str
    choices: [present, absent]
    default: present
  interface:
    description: Interface endpoints, which share subnets and security groups.
    type: dict
    suboptions:
      services:
        description: Services by short name, for example V(ecr.api), or by full name.
        type: list
        elements: str
        default: []
      subnet_ids:
        description: Subnets that hold a network interface of each endpoint, at most one for each zone.
        type: list
        elements: str
        default: []
      security_group_ids:
        description: Security groups of the network interfaces.
        type: list
        elements: str
        default: []
      private_dns:
        description: Whether the usual names of the services lead to the endpoints inside the VPC.
        type: bool
        default: true
      policies:
        description: Endpoint policy by service. A service that is not listed allows everything, as AWS does.
        type: dict
  gateway:
    description: Gateway endpoints.
    type: dict
    suboptions:
      services:
        description: Services by short name, V(s3) or V(dynamodb).
        type: list
        elements: str
        default: []
      route_table_ids:
        description: Route tables that get a route to the endpoint.
        type: list
        elements: str
        default: []
      policies:
        description: Endpoint policy by service. A service that is not listed allows everything, as AWS does.
        type: dict
  purge:
    description:
      - Whether endpoints of the VPC that carry the C(gatehouse:stack) tag of O(tags) and are not declared are deleted.
        They are listed in RV(vpc_endpoints.undeclared) either way.
    type: bool
    default: true
  adopt:
    description: Whether endpoints of the declared services are taken over from another owner.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the endpoints work, or are gone. AWS takes two to three minutes for an interface endpoint.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 600
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Let tasks without a way to the internet pull images and write logs
  gatehouse.fargate.vpc_endpoints:
    vpc_id: vpc-0123456789abcdef0
    name: hello-dev
    interface:
      services: [ecr.api, ecr.dkr, logs]
      subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
      security_group_ids: [sg-0123456789abcdef0]
    gateway:
      services: [s3]
      route_table_ids: [rtb-0123456789abcdef0]
      policies:
        s3:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: "*"
              Action: s3:GetObject
              Resource: arn:aws:s3:::prod-ap-northeast-1-starport-layer-bucket/*
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
vpc_endpoints:
  description: The endpoints as they are now, or as they will be in check mode.
  returned: always
  type: dict
  contains:
    endpoints:
      description: The declared endpoints that exist, by the name under which they are declared.
      type: dict
      contains:
        id:
          description: Id of the endpoint.
          type: str
        type:
          description: V(Interface) or V(Gateway).
          type: str
        service:
          description: Full name of the service.
          type: str
        state:
          description: State, for example V(pending) or V(available).
          type: str
        subnet_ids:
          description: Subnets of an interface endpoint.
          type: list
          elements: str
        security_group_ids:
          description: Security groups of an interface endpoint.
          type: list
          elements: str
        route_table_ids:
          description: Route tables of a gateway endpoint.
          type: list
          elements: str
        private_dns:
          description: Whether private DNS is on.
          type: bool
        policy:
          description: Endpoint policy.
          type: dict
        tags:
          description: Tags of the endpoint.
          type: dict
    undeclared:
      description: Services whose endpoints O(purge) would delete.
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

import json
import uuid
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import perform, when_visible
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.endpoint_plan import (
    LEAVING_STATES,
    plan,
    summarise,
    token_key,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.waiters import wait_for
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import is_owned
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Action, Fields, Plan, is_known
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

COMMON: dict[str, Any] = {
    "services": {"type": "list", "elements": "str", "default": []},
    "policies": {"type": "dict"},
}
INTERFACE: dict[str, Any] = {
    **COMMON,
    "subnet_ids": {"type": "list", "elements": "str", "default": []},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "private_dns": {"type": "bool", "default": True},
}
GATEWAY: dict[str, Any] = {**COMMON, "route_table_ids": {"type": "list", "elements": "str", "default": []}}
ARGUMENT_SPEC: dict[str, Any] = {
    "vpc_id": {"type": "str", "required": True},
    "name": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "interface": {"type": "dict", "options": INTERFACE},
    "gateway": {"type": "dict", "options": GATEWAY},
    "purge": {"type": "bool", "default": True},
    "adopt": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}


@AWSErrorHandler.common_error_handler("list the VPC endpoints")
def read(client: Any, vpc_id: str) -> list[Fields]:
    if not is_known(vpc_id):
        return []
    pages = client.get_paginator("describe_vpc_endpoints").paginate(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    return [endpoint(found) for found in pages.build_full_result()["VpcEndpoints"]]


def endpoint(found: Fields) -> Fields:
    common = {
        "id": found["VpcEndpointId"],
        "type": found["VpcEndpointType"],
        "service": found["ServiceName"],
        "state": found["State"].lower(),
        "policy": json.loads(found.get("PolicyDocument") or "{}"),
        "tags": boto3_tag_list_to_ansible_dict(found.get("Tags", [])),
    }
    if found["VpcEndpointType"] != "Interface":
        return {**common, "route_table_ids": sorted(found.get("RouteTableIds", []))}
    return {
        **common,
        "subnet_ids": sorted(found.get("SubnetIds", [])),
        "security_group_ids": sorted(group["GroupId"] for group in found.get("Groups", [])),
        "private_dns": found.get("PrivateDnsEnabled", False),
    }


class EndpointSession:
    """Reads and changes the endpoints; remembers what it created until AWS lists it."""

    def __init__(self, client: Any, params: Fields, may_wait: bool) -> None:
        self._client = client
        self._params = params
        self._may_wait = may_wait
        self._region = client.meta.region_name
        self._created: dict[str, str] = {}
        self._state: list[Fields] = []

    def describe(self) -> Fields:
        """Returns the declared endpoints; the plan needs those on their way out as well."""
        self._read()
        if self._may_wait:
            self._settle()
        return summarise(self._state, self._params, self._region)

    def plan(self) -> Plan:
        return plan(self._state, self._params, self._region)

    def apply(self, planned: Plan) -> None:
        created = [change.name for change in planned.changes if change.action in (Action.CREATE, Action.REPLACE)]
        tokens = {token_key(name): str(uuid.uuid4()) for name in created}
        self._created = perform(self._client, planned, self._params["wait_timeout"], tokens)

    def _settle(self) -> None:
        ours = [each for each in self._state if is_owned(each["tags"], self._params["tags"])]
        pending = [each["id"] for each in ours if each["state"] == "pending"]
        leaving = [each["id"] for each in ours if each["state"] in LEAVING_STATES]
        for waiter, ids in (("vpc_endpoints_available", pending), ("vpc_endpoints_deleted", leaving)):
            if ids:
                wait_for(self._client, waiter, self._params["wait_timeout"], VpcEndpointIds=ids)
        if pending or leaving:
            self._read()

    def _read(self) -> None:
        self._state = when_visible(lambda: read(self._client, self._params["vpc_id"]), self._created.values())


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    may_wait = module.params["wait"] and not module.check_mode
    session = EndpointSession(aws_client(module, "ec2"), module.params, may_wait)
    run(
        module,
        "vpc_endpoints",
        describe=session.describe,
        plan=lambda _current: session.plan(),
        apply=session.apply,
    )


if __name__ == "__main__":
    main()
