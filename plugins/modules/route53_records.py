#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: route53_records
version_added: 0.1.0
short_description: Manage records of a Route 53 hosted zone
description:
  - Creates, changes or deletes records of one hosted zone, all in one batch that takes effect completely or not at all.
  - Other records of the zone are left alone.
author:
  - Gatehouse contributors (@gatehouse)
options:
  zone_id:
    description:
      - Id of the hosted zone.
      - The zone may be in another account; the credentials of the task decide.
    type: str
    required: true
  records:
    description: The records.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name of the record, with or without the trailing dot.
        type: str
        required: true
      type:
        description: Type of the record.
        type: str
        choices: [A, AAAA, CAA, CNAME, MX, NS, SRV, TXT]
        required: true
      ttl:
        description: Seconds for which resolvers may keep the record; not used by an alias.
        type: int
        default: 300
      values:
        description:
          - Values of the record, in any order. TXT values carry their quotation marks.
          - With O(state=present), either this or O(records[].alias) is required.
        type: list
        elements: str
      alias:
        description: AWS resource whose addresses the record answers with.
        type: dict
        suboptions:
          dns_name:
            description: DNS name of the resource.
            type: str
            required: true
          hosted_zone_id:
            description: Hosted zone of the resource, as AWS documents or returns it; not O(zone_id).
            type: str
            required: true
          evaluate_target_health:
            description: Whether the record answers only while the resource is healthy.
            type: bool
            default: false
  state:
    description:
      - Whether the records should exist.
      - With V(absent), a record whose O(records[].values) or O(records[].alias) are given is only deleted when it has
        them.
    type: str
    choices: [present, absent]
    default: present
  known_records:
    description:
      - Records of the zone as M(gatehouse.fargate.route53_delegated_zone) returned them.
      - AWS is only asked when these do not show that all O(records) are as declared.
    type: list
    elements: dict
    default: []
  wait:
    description: Whether to wait until all name servers of AWS answer with the changed records.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Point the domain at the load balancer
  gatehouse.fargate.route53_records:
    zone_id: Z0123456789ABCDEFGHIJ
    records:
      - name: hello.example.com
        type: A
        alias:
          dns_name: "{{ load_balancer.dns_name }}"
          hosted_zone_id: "{{ load_balancer.hosted_zone_id }}"
          evaluate_target_health: true

- name: Delegate the domain, with credentials for the account of the parent zone
  gatehouse.fargate.route53_records:
    zone_id: Z9876543210ABCDEFGHIJ
    access_key: "{{ parent.credentials.access_key }}"
    secret_key: "{{ parent.credentials.secret_key }}"
    session_token: "{{ parent.credentials.session_token }}"
    records:
      - name: hello.example.com
        type: NS
        values: "{{ name_servers }}"
"""

RETURN = r"""
records:
  description: Those of the given records that exist now, or that will in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the record, in lower case and without the trailing dot.
      type: str
    type:
      description: Type of the record.
      type: str
    ttl:
      description: Seconds for which resolvers may keep the record; missing for an alias.
      type: int
    values:
      description: Values of the record, sorted; missing for an alias.
      type: list
      elements: str
    alias:
      description: Target of an alias; missing for other records.
      type: dict
      contains:
        dns_name:
          description: DNS name of the resource.
          type: str
        hosted_zone_id:
          description: Hosted zone of the resource.
          type: str
        evaluate_target_health:
          description: Whether the record answers only while the resource is healthy.
          type: bool
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
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    is_known,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import (
    Record,
    change_records,
    describe_records,
    host_name,
    key_of,
    normalised,
    told_or_held,
    wait_insync,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ALIAS_SPEC: dict[str, Any] = {
    "dns_name": {"type": "str", "required": True},
    "hosted_zone_id": {"type": "str", "required": True},
    "evaluate_target_health": {"type": "bool", "default": False},
}
RECORD_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"], "required": True},
    "ttl": {"type": "int", "default": 300},
    "values": {"type": "list", "elements": "str"},
    "alias": {"type": "dict", "options": ALIAS_SPEC},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "zone_id": {"type": "str", "required": True},
    "records": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": RECORD_SPEC,
        "mutually_exclusive": [["values", "alias"]],
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "known_records": {"type": "list", "elements": "dict", "default": []},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 300},
}


def describe(client: Any, params: Fields) -> list[Record]:
    if not is_known(params["zone_id"]):
        return []
    if params["state"] == "absent":
        keys = [(host_name(record["name"]), record["type"]) for record in params["records"]]
        return list(describe_records(client, params["zone_id"], keys).values())
    wanted = [normalised(complete(record)) for record in params["records"]]
    return list(told_or_held(client, params["zone_id"], wanted, params["known_records"]).values())


def plan(current: list[Record], params: Fields) -> Plan:
    held = {key_of(record): record for record in current}
    if params["state"] == "absent":
        return plan_absent(held, params["records"])
    desired = [normalised(complete(record)) for record in params["records"]]
    changes = [change_to(held.get(key_of(record)), record) for record in desired]
    return Plan(desired, tuple(change for change in changes if change))


def complete(record: Record) -> Record:
    if record["values"] or record["alias"]:
        return record
    raise PlanRefusedError(
        f"The record {record['name']} {record['type']} has neither values nor alias: give one of them."
    )


def change_to(current: Record | None, desired: Record) -> Change | None:
    if current == desired:
        return None
    name = f"{desired['name']} {desired['type']}"
    if current is None:
        return Change(Action.CREATE, "route53_record", name, after=desired)
    return Change(Action.UPDATE, "route53_record", name, current, desired)


def plan_absent(held: dict[tuple[str, str], Record], unwanted: list[Record]) -> Plan:
    found = [(held.get((host_name(record["name"]), record["type"])), record) for record in unwanted]
    doomed = [current for current, record in found if current and is_same(current, record)]
    changes = [
        Change(Action.DELETE, "route53_record", f"{record['name']} {record['type']}", before=record)
        for record in doomed
    ]
    return Plan([record for record in held.values() if record not in doomed], tuple(changes))


def is_same(current: Record, given: Record) -> bool:
    """Tells whether a record has what was given of it; the TTL does not make it another record."""
    if not given["values"] and not given["alias"]:
        return True
    wanted = normalised(given)
    return all(current.get(field) == wanted.get(field) for field in ("values", "alias"))


def apply(client: Any, params: Fields, planned: Plan) -> None:
    delete = [change.before for change in planned.changes if change.action is Action.DELETE]
    upsert = [change.after for change in planned.changes if change.action is not Action.DELETE]
    change_id = change_records(client, params["zone_id"], upsert, delete)
    if params["wait"]:
        wait_insync(client, change_id, params["wait_timeout"])


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "route53")
    run(
        module,
        "records",
        describe=lambda: describe(client, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(client, module.params, planned),
    )


if __name__ == "__main__":
    main()
