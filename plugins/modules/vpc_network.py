#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vpc_network
version_added: 0.1.0
short_description: Manage a VPC with its subnets, gateways and routes in one call
description:
  - Creates, repairs or deletes a VPC together with public and private subnets, an internet gateway, NAT gateways
    with their addresses, and the route tables that tie them together.
  - The network is found by the tag C(gatehouse:stack) in O(tags), or by its C(Name) tag when O(tags) holds no such
    key. Parts that carry another owner are left alone.
  - The main route table, the default security group and routes that belong to other resources, such as gateway
    endpoints, are never touched.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Start of the C(Name) tag of every part, as in C(<name>-vpc).
    type: str
    required: true
  state:
    description: Whether the network should exist.
    type: str
    choices: [present, absent]
    default: present
  cidr:
    description:
      - Address range of the VPC.
      - Required when O(state=present). AWS cannot change it later; another value is refused.
    type: str
  enable_dns_support:
    description: Whether AWS resolves names inside the VPC.
    type: bool
    default: true
  enable_dns_hostnames:
    description: Whether instances get names; private DNS of VPC endpoints needs it.
    type: bool
    default: true
  public_subnets:
    description: Subnets whose default route leads to the internet gateway and that hand out public addresses.
    type: list
    elements: dict
    suboptions:
      cidr:
        description: Address range.
        type: str
        required: true
      availability_zone:
        description:
          - Availability zone, for example V(ap-northeast-1a).
          - Left empty, a subnet stays in the zone where it is; a new one shares the zone of its counterpart, which is
            the private or public subnet at the same place, or gets the first zone of the region that no other has.
        type: str
        default: ""
  private_subnets:
    description: Subnets without a way in from the internet.
    type: list
    elements: dict
    suboptions:
      cidr:
        description: Address range.
        type: str
        required: true
      availability_zone:
        description:
          - Availability zone, for example V(ap-northeast-1a).
          - Left empty, a subnet stays in the zone where it is; a new one shares the zone of its counterpart, which is
            the private or public subnet at the same place, or gets the first zone of the region that no other has.
        type: str
        default: ""
  resource_name_dns_a_record:
    description: Whether subnets answer queries for resource-based names of instances with A records.
    type: bool
    default: true
  nat:
    description:
      - How the private subnets reach the internet.
      - V(none) gives them no way out, V(single) one NAT gateway in the first public subnet, V(per_az) one in each.
    type: str
    choices: [none, single, per_az]
    default: none
  purge:
    description:
      - Whether NAT gateways, addresses, route tables, routes and associations that are part of this network but not
        declared are removed. They are listed in RV(network.undeclared) either way.
    type: bool
    default: true
  purge_cidrs:
    description: Whether further IPv4 ranges are removed from the VPC.
    type: bool
    default: true
  wait:
    description: Whether to wait until NAT gateways work. AWS takes about two minutes to make one.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for one step.
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
- name: Keep a closed network in two zones
  gatehouse.fargate.vpc_network:
    name: hello-dev
    cidr: 10.0.0.0/16
    public_subnets:
      - {cidr: 10.0.0.0/20, availability_zone: ap-northeast-1a}
      - {cidr: 10.0.16.0/20, availability_zone: ap-northeast-1c}
    private_subnets:
      - {cidr: 10.0.32.0/20, availability_zone: ap-northeast-1a}
      - {cidr: 10.0.48.0/20, availability_zone: ap-northeast-1c}
    tags:
      gatehouse:stack: hello-dev

- name: Remove it again
  gatehouse.fargate.vpc_network:
    name: hello-dev
    state: absent
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
network:
  description: The network as it is now, or as it will be in check mode.
  returned: always
  type: dict
  contains:
    vpc:
      description: The VPC; empty when there is none.
      type: dict
    internet_gateway:
      description: The internet gateway.
      type: dict
    subnets:
      description: All subnets of the VPC.
      type: list
      elements: dict
    route_tables:
      description: All route tables of the VPC except the main one.
      type: list
      elements: dict
    nat_gateways:
      description: All NAT gateways of the VPC that are not deleted.
      type: list
      elements: dict
    addresses:
      description: Elastic IP addresses of the NAT gateways.
      type: list
      elements: dict
    public_subnet_ids:
      description: Ids of the public subnets as declared.
      type: list
      elements: str
    private_subnet_ids:
      description: Ids of the private subnets as declared.
      type: list
      elements: str
    public_route_table_id:
      description: Id of the route table of the public subnets.
      type: str
    private_route_table_ids:
      description: Ids of the route tables of the private subnets.
      type: list
      elements: str
    availability_zones:
      description: Zones of the public subnets as declared.
      type: list
      elements: str
    undeclared:
      description: What O(purge) would remove or change, as kind and name.
      type: list
      elements: str
      sample: [nat_gateway hello-dev-nat-ap-northeast-1a]
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

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import perform, when_visible
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_api import read
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_plan import plan
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.network_removal import summarise
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.waiters import wait_for
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.zones import read_zones, with_zones
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, Plan
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

SUBNETS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "cidr": {"type": "str", "required": True},
        "availability_zone": {"type": "str", "default": ""},
    },
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "cidr": {"type": "str"},
    "enable_dns_support": {"type": "bool", "default": True},
    "enable_dns_hostnames": {"type": "bool", "default": True},
    "public_subnets": SUBNETS,
    "private_subnets": SUBNETS,
    "resource_name_dns_a_record": {"type": "bool", "default": True},
    "nat": {"type": "str", "choices": ["none", "single", "per_az"], "default": "none"},
    "purge": {"type": "bool", "default": True},
    "purge_cidrs": {"type": "bool", "default": True},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}


class NetworkSession:
    """Reads and changes one network; remembers what it created until AWS lists it."""

    def __init__(self, client: Any, params: Fields, may_wait: bool) -> None:
        self._client = client
        self.params = params
        self._may_wait = may_wait
        self._created: dict[str, str] = {}

    def describe(self) -> Fields:
        state = self._read()
        pending = [nat["id"] for nat in state["nat_gateways"] if nat["state"] == "pending"]
        if pending and self._may_wait:
            timeout = self.params["wait_timeout"]
            wait_for(self._client, "nat_gateways_available", timeout, NatGatewayIds=pending)
            state = self._read()
        if self.params["state"] == "present":
            self.params = with_zones(self.params, state["subnets"], lambda: read_zones(self._client))
        return summarise(state, self.params)

    def apply(self, planned: Plan) -> None:
        self._created = perform(self._client, planned, self.params["wait_timeout"])

    def _read(self) -> Fields:
        return dict(when_visible(lambda: read(self._client, self.params), self._created.values()))


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC, required_if=[("state", "present", ["cidr"])], supports_check_mode=True
    )
    may_wait = module.params["wait"] and module.params["state"] == "present" and not module.check_mode
    session = NetworkSession(aws_client(module, "ec2"), module.params, may_wait)
    run(
        module,
        "network",
        describe=session.describe,
        plan=lambda current: plan(current, session.params),
        apply=session.apply,
    )


if __name__ == "__main__":
    main()
