#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: route53_delegated_zone
version_added: 0.1.0
short_description: Manage a public Route 53 zone and its delegation from the parent zone
description:
  - Creates, changes or deletes the public hosted zone of a sub domain, and the NS record in the zone of the parent
    domain that leads to it.
  - The parent zone may be in another account. The module itself takes the role there, so that its credentials never
    pass through Ansible.
  - A zone of the same name that belongs to another C(gatehouse:stack), or to none, is refused unless O(adopt=true).
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Domain of the zone, with or without the trailing dot.
    type: str
    required: true
  state:
    description:
      - Whether the zone should exist.
      - A zone that still holds records other than its own NS and SOA is not deleted.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - Whether O(state=absent) also deletes a delegation when this account has no zone of O(name). Such a delegation
        leads nowhere, or to a zone in another account, which cannot be told apart from here.
    type: bool
    default: false
  comment:
    description: Comment on the zone.
    type: str
    default: ""
  parent_domain:
    description: Domain of the zone that delegates to this one. Without it there is no delegation.
    type: str
  parent_zone_id:
    description: Id of the parent zone, for accounts that hold more than one public zone of O(parent_domain).
    type: str
  parent_role_arn:
    description: Role to take for reading and changing the parent zone. Without it the credentials of the task serve.
    type: str
  ttl:
    description: Seconds for which resolvers may keep the delegation.
    type: int
    default: 300
  adopt:
    description: Whether a zone of the same name is taken over from another owner.
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
- name: Keep the zone of the app, delegated from the company's zone in another account
  gatehouse.fargate.route53_delegated_zone:
    name: hello.example.com
    parent_domain: example.com
    parent_role_arn: arn:aws:iam::123456789012:role/delegate-hello
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
zone:
  description: The zone as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    id:
      description: Id of the zone.
      type: str
    name:
      description: Domain of the zone, without the trailing dot.
      type: str
    name_servers:
      description: Name servers of the zone, sorted.
      type: list
      elements: str
    comment:
      description: Comment on the zone.
      type: str
    tags:
      description: Tags of the zone.
      type: dict
    delegation:
      description: NS record in the parent zone; empty when there is none.
      type: dict
    parent_zone_id:
      description: Id of the parent zone.
      type: str
    records:
      description:
        - The zone's records, of a large zone the first few hundred; without those that share name and type.
        - For O(gatehouse.fargate.route53_records#module:known_records) and
          O(gatehouse.fargate.acm_certificate#module:known_records), which then need not ask again.
      type: list
      elements: dict
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

import uuid
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import (
    OWNER_TAG,
    is_owned,
    owner_of,
    refuse_foreign,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import (
    change_records,
    describe_records,
    first_records,
    host_name,
    key_of,
    normalised,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "force": {"type": "bool", "default": False},
    "comment": {"type": "str", "default": ""},
    "parent_domain": {"type": "str"},
    "parent_zone_id": {"type": "str"},
    "parent_role_arn": {"type": "str"},
    "ttl": {"type": "int", "default": 300},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}


@AWSErrorHandler.common_error_handler("read the zone")
def describe(client: Any, parent_client: Any, params: Fields) -> Fields:
    name, parent_name = host_name(params["name"]), host_name(params["parent_domain"] or "")
    # Below the parent in the same list, as a rule.
    same_list = client is parent_client and name.endswith(f".{parent_name}") and not params["parent_zone_id"]
    zones = Zones.of(client, parent_name if same_list else name)
    zone = describe_zone(client, zones.public(client, name), params)
    parents = zones if same_list else Zones()
    parent_id = find_parent(parent_client, parents, params) if parent_name else ""
    records = describe_records(parent_client, parent_id, [(name, "NS")]) if parent_id else {}
    delegation = records.get((name, "NS"), {})
    return {**with_servers(client, zone, delegation), "parent_zone_id": parent_id, "delegation": delegation}


@dataclass(frozen=True)
class Zones:
    """One page of the list of zones, which Route 53 sorts by the labels from the right, from a name onwards."""

    start: str = ""
    listed: tuple[Fields, ...] = ()
    # The first zone of the next page, empty on the last one.
    next_name: str = ""

    @classmethod
    def of(cls, client: Any, start: str) -> Zones:
        page = client.list_hosted_zones_by_name(DNSName=f"{start}.")
        return cls(start, tuple(page["HostedZones"]), host_name(page.get("NextDNSName", "")))

    def public(self, client: Any, name: str) -> list[Fields]:
        """Returns the public zones of exactly this name; asks again when this page does not hold them all."""
        named = [zone for zone in self.listed if host_name(zone["Name"]) == name]
        if not self.start or (name != self.start and self.next_name and (not named or name == self.next_name)):
            return Zones.of(client, name).public(client, name)
        return [zone for zone in named if not zone.get("Config", {}).get("PrivateZone")]


def describe_zone(client: Any, found: list[Fields], params: Fields) -> Fields:
    zones = [read_zone(client, zone) for zone in found]
    ours = [zone for zone in zones if is_owned(zone["tags"], params["tags"])]
    return next(iter(ours or zones), {})


def with_servers(client: Any, zone: Fields, delegation: Fields) -> Fields:
    """Adds the zone's records and name servers; where zone and parent agree on these, there is nothing to ask."""
    if not zone:
        return {}
    records = first_records(client, zone["id"])
    own = next((one["values"] for one in records if key_of(one) == (zone["name"], "NS")), None)
    if not own or own != delegation.get("values"):
        own = client.get_hosted_zone(Id=zone["id"])["DelegationSet"]["NameServers"]
    return {**zone, "name_servers": sorted(map(host_name, own)), "records": records}


def read_zone(client: Any, zone: Fields) -> Fields:
    zone_id = zone["Id"].removeprefix("/hostedzone/")
    tags = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)["ResourceTagSet"]["Tags"]
    return {
        "id": zone_id,
        "name": host_name(zone["Name"]),
        "comment": zone.get("Config", {}).get("Comment", ""),
        "tags": with_owner(boto3_tag_list_to_ansible_dict(tags), zone["CallerReference"]),
    }


def with_owner(tags: dict[str, str], caller_reference: str) -> dict[str, str]:
    """A zone is created without tags, so one of an interrupted run is known by its caller reference."""
    mark, _separator, _unique = caller_reference.rpartition(" ")
    owner = mark.removeprefix(f"{OWNER_TAG}=")
    return {OWNER_TAG: owner} if not tags and mark != owner else tags


@AWSErrorHandler.common_error_handler("find the parent zone")
def find_parent(client: Any, zones: Zones, params: Fields) -> str:
    if params["parent_zone_id"]:
        return str(params["parent_zone_id"])
    domain = host_name(params["parent_domain"])
    ids = [zone["Id"].removeprefix("/hostedzone/") for zone in zones.public(client, domain)]
    if len(ids) == 1:
        return str(ids[0])
    if params["state"] == "absent":
        return ""
    found = f"{len(ids)} public zones of that name ({', '.join(ids)})" if ids else "no public zone of that name"
    raise PlanRefusedError(
        f"parent_domain is {domain} and the account that should hold it has {found}: give parent_zone_id, "
        "or parent_role_arn when the zone is in another account."
    )


def plan(current: Fields, params: Fields) -> Plan:
    exists = "id" in current
    if exists:
        refuse_foreign(f"the public zone {current['name']} ({current['id']})", current["tags"], params)
    if params["state"] == "absent":
        return plan_absent(current, exists, params["force"])
    zone_change = plan_update(current, params) if exists else plan_create(params)
    zone = {"records": [], **current, **(zone_change.after if zone_change else {})}
    delegation = plan_delegation(zone, params)
    if delegation:
        zone["delegation"] = delegation.after
    return Plan(zone, tuple(change for change in (zone_change, delegation) if change))


def plan_absent(current: Fields, exists: bool, force: bool) -> Plan:
    changes = []
    record = current["delegation"]
    # A delegation that leads elsewhere belongs to somebody else's zone of the same name.
    if record and (record["values"] == current["name_servers"] if exists else force):
        changes.append(Change(Action.DELETE, "route53_delegation", record["name"], before=record))
    if exists:
        zone = {key: value for key, value in current.items() if key not in ("delegation", "parent_zone_id", "records")}
        changes.append(Change(Action.DELETE, "route53_zone", current["name"], before=zone))
    return Plan({"parent_zone_id": current["parent_zone_id"], "delegation": {}}, tuple(changes))


def plan_create(params: Fields) -> Change:
    fields = {
        "id": KNOWN_AFTER_APPLY,
        "name": host_name(params["name"]),
        "name_servers": [KNOWN_AFTER_APPLY],
        "comment": params["comment"],
        "tags": params["tags"] or {},
    }
    return Change(Action.CREATE, "route53_zone", fields["name"], after=fields)


def plan_update(current: Fields, params: Fields) -> Change | None:
    before: Fields = {}
    after: Fields = {}
    if current["comment"] != params["comment"]:
        before["comment"], after["comment"] = current["comment"], params["comment"]
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return None
    return Change(Action.UPDATE, "route53_zone", current["name"], before, after, call=(to_set, to_remove))


def plan_delegation(zone: Fields, params: Fields) -> Change | None:
    if not params["parent_domain"]:
        return None
    wanted = normalised({"name": zone["name"], "type": "NS", "ttl": params["ttl"], "values": zone["name_servers"]})
    if zone["delegation"] == wanted:
        return None
    action = Action.UPDATE if zone["delegation"] else Action.CREATE
    return Change(action, "route53_delegation", zone["name"], zone["delegation"], wanted)


def apply(client: Any, parent_client: Any, planned: Plan, params: Fields) -> None:
    zone = planned.result
    for change in planned.changes:
        if change.resource == "route53_delegation":
            delegate(parent_client, zone, change)
        elif change.action is Action.DELETE:
            delete_zone(client, change.before["id"])
        elif change.action is Action.CREATE:
            zone = {**zone, **create_zone(client, change.after, params)}
        else:
            update_zone(client, zone["id"], change)


def delegate(client: Any, zone: Fields, change: Change) -> None:
    if change.action is Action.DELETE:
        change_records(client, zone["parent_zone_id"], delete=[change.before])
    else:
        # Only now are the name servers of a new zone known.
        record = {**change.after, "values": zone["name_servers"]}
        change_records(client, zone["parent_zone_id"], upsert=[record])


@AWSErrorHandler.common_error_handler("create the zone")
def create_zone(client: Any, fields: Fields, params: Fields) -> Fields:
    answer = client.create_hosted_zone(
        Name=fields["name"],
        CallerReference=f"{OWNER_TAG}={owner_of(params['tags'])} {uuid.uuid4()}",
        HostedZoneConfig={"Comment": fields["comment"], "PrivateZone": False},
    )
    zone_id = answer["HostedZone"]["Id"].removeprefix("/hostedzone/")
    change_tags(client, zone_id, fields["tags"], [])
    return {"id": zone_id, "name_servers": answer["DelegationSet"]["NameServers"]}


@AWSErrorHandler.common_error_handler("change the zone")
def update_zone(client: Any, zone_id: str, change: Change) -> None:
    if "comment" in change.after:
        client.update_hosted_zone_comment(Id=zone_id, Comment=change.after["comment"])
    change_tags(client, zone_id, *change.call)


def change_tags(client: Any, zone_id: str, to_set: dict[str, str], to_remove: list[str]) -> None:
    request: Fields = {"AddTags": ansible_dict_to_boto3_tag_list(to_set)} if to_set else {}
    if to_remove:
        request["RemoveTagKeys"] = to_remove
    if request:
        client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id, **request)


@AWSErrorHandler.common_error_handler("delete the zone")
def delete_zone(client: Any, zone_id: str) -> None:
    client.delete_hosted_zone(Id=zone_id)


def parent_client(module: AnsibleAWSModule, client: Any) -> Any:
    """Returns a client for the account of the parent zone."""
    role = module.params["parent_role_arn"]
    if not role or not module.params["parent_domain"]:
        return client
    session = assume_role(aws_client(module, "sts"), role)
    return aws_client(
        module,
        "route53",
        profile_name=None,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


@AWSErrorHandler.common_error_handler("take the role for the parent zone (parent_role_arn)")
def assume_role(client: Any, role: str) -> Fields:
    answer = client.assume_role(RoleArn=role, RoleSessionName="gatehouse-delegation")
    return dict(answer["Credentials"])


class ZoneSession:
    """Reads and changes the zone and, as somebody else where needed, its parent."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self._module = module
        self._client = aws_client(module, "route53")
        self._parent: Any = None

    def describe(self) -> Fields:
        self._parent = self._parent or parent_client(self._module, self._client)
        return describe(self._client, self._parent, self._module.params)

    def apply(self, planned: Plan) -> None:
        apply(self._client, self._parent, planned, self._module.params)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    session = ZoneSession(module)
    run(
        module,
        "zone",
        describe=session.describe,
        plan=lambda current: plan(current, module.params),
        apply=session.apply,
    )


if __name__ == "__main__":
    main()
