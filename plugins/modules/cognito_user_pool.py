#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cognito_user_pool
version_added: 0.1.0
short_description: Manage an Amazon Cognito user pool
description:
  - Creates, changes or deletes a user pool, found by its name.
  - Settings that have no option here, or whose option is not set, keep the value they have.
options:
  name:
    description:
      - Name of the user pool.
      - Names are not unique in Cognito. Of several pools with this name, the one whose tag C(gatehouse:stack) equals
        the one in O(tags) is taken; a pool that carries another stack's tag is never touched.
    type: str
    required: true
  state:
    description:
      - Whether the user pool should exist.
      - A pool that still has a domain, or is protected from deletion, is not deleted but refused.
    type: str
    choices: [present, absent]
    default: present
  password_policy:
    description:
      - What a password must be like.
      - Leave unset to keep the policy unmanaged.
    type: dict
    suboptions:
      minimum_length:
        description: Least number of characters, 6 to 99.
        type: int
        default: 8
      require_lowercase:
        description: Whether a lower-case letter is needed.
        type: bool
        default: true
      require_uppercase:
        description: Whether an upper-case letter is needed.
        type: bool
        default: true
      require_numbers:
        description: Whether a digit is needed.
        type: bool
        default: true
      require_symbols:
        description: Whether a special character is needed.
        type: bool
        default: true
      temporary_password_validity_days:
        description: Days in which an invited user must log in for the first time.
        type: int
        default: 7
      password_history_size:
        description:
          - Number of earlier passwords that may not be used again.
          - Needs the tier V(ESSENTIALS) or V(PLUS).
        type: int
  alias_attributes:
    description:
      - Attributes that may be used instead of the user name to log in.
      - AWS cannot change this after creation; a different value on an existing pool is refused.
    type: list
    elements: str
    choices: [email, phone_number, preferred_username]
  username_case_sensitive:
    description:
      - Whether V(Alice) and V(alice) are two users. A new pool has V(false) when this is not set.
      - AWS cannot change this after creation; a different value on an existing pool is refused.
    type: bool
  auto_verified_attributes:
    description: Attributes that Cognito verifies by sending a code.
    type: list
    elements: str
    choices: [email, phone_number]
  account_recovery:
    description: Ways in which a user may reset a forgotten password, the preferred one first.
    type: list
    elements: str
    choices: [verified_email, verified_phone_number, admin_only]
  admin_create_user_only:
    description: Whether nobody can sign up on their own.
    type: bool
  invite_message:
    description:
      - What an invited user is sent.
      - Both messages must contain C({username}) and C({####}), which Cognito replaces by the temporary password.
      - Ansible takes C({####}) for a template comment, so mark the text with C(!unsafe).
    type: dict
    suboptions:
      email_subject:
        description: Subject of the email.
        type: str
      email_message:
        description: Text of the email, HTML allowed.
        type: str
      sms_message:
        description: Text message, at most 140 characters.
        type: str
  mfa:
    description:
      - Whether a user needs a code from an authenticator app (TOTP) besides the password.
      - V(optional) asks those who have set one up, V(required) makes everybody set one up at the next login.
      - Other second factors that the pool has are kept, except with V(off).
    type: str
    choices: ['off', optional, required]
  deletion_protection:
    description: Whether the pool is protected from deletion.
    type: bool
  tier:
    description: Feature plan, which decides the price per active user. AWS gives a new pool V(ESSENTIALS).
    type: str
    choices: [LITE, ESSENTIALS, PLUS]
  domain:
    description:
      - Domain that the pool may have by now, a whole name or a prefix. The module does not manage it.
      - Where it leads to the pool of this O(name) and of the tag C(gatehouse:stack) in O(tags), the list of all pools
        is not read.
    type: str
author:
  - Gatehouse contributors (@gatehouse)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Let invited people log in with their email
  gatehouse.fargate.cognito_user_pool:
    name: hello-dev
    alias_attributes: [email]
    auto_verified_attributes: [email]
    account_recovery: [verified_email]
    admin_create_user_only: true
    password_policy:
      minimum_length: 12
    invite_message:
      email_subject: Your account for hello.example.com
      email_message: !unsafe "Log in as {username} with the temporary password {####}"
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
user_pool:
  description: The user pool as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    id:
      description: Identifier of the user pool.
      type: str
      sample: ap-northeast-1_AbCdEfGhI
    arn:
      description: ARN of the user pool.
      type: str
    name:
      description: Name of the user pool.
      type: str
    password_policy:
      description: What a password must be like, with the keys of the option.
      type: dict
    alias_attributes:
      description: Attributes that may be used to log in.
      type: list
      elements: str
    username_case_sensitive:
      description: Whether user names differ by case.
      type: bool
    auto_verified_attributes:
      description: Attributes that Cognito verifies.
      type: list
      elements: str
    account_recovery:
      description: Ways to reset a forgotten password, the preferred one first.
      type: list
      elements: str
    admin_create_user_only:
      description: Whether nobody can sign up on their own.
      type: bool
    invite_message:
      description: What an invited user is sent, null where it is Cognito's own text.
      type: dict
    mfa:
      description: Whether a second factor is V(off), V(optional) or V(required).
      type: str
    totp:
      description: Whether an authenticator app counts as second factor; null when O(mfa) is not set.
      type: bool
    deletion_protection:
      description: Whether the pool is protected from deletion.
      type: bool
    tier:
      description: Feature plan.
      type: str
    domain:
      description: The pool's custom domain, else its prefix domain, else empty.
      type: str
    domain_settings:
      description:
        - What O(domain) is, empty when it does not exist or is not of this pool.
        - For O(gatehouse.fargate.cognito_user_pool_domain#module:known_domain), which then need not ask again.
      type: dict
    tags:
      description: Tags of the user pool.
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
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import (
    CognitoErrors,
    describe_raw_domain,
    describe_raw_pool,
    full_request,
    raw_mfa,
    raw_pools_named,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import (
    domain_fields,
    mfa_request,
    pool_fields,
    pool_request,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "password_policy": {
        "type": "dict",
        "no_log": False,
        "options": {
            "minimum_length": {"type": "int", "default": 8},
            "require_lowercase": {"type": "bool", "default": True},
            "require_uppercase": {"type": "bool", "default": True},
            "require_numbers": {"type": "bool", "default": True},
            "require_symbols": {"type": "bool", "default": True},
            "temporary_password_validity_days": {"type": "int", "default": 7, "no_log": False},
            "password_history_size": {"type": "int", "no_log": False},
        },
    },
    "alias_attributes": {
        "type": "list",
        "elements": "str",
        "choices": ["email", "phone_number", "preferred_username"],
    },
    "username_case_sensitive": {"type": "bool"},
    "auto_verified_attributes": {"type": "list", "elements": "str", "choices": ["email", "phone_number"]},
    "account_recovery": {
        "type": "list",
        "elements": "str",
        "choices": ["verified_email", "verified_phone_number", "admin_only"],
    },
    "admin_create_user_only": {"type": "bool"},
    "invite_message": {
        "type": "dict",
        "options": {
            "email_subject": {"type": "str"},
            "email_message": {"type": "str"},
            "sms_message": {"type": "str"},
        },
    },
    "mfa": {"type": "str", "choices": ["off", "optional", "required"]},
    "deletion_protection": {"type": "bool"},
    "tier": {"type": "str", "choices": ["LITE", "ESSENTIALS", "PLUS"]},
    "domain": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
STACK_TAG = "gatehouse:stack"
IMMUTABLE = ("alias_attributes", "username_case_sensitive")
MANAGED = (
    "password_policy",
    "auto_verified_attributes",
    "account_recovery",
    "admin_create_user_only",
    "invite_message",
    "mfa",
    "deletion_protection",
    "tier",
)
# Set by a request of their own.
MFA_FIELDS = ("mfa", "totp")
PLACEHOLDERS = ("{username}", "{####}")


def describe(client: Any, params: Fields) -> Fields:
    stack = (params["tags"] or {}).get(STACK_TAG)
    domain = domain_fields(describe_raw_domain(client, params["domain"])) if params["domain"] else {}
    pool = pool_at(client, domain, params["name"], stack)
    if not pool:
        pool = choose([pool_fields(raw) for raw in raw_pools_named(client, params["name"])], params["name"], stack)
    if not pool:
        return {}
    settings = domain if domain.get("user_pool_id") == pool["id"] else {}
    totp = describe_totp(client, pool, params["mfa"]) if params["mfa"] else None
    return {**pool, "totp": totp, "domain_settings": settings}


def pool_at(client: Any, domain: Fields, name: str, stack: str | None) -> Fields:
    """Returns the pool that the domain belongs to, if it is the stack's."""
    raw = describe_raw_pool(client, domain["user_pool_id"]) if domain and stack else {}
    pool = pool_fields(raw) if raw else {}
    return pool if pool and pool["name"] == name and pool["tags"].get(STACK_TAG) == stack else {}


def describe_totp(client: Any, pool: Fields, wanted: str) -> bool:
    """A pool that asks for no second factor and is not to has none, whatever it was prepared for."""
    if pool["mfa"] == wanted == "off":
        return False
    return bool(raw_mfa(client, pool["id"]).get("SoftwareTokenMfaConfiguration", {}).get("Enabled"))


def choose(pools: list[Fields], name: str, stack: str | None) -> Fields:
    """Returns the pool of this stack, or the only one that belongs to no other stack."""
    ours = [pool for pool in pools if stack and pool["tags"].get(STACK_TAG) == stack]
    nobodys = [pool for pool in pools if not stack or STACK_TAG not in pool["tags"]]
    candidates = ours or nobodys
    if len(candidates) > 1:
        ids = ", ".join(pool["id"] for pool in candidates)
        raise PlanRefusedError(
            f"name: {len(candidates)} user pools are named {name} ({ids}): give the one to manage the tag {STACK_TAG} "
            "with the value that this task has under tags, and no other one, or delete the others."
        )
    return candidates[0] if candidates else {}


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params["name"])
    check_invite_message(params["invite_message"] or {})
    return plan_update(current, params) if current else plan_create(params)


def check_invite_message(message: Fields) -> None:
    for key in ("email_message", "sms_message"):
        missing = [text for text in PLACEHOLDERS if text not in (message.get(key) or "")]
        if message.get(key) and missing:
            raise PlanRefusedError(
                f"invite_message.{key} lacks {' and '.join(missing)}: without it the invited user cannot log in. "
                "Mark the text with !unsafe, as Ansible takes {####} for a comment."
            )
    if len(message.get("sms_message") or "") > 140:
        raise PlanRefusedError("invite_message.sms_message is longer than the 140 characters AWS allows: shorten it.")


def plan_absent(current: Fields, name: str) -> Plan:
    if not current:
        return Plan({})
    if current["domain"]:
        raise PlanRefusedError(
            f"state: user pool {name} still has the domain {current['domain']}: "
            "delete that first with cognito_user_pool_domain and state absent."
        )
    if current["deletion_protection"]:
        raise PlanRefusedError(
            f"state: user pool {name} is protected from deletion: set deletion_protection to false first."
        )
    return Plan({}, (Change(Action.DELETE, "cognito_user_pool", name, before=current, call=current["id"]),))


def plan_create(params: Fields) -> Plan:
    fields = wanted(pool_fields({}), params)
    fields["username_case_sensitive"] = bool(params["username_case_sensitive"])
    if params["alias_attributes"]:
        fields["alias_attributes"] = sorted(params["alias_attributes"])
    fields["tags"] = params["tags"] or {}
    shown = {**fields, "name": params["name"], "id": KNOWN_AFTER_APPLY, "arn": KNOWN_AFTER_APPLY}
    change = Change(Action.CREATE, "cognito_user_pool", params["name"], after=shown, call=fields)
    totp = None if params["mfa"] is None else params["mfa"] != "off"
    return Plan({**pool_fields({}), "totp": totp, "domain_settings": {}, **shown}, (change,))


def wanted(current: Fields, params: Fields) -> Fields:
    """Returns the managed fields that are set, nested ones completed by what the pool has."""
    fields = {key: params[key] for key in MANAGED if params[key] is not None}
    for key in ("password_policy", "invite_message"):
        if key in fields:
            given = {name: value for name, value in fields[key].items() if value is not None}
            fields[key] = {**current[key], **given}
    if fields.get("mfa") not in (None, "off"):
        fields["totp"] = True
    if "auto_verified_attributes" in fields:
        fields["auto_verified_attributes"] = sorted(fields["auto_verified_attributes"])
    return fields


def plan_update(current: Fields, params: Fields) -> Plan:
    check_immutable(current, params)
    before, after = differences(current, wanted(current, params))
    settings = dict(after)
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    tags = tags_after(current["tags"], to_set, to_remove)
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags
    if not after:
        return Plan(current)
    call = {"id": current["id"], "arn": current["arn"], "settings": settings, "tags": tags}
    mfa = params["mfa"] if set(MFA_FIELDS) & set(settings) else None
    call.update(to_set=to_set, to_remove=to_remove, mfa=mfa)
    change = Change(Action.UPDATE, "cognito_user_pool", params["name"], before, after, call=call)
    return Plan({**current, **after}, (change,))


def check_immutable(current: Fields, params: Fields) -> None:
    for key in IMMUTABLE:
        desired = sorted(params[key]) if isinstance(params[key], list) else params[key]
        if desired is not None and desired != current[key]:
            raise PlanRefusedError(
                f"{key} of user pool {params['name']} is {current[key]} and AWS cannot change it to {desired} after "
                f"creation: keep {current[key]}, or delete the pool first, which deletes its users."
            )


@CognitoErrors.common_error_handler("change the user pool")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            client.delete_user_pool(UserPoolId=change.call)
        elif change.action is Action.CREATE:
            create(client, change)
        else:
            update(client, change.call)


def create(client: Any, change: Change) -> None:
    answer = client.create_user_pool(PoolName=change.name, **pool_request({}, without_mfa(change.call)))
    # Cognito takes an authenticator app as the only second factor not at creation but afterwards.
    if change.call.get("mfa", "off") != "off":
        set_mfa(client, answer["UserPool"]["Id"], change.call["mfa"])


def without_mfa(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key not in MFA_FIELDS}


def set_mfa(client: Any, pool_id: str, mfa: str) -> None:
    client.set_user_pool_mfa_config(UserPoolId=pool_id, **mfa_request(raw_mfa(client, pool_id), mfa))


def update(client: Any, call: Fields) -> None:
    settings = without_mfa(call["settings"])
    if settings:
        raw = describe_raw_pool(client, call["id"])
        identity = {"UserPoolId": call["id"], "PoolName": raw["Name"]}
        changed = pool_request(raw, {**settings, "tags": call["tags"]})
        client.update_user_pool(**full_request(client, "UpdateUserPool", {**raw, **identity}, changed))
    if call["mfa"]:
        set_mfa(client, call["id"], call["mfa"])
    if call["to_remove"]:
        client.untag_resource(ResourceArn=call["arn"], TagKeys=call["to_remove"])
    if call["to_set"]:
        client.tag_resource(ResourceArn=call["arn"], Tags=call["to_set"])


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "cognito-idp")
    run(
        module,
        "user_pool",
        describe=lambda: describe(client, module.params),
        plan=guarded(f"user pool {module.params['name']}", module.params, lambda current: plan(current, module.params)),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
