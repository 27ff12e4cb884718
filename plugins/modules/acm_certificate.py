#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: acm_certificate
version_added: 0.1.0
short_description: Request a certificate from AWS Certificate Manager and validate it by DNS
description:
  - Requests a public certificate, publishes the DNS records that prove the control of its names and waits until it is
    issued.
  - An existing certificate is taken when its names and its key algorithm are the wanted ones, and when it carries the
    wanted values of the tags in O(owner_tags).
  - Names and key algorithm of a certificate cannot change; other values lead to another certificate.
author:
  - Gatehouse contributors (@gatehouse)
options:
  domain_name:
    description:
      - First name of the certificate; V(*.example.com) stands for all names directly below.
      - AWS allows 64 characters.
    type: str
    required: true
  subject_alternative_names:
    description: Further names of the certificate.
    type: list
    elements: str
    default: []
  key_algorithm:
    description: Algorithm of the key pair; only V(RSA_2048) suits every service of AWS.
    type: str
    choices: [RSA_2048, RSA_3072, RSA_4096, EC_prime256v1, EC_secp384r1]
    default: RSA_2048
  state:
    description: Whether the certificate should exist.
    type: str
    choices: [present, absent]
    default: present
  validation_zone_id:
    description:
      - Route 53 hosted zone in which the module keeps the validation records, with the credentials of this task.
      - AWS needs the records again at every renewal; a missing or different one is repaired.
      - Leave unset to publish RV(certificate.validation_records) by other means.
    type: str
  known_records:
    description:
      - Records of the zone as M(gatehouse.fargate.route53_delegated_zone) returned them.
      - AWS is only asked when these do not show that the validation records are published.
    type: list
    elements: dict
    default: []
  known_arn:
    description:
      - ARN of the certificate that is in use, where that is known. It is taken if it is a wanted one.
      - AWS is only asked for other certificates when it is not.
    type: str
  owner_tags:
    description:
      - Keys of O(tags) whose values tell an own certificate from one of the same name that belongs to somebody else.
      - Keys that O(tags) does not hold are not compared.
    type: list
    elements: str
    default: ["gatehouse:stack"]
  wait:
    description:
      - Whether to wait until the certificate is issued.
      - With O(state=absent), whether to wait until no other service uses the certificate.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 900
notes:
  - Amazon Cognito takes the certificate of a custom domain only from the region V(us-east-1); set O(region) there.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Request the certificate and go on
  gatehouse.fargate.acm_certificate:
    domain_name: hello.example.com
    validation_zone_id: Z0123456789ABCDEFGHIJ
    wait: false
    tags:
      gatehouse:stack: hello-dev

- name: Wait for the certificate of the login pages
  gatehouse.fargate.acm_certificate:
    domain_name: auth.hello.example.com
    validation_zone_id: Z0123456789ABCDEFGHIJ
    region: us-east-1
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
certificate:
  description: The certificate as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the certificate.
      type: str
      sample: arn:aws:acm:ap-northeast-1:123456789012:certificate/0f8b4a4c-7b77-4a55-9d4c-3f7e0e4f2a11
    domain_name:
      description: First name of the certificate.
      type: str
    subject_alternative_names:
      description: All names of the certificate, the first one included.
      type: list
      elements: str
    key_algorithm:
      description: Algorithm of the key pair.
      type: str
    status:
      description: V(ISSUED) or V(PENDING_VALIDATION).
      type: str
    validation_records:
      description: DNS records that prove the control of the names.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the record.
          type: str
        type:
          description: Type of the record, V(CNAME).
          type: str
        value:
          description: Value of the record.
          type: str
        domain_name:
          description: Name that the record validates.
          type: str
        published:
          description: Whether O(validation_zone_id) holds the record; null without that option.
          type: bool
        found:
          description: Record that O(validation_zone_id) holds under this name; null when there is none.
          type: dict
    tags:
      description: Tags of the certificate.
      type: dict
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
from ansible_collections.gatehouse.fargate.plugins.module_utils._acm import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import change_records, key_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "domain_name": {"type": "str", "required": True},
    "subject_alternative_names": {"type": "list", "elements": "str", "default": []},
    "key_algorithm": {
        "type": "str",
        "choices": ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1"],
        "default": "RSA_2048",
        "no_log": False,
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "validation_zone_id": {"type": "str"},
    "known_records": {"type": "list", "elements": "dict", "default": []},
    "known_arn": {"type": "str"},
    "owner_tags": {"type": "list", "elements": "str", "default": ["gatehouse:stack"]},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 900},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
CERTIFICATE = "acm_certificate"
RECORD = "acm_validation_record"


