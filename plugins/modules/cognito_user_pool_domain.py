#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cognito_user_pool_domain
version_added: 0.1.0
short_description: Manage the address of an Amazon Cognito user pool's login pages
description:
  - Creates, changes or deletes the custom or prefix domain of a user pool.
  - A custom domain C(auth.hello.example.com) can only be created once its parent C(hello.example.com) has an A record
    that the public DNS knows.
options:
  domain:
    description:
      - Fully qualified name of a custom domain, or the prefix alone of a domain below C(amazoncognito.com).
      - At most 63 characters, in lower case.
    type: str
    required: true
  user_pool_id:
    description:
      - Identifier of the user pool.
      - AWS cannot move a domain to another user pool; a different pool on an existing domain is refused.
    type: str
    required: true
  state:
    description: Whether the domain should exist.
    type: str
    choices: [present, absent]
    default: present
  certificate_arn:
    description:
      - ARN of the issued ACM certificate for the custom domain, in the region us-east-1.
      - Needed by a custom domain, refused for a prefix domain.
    type: str
  managed_login_version:
    description:
      - V(1) shows the classic login pages, V(2) the newer managed login, which needs the tier V(ESSENTIALS) or V(PLUS).
    type: int
    choices: [1, 2]
    default: 1
  client_ids:
    description:
      - App clients that get the standard style of managed login when O(managed_login_version=2).
      - Without a style their managed login page stays blank.
    type: list
    elements: str
    default: []
  parent_timeout:
    description:
      - Seconds to keep trying to create a custom domain while Cognito cannot resolve the parent domain yet, as a record
        that was just written takes up to a minute to spread.
    type: int
    default: 120
  known_domain:
    description:
      - The domain as M(gatehouse.fargate.cognito_user_pool) returned it, in
        RV(gatehouse.fargate.cognito_user_pool#module:user_pool.domain_settings).
      - AWS is only asked when this does not show that the domain is at work and as declared.
    type: dict
  wait:
    description: Whether to wait until the domain is active, or gone.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for the domain.
      - A custom domain takes 2 to 15 minutes; AWS speaks of up to an hour.
    type: int
    default: 3600
author:
  - Gatehouse contributors (@gatehouse)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Start the custom domain, which takes minutes
  gatehouse.fargate.cognito_user_pool_domain:
    domain: auth.hello.example.com
    user_pool_id: ap-northeast-1_AbCdEfGhI
    certificate_arn: arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555
    wait: false

- name: Remove a prefix domain
  gatehouse.fargate.cognito_user_pool_domain:
    domain: hello-dev
    user_pool_id: ap-northeast-1_AbCdEfGhI
    state: absent
"""

RETURN = r"""
domain:
  description: The domain as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    domain:
      description: The custom domain or the prefix.
      type: str
    user_pool_id:
      description: Identifier of the user pool.
      type: str
    certificate_arn:
      description: ARN of the custom domain's certificate, empty for a prefix domain.
      type: str
    managed_login_version:
      description: V(1) for the classic login pages, V(2) for managed login.
      type: int
    styled_client_ids:
      description: App clients of O(client_ids) that have a managed login style.
      type: list
      elements: str
    cloudfront_domain:
      description: Name that the custom domain's alias record must point to.
      type: str
      sample: d111111abcdef8.cloudfront.net
    status:
      description: V(CREATING), V(ACTIVE), V(UPDATING), V(DELETING) or V(FAILED).
      type: str
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

import re
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_message
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import (
    CognitoErrors,
    describe_raw_domain,
    full_request,
    has_branding,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import domain_fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.waiters import wait_for_domain
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    is_known,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "domain": {"type": "str", "required": True},
    "user_pool_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "certificate_arn": {"type": "str"},
    "managed_login_version": {"type": "int", "choices": [1, 2], "default": 1},
    "client_ids": {"type": "list", "elements": "str", "default": []},
    "parent_timeout": {"type": "int", "default": 120},
    "known_domain": {"type": "dict"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 3600},
}
MAX_DOMAIN = 63
LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
RESERVED = ("aws", "amazon", "cognito")
PARENT_POLL_SECONDS = 5
PARENT_UNKNOWN = "resolve a DNS A record"

BrandingErrors = missing_is("ManagedLoginBrandingExistsException")
TRANSITIONS = {"CREATING": "domain_active", "UPDATING": "domain_active", "DELETING": "domain_gone"}


class ParentRetry(AWSRetry):
    """Retries only while Cognito cannot resolve the parent domain."""

    @staticmethod
    def status_code_from_exception(error: Any) -> str:
        return PARENT_UNKNOWN if PARENT_UNKNOWN in error.response["Error"].get("Message", "") else ""

    @staticmethod
    def found(response_code: str, _codes: Any = None) -> bool:
        return response_code == PARENT_UNKNOWN


def is_custom(domain: str) -> bool:
    return "." in domain


def describe(client: Any, params: Fields, wait: bool) -> Fields:
    known = params["known_domain"] or {}
    fields = known if is_at_work(known, params) else domain_fields(describe_settled(client, params, wait))
    if not fields:
        return {}
    styled = [
        client_id for client_id in styled_clients(params) if has_branding(client, params["user_pool_id"], client_id)
    ]
    return {**fields, "styled_client_ids": styled}


def is_at_work(known: Fields, params: Fields) -> bool:
    """Tells whether a domain is known to be as declared, so that there is nothing to ask."""
    declared = {key: params[key] for key in ("domain", "user_pool_id", "managed_login_version")}
    declared |= {"certificate_arn": params["certificate_arn"] or "", "status": "ACTIVE"}
    return params["state"] == "present" and {key: known.get(key) for key in declared} == declared


@CognitoErrors.common_error_handler("wait for the user pool domain")
def describe_settled(client: Any, params: Fields, wait: bool) -> Fields:
    raw = describe_raw_domain(client, params["domain"])
    waiter = TRANSITIONS.get(raw.get("Status", ""))
    if not (wait and waiter):
        return raw
    wait_for_domain(client, waiter, params["domain"], params["wait_timeout"])
    return describe_raw_domain(client, params["domain"])


def styled_clients(params: Fields) -> list[str]:
    """Returns the clients that need a style: only managed login, version 2, knows styles."""
    return params["client_ids"] if params["managed_login_version"] == 2 else []


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    check_name(params["domain"])
    check_certificate(params)
    return plan_update(current, params) if current else plan_create(params)


def check_name(domain: str) -> None:
    label_pattern = rf"{LABEL}(\.{LABEL})*"
    if len(domain) > MAX_DOMAIN:
        raise PlanRefusedError(
            f"domain: {domain} has {len(domain)} characters and AWS allows {MAX_DOMAIN}: take a shorter one."
        )
    if not re.fullmatch(label_pattern, domain):
        raise PlanRefusedError(
            f"domain: {domain} is not a domain of lower-case letters, digits and inner hyphens: mend its spelling."
        )
    reserved = [word for word in RESERVED if word in domain and not is_custom(domain)]
    if reserved:
        raise PlanRefusedError(f"domain: AWS reserves the word {reserved[0]} in a prefix like {domain}: take another.")


def check_certificate(params: Fields) -> None:
    domain, arn = params["domain"], params["certificate_arn"] or ""
    if is_custom(domain) and not arn:
        raise PlanRefusedError(
            f"certificate_arn: the custom domain {domain} needs one: give the ARN of a certificate in us-east-1."
        )
    if arn and not is_custom(domain):
        raise PlanRefusedError(f"certificate_arn: the prefix domain {domain} has none: leave it out.")
    if is_known(arn) and arn.startswith("arn:aws:") and arn.split(":")[3:4] != ["us-east-1"]:
        raise PlanRefusedError(f"certificate_arn: {arn} is not in us-east-1: request one there for {domain}.")


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current or current["status"] == "DELETING":
        return Plan({})
    change = Change(
        Action.DELETE, "cognito_user_pool_domain", params["domain"], before=current, call=current["user_pool_id"]
    )
    return Plan({}, (change,))


def plan_create(params: Fields) -> Plan:
    fields = {key: params[key] for key in ("domain", "user_pool_id", "managed_login_version")}
    fields["certificate_arn"] = params["certificate_arn"] or ""
    styles = plan_styles([], params)
    result = {**fields, "styled_client_ids": styled_clients(params), "status": KNOWN_AFTER_APPLY}
    result["cloudfront_domain"] = KNOWN_AFTER_APPLY
    return Plan(result, (Change(Action.CREATE, "cognito_user_pool_domain", params["domain"], after=fields), *styles))


def plan_styles(styled: list[str], params: Fields) -> tuple[Change, ...]:
    return tuple(
        Change(Action.CREATE, "cognito_managed_login_style", client_id, after={"style": "standard"})
        for client_id in styled_clients(params)
        if client_id not in styled
    )


def plan_update(current: Fields, params: Fields) -> Plan:
    check_changeable(current, params)
    desired = {"managed_login_version": params["managed_login_version"], "certificate_arn": params["certificate_arn"]}
    before, after = differences(current, desired)
    styles = plan_styles(current["styled_client_ids"], params)
    update = (Change(Action.UPDATE, "cognito_user_pool_domain", params["domain"], before, after),) if after else ()
    return Plan({**current, **after, "styled_client_ids": styled_clients(params)}, (*update, *styles))


def check_changeable(current: Fields, params: Fields) -> None:
    domain, status = params["domain"], current["status"]
    if current["user_pool_id"] != params["user_pool_id"]:
        raise PlanRefusedError(
            f"user_pool_id: domain {domain} belongs to user pool {current['user_pool_id']} and AWS cannot move it to "
            f"{params['user_pool_id']}: delete the domain first with state absent, or choose another domain."
        )
    if status in ("DELETING", "FAILED"):
        raise PlanRefusedError(
            f"domain: {domain} has the status {status}: "
            + ("run again once it is gone." if status == "DELETING" else "delete it with state absent and run again.")
        )


@CognitoErrors.common_error_handler("change the user pool domain")
def apply(client: Any, params: Fields, planned: Plan) -> None:
    for change in planned.changes:
        if change.resource == "cognito_managed_login_style":
            create_style(client, params["user_pool_id"], change.name)
        elif change.action is Action.DELETE:
            client.delete_user_pool_domain(Domain=change.name, UserPoolId=change.call)
        elif change.action is Action.CREATE:
            create(client, params, domain_request({}, change.after))
        else:
            raw = describe_raw_domain(client, change.name)
            changed = domain_request(raw, change.after)
            client.update_user_pool_domain(**full_request(client, "UpdateUserPoolDomain", raw, changed))


def domain_request(raw: Fields, fields: Fields) -> Fields:
    request = {}
    if "managed_login_version" in fields:
        request["ManagedLoginVersion"] = fields["managed_login_version"]
    if fields.get("certificate_arn"):
        request["CustomDomainConfig"] = {
            **raw.get("CustomDomainConfig", {}),
            "CertificateArn": fields["certificate_arn"],
        }
    return request


def create(client: Any, params: Fields, settings: Fields) -> None:
    retries = max(1, params["parent_timeout"] // PARENT_POLL_SECONDS)
    retry = ParentRetry.exponential_backoff(retries=retries, delay=PARENT_POLL_SECONDS, backoff=1)
    try:
        retry(client.create_user_pool_domain)(Domain=params["domain"], UserPoolId=params["user_pool_id"], **settings)
    except is_boto3_error_message(PARENT_UNKNOWN) as error:
        parent = params["domain"].partition(".")[2]
        raise AnsibleAWSError(
            message=f"Failed to create the domain {params['domain']}: Cognito finds no A record for {parent}. Write "
            f"one (an alias to the load balancer will do) and check with 'dig +short A {parent}' that the public DNS "
            "answers it, which needs the parent zone to delegate the sub domain; then run again",
            exception=error,
        ) from error


@BrandingErrors.list_error_handler("create the managed login style")
def create_style(client: Any, pool_id: str, client_id: str) -> None:
    client.create_managed_login_branding(UserPoolId=pool_id, ClientId=client_id, UseCognitoProvidedValues=True)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "cognito-idp")
    wait = module.params["wait"] and not module.check_mode
    run(
        module,
        "domain",
        describe=lambda: describe(client, module.params, wait),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(client, module.params, planned),
    )


if __name__ == "__main__":
    main()
