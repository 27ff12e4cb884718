#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cognito_users
version_added: 0.1.0
short_description: Manage all users of an Amazon Cognito user pool
description:
  - Adds and changes the users of a user pool so that they match one list, and removes the others on request.
  - A user who exists is never given a new password, so one who has chosen a password keeps it.
options:
  user_pool_id:
    description: Identifier of the user pool.
    type: str
    required: true
  users:
    description: The users that should exist.
    type: list
    elements: dict
    required: true
    suboptions:
      username:
        description: Name of the user.
        type: str
        required: true
      email:
        description: Email address of the user, marked as verified.
        type: str
        required: true
      temporary_password:
        description:
          - Password for the first login, which asks for a new one.
          - Used only when the user is created. Without it Cognito makes one up and sends it.
        type: str
      invite:
        description:
          - Whether Cognito sends the invite message to a user who is created.
          - Without this option it is sent only to a user without O(users[].temporary_password).
        type: bool
  purge:
    description:
      - Whether to delete users that are not listed, those who came from another identity provider excepted.
    type: bool
    default: false
author:
  - Gatehouse contributors (@gatehouse)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Let two people in
  gatehouse.fargate.cognito_users:
    user_pool_id: ap-northeast-1_AbCdEfGhI
    users:
      - username: alice
        email: alice@example.com
      - username: bob
        email: bob@example.com
        temporary_password: "{{ vaulted_password_of_bob }}"
"""

RETURN = r"""
users:
  description: The users as they are now, or as they will be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    username:
      description: Name of the user.
      type: str
    email:
      description: Email address of the user.
      type: str
    email_verified:
      description: Whether the email address counts as verified.
      type: bool
    status:
      description: V(FORCE_CHANGE_PASSWORD) until the first login, then V(CONFIRMED).
      type: str
    enabled:
      description: Whether the user may log in.
      type: bool
changes:
  description: What was changed, or would be in check mode, one entry for each user.
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
      description: Name of the user.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be, passwords masked.
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

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import (
    CognitoErrors,
    describe_raw_pool,
    raw_users,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import (
    pool_fields,
    user_fields,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    SENSITIVE,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    is_known,
    run,
)

ARGUMENT_SPEC: dict[str, Any] = {
    "user_pool_id": {"type": "str", "required": True},
    "users": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "username": {"type": "str", "required": True},
            "email": {"type": "str", "required": True},
            "temporary_password": {"type": "str", "no_log": True},
            "invite": {"type": "bool"},
        },
    },
    "purge": {"type": "bool", "default": False},
}
FEDERATED = "EXTERNAL_PROVIDER"


@dataclass(frozen=True)
class PoolRules:
    """Settings of the pool that decide which users are the same; of a pool that is yet to come nothing is known."""

    case_sensitive: bool = True
    unique_emails: bool = False


def pool_rules(client: Any, pool_id: str) -> PoolRules:
    if not is_known(pool_id):
        return PoolRules()
    pool = pool_fields(describe_raw_pool(client, pool_id))
    return PoolRules(pool["username_case_sensitive"], "email" in pool["alias_attributes"])


def describe(client: Any, pool_id: str) -> list[Fields]:
    return [user_fields(raw) for raw in raw_users(client, pool_id)] if is_known(pool_id) else []


def plan(current: list[Fields], rules: PoolRules, params: Fields) -> Plan:
    key = str if rules.case_sensitive else str.lower
    check_users(params["users"], key, rules.unique_emails)
    existing = {key(user["username"]): user for user in current}
    wanted = {key(user["username"]): user for user in params["users"]}
    changes = []
    after = dict(existing)
    for name, user in wanted.items():
        after[name], change = plan_user(existing.get(name), user)
        changes += [change] if change else []
    for name in unlisted(existing, wanted) if params["purge"] else []:
        changes.append(Change(Action.DELETE, "cognito_user", existing[name]["username"], before=after.pop(name)))
    return Plan(list(after.values()), tuple(changes))


def check_users(users: list[Fields], key: Callable[[str], str], unique_emails: bool) -> None:
    refuse_twice("username", [key(user["username"]) for user in users], "name each user once")
    if unique_emails:
        emails = [user["email"].lower() for user in users]
        refuse_twice("email", emails, "users log in with their email here, so give each user another one")
    for user in users:
        if "@" not in user["email"].strip("@"):
            raise PlanRefusedError(
                f"users: email {user['email']!r} of {user['username']} is no email address: mend it."
            )
        if user["invite"] is False and not user["temporary_password"]:
            raise PlanRefusedError(
                f"users: {user['username']} has neither temporary_password nor an invitation and could never log in: "
                "give a temporary_password or drop invite."
            )


def refuse_twice(field: str, values: list[str], remedy: str) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise PlanRefusedError(f"users: {field} {twice[0]} is listed more than once: {remedy}.")


def plan_user(existing: Fields | None, user: Fields) -> tuple[Fields, Change | None]:
    declared = {"email": user["email"], "email_verified": True}
    if existing is None:
        result = {"username": user["username"], **declared, "status": "FORCE_CHANGE_PASSWORD", "enabled": True}
        return result, creation(user, declared)
    before, after = differences(existing, declared)
    if not after:
        return existing, None
    return {**existing, **after}, Change(
        Action.UPDATE, "cognito_user", existing["username"], before, after, call=email_attributes(user["email"])
    )


def creation(user: Fields, declared: Fields) -> Change:
    password = user["temporary_password"]
    invited = not password if user["invite"] is None else user["invite"]
    after = {**declared, "invited": invited}
    request: Fields = {"UserAttributes": email_attributes(user["email"])}
    if password:
        after["temporary_password"] = SENSITIVE
        request["TemporaryPassword"] = password
    if invited:
        request["DesiredDeliveryMediums"] = ["EMAIL"]
    else:
        request["MessageAction"] = "SUPPRESS"
    return Change(Action.CREATE, "cognito_user", user["username"], after=after, call=request)


def email_attributes(email: str) -> list[dict[str, str]]:
    """A changed email counts as unverified, which would lock its owner out, unless both are set together."""
    return [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]


def unlisted(existing: dict[str, Fields], wanted: dict[str, Fields]) -> list[str]:
    return [name for name, user in existing.items() if name not in wanted and user["status"] != FEDERATED]


def apply(client: Any, pool_id: str, planned: Plan) -> None:
    for change in planned.changes:
        apply_one = CognitoErrors.common_error_handler(f"{change.action} user {change.name}")(apply_change)
        apply_one(client, pool_id, change)


def apply_change(client: Any, pool_id: str, change: Change) -> None:
    user = {"UserPoolId": pool_id, "Username": change.name}
    if change.action is Action.CREATE:
        client.admin_create_user(**user, **change.call)
    elif change.action is Action.UPDATE:
        client.admin_update_user_attributes(**user, UserAttributes=change.call)
    else:
        client.admin_delete_user(**user)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "cognito-idp")
    pool_id = module.params["user_pool_id"]
    run(
        module,
        "users",
        describe=lambda: describe(client, pool_id),
        plan=lambda current: plan(current, pool_rules(client, pool_id), module.params),
        apply=lambda planned: apply(client, pool_id, planned),
    )


if __name__ == "__main__":
    main()