class Certificates:
    """The AWS side of the module: ACM of one region and Route 53."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.acm = aws_client(module, "acm")
        self.route53 = aws_client(module, "route53")
        self.check_mode = bool(module.check_mode)
        self.requested: str | None = None


def describe(aws: Certificates, params: Fields) -> Fields:
    """Returns the certificate; one whose records are all published is waited for."""
    wanted = api.Wanted.of(params)
    known = params["known_arn"]
    current = api.find(aws.acm, wanted, known) if aws.requested is None else api.read(aws.acm, aws.requested)
    if not current:
        return {}
    api.mark_published(aws.route53, current, params["validation_zone_id"], params["known_records"])
    if aws.check_mode or not is_waited_for(current, params):
        return current
    api.wait_issued(aws.acm, current, params["wait_timeout"])
    return {**current, "status": "ISSUED"}


def is_waited_for(current: Fields, params: Fields) -> bool:
    if params["state"] == "absent" or not params["wait"] or current["status"] != "PENDING_VALIDATION":
        return False
    return all(record["published"] is not False for record in current["validation_records"])


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current:
        return Plan({})
    delete = Change(Action.DELETE, CERTIFICATE, params["domain_name"], before=current)
    published = [record for record in current["validation_records"] if record["published"]]
    return Plan({}, (delete, *(record_change(Action.DELETE, record) for record in published)))


def plan_create(params: Fields) -> Plan:
    names = list(dict.fromkeys([params["domain_name"], *params["subject_alternative_names"]]))
    expected = [unknown_record(name) for name in api.validated_names(names)]
    fields = {
        "domain_name": params["domain_name"],
        "subject_alternative_names": names,
        "key_algorithm": params["key_algorithm"],
        "tags": params["tags"] or {},
        "arn": KNOWN_AFTER_APPLY,
    }
    changes = [Change(Action.CREATE, CERTIFICATE, params["domain_name"], after=fields)]
    if params["validation_zone_id"]:
        changes += [record_change(Action.CREATE, record) for record in expected]
    status = "ISSUED" if params["wait"] else "PENDING_VALIDATION"
    return Plan({**fields, "status": status, "validation_records": expected}, tuple(changes))


def unknown_record(name: str) -> Fields:
    unknown = dict.fromkeys(("name", "value"), KNOWN_AFTER_APPLY)
    return {**unknown, "type": "CNAME", "domain_name": name, "published": None, "found": None}


def plan_update(current: Fields, params: Fields) -> Plan:
    tags = tag_changes(current, params)
    records = [
        record_change(Action.UPDATE if record["found"] else Action.CREATE, record)
        for record in current["validation_records"]
        if record["published"] is False
    ]
    result = {**current, **tags[0].after} if tags else current
    return Plan(result, (*tags, *records))


def tag_changes(current: Fields, params: Fields) -> list[Change]:
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if not to_set and not to_remove:
        return []
    before, after = {"tags": current["tags"]}, {"tags": tags_after(current["tags"], to_set, to_remove)}
    call = (current["arn"], to_set, to_remove)
    return [Change(Action.UPDATE, CERTIFICATE, params["domain_name"], before, after, call=call)]


def record_change(action: Action, record: Fields) -> Change:
    after = {} if action is Action.DELETE else api.published_record(record)
    return Change(action, RECORD, record["domain_name"], record["found"] or {}, after)


def apply(aws: Certificates, params: Fields, planned: Plan) -> None:
    certificates = [change for change in planned.changes if change.resource == CERTIFICATE]
    records = [change for change in planned.changes if change.resource == RECORD]
    for change in certificates:
        if change.action is Action.CREATE:
            aws.requested = api.request(aws.acm, change.after)
            records = requested_records(aws, aws.requested) if params["validation_zone_id"] else []
        elif change.action is Action.UPDATE:
            api.change_tags(aws.acm, *change.call)
        else:
            api.delete(aws.acm, change.before["arn"], params["wait_timeout"] if params["wait"] else 0)
    if records:
        write_records(aws.route53, params["validation_zone_id"], records)


def requested_records(aws: Certificates, arn: str) -> list[Change]:
    """Returns the record changes of a certificate just requested: what was unknown to the plan is known now."""
    return [record_change(Action.CREATE, record) for record in api.read(aws.acm, arn)["validation_records"]]


def write_records(client: Any, zone_id: str, changes: list[Change]) -> None:
    upsert = [change.after for change in changes if change.action is not Action.DELETE]
    delete = [change.before for change in changes if change.action is Action.DELETE]
    change_records(client, zone_id, upsert={key_of(one): one for one in upsert}.values(), delete=delete)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    aws = Certificates(module)
    run(
        module,
        "certificate",
        describe=lambda: describe(aws, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(aws, module.params, planned),
    )


if __name__ == "__main__":
    main()
