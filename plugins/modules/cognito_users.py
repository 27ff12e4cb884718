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
  - Calls are spaced so that a list of any length stays below Cognito's request rates and leaves room for those who
    log in meanwhile; a thousand new users take about a minute, and another for their groups.
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
      groups:
        description:
          - All groups that the user is in. A group that does not exist is created; one that nobody names is kept.
          - Without this option the groups of the user are not managed.
        type: list
        elements: str
      enabled:
        description: Whether the user may log in.
        type: bool
        default: true
  username_case_sensitive:
    description:
      - Whether names that differ only in case are of different users, as M(gatehouse.fargate.cognito_user_pool) returns
        it.
      - The pool is asked unless this and O(alias_attributes) are given.
    type: bool
  alias_attributes:
    description: What users log in with instead of their name, as M(gatehouse.fargate.cognito_user_pool) returns it.
    type: list
    elements: str
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
        groups: [editors]
      - username: carol
        email: carol@example.com
        enabled: false
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
    groups:
      description: Groups that the user is in, sorted; null when no listed user has O(users[].groups).
      type: list
      elements: str
changes:
  description: What was changed, or would be in check mode, one entry for each group to create and each user.
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
      description: Name of the user or group.
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
    group_members,
    group_names,
    raw_users,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.pacing import pace
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
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

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
            "groups": {"type": "list", "elements": "str"},
            "enabled": {"type": "bool", "default": True},
        },
    },
    "username_case_sensitive": {"type": "bool"},
    "alias_attributes": {"type": "list", "elements": "str"},
    "purge": {"type": "bool", "default": False},
}
RULES = ("username_case_sensitive", "alias_attributes")
FEDERATED = "EXTERNAL_PROVIDER"
USER = "cognito_user"
GROUP = "cognito_group"

# An operation of the API and its parameters, the pool excepted.
Call = tuple[str, Fields]


@dataclass(frozen=True)
class PoolRules:
    """What the pool says about its users; of a pool that is yet to come nothing is known."""

    case_sensitive: bool = True
    unique_emails: bool = False
    groups: frozenset[str] = frozenset()


def manages_groups(params: Fields) -> bool:
    return any(user["groups"] is not None for user in params["users"])


def pool_rules(client: Any, params: Fields, current: list[Fields]) -> PoolRules:
    pool_id = params["user_pool_id"]
    if not is_known(pool_id):
        return PoolRules()
    given = {key: params[key] for key in RULES}
    pool = pool_fields(describe_raw_pool(client, pool_id)) if None in given.values() else given
    groups = existing_groups(client, params, current)
    return PoolRules(pool["username_case_sensitive"], "email" in pool["alias_attributes"], frozenset(groups))


def existing_groups(client: Any, params: Fields, current: list[Fields]) -> set[str]:
    """Returns the groups that have members; all of them when one is declared that has none."""
    joined = groups_of_all(current)
    return joined if groups_of_all(params["users"]) <= joined else group_names(client, params["user_pool_id"])


def describe(client: Any, params: Fields) -> list[Fields]:
    pool_id = params["user_pool_id"]
    if not is_known(pool_id):
        return []
    users = [user_fields(raw) for raw in raw_users(client, pool_id)]
    if not manages_groups(params):
        return users
    # A few groups with many members each: asking every user for their groups would take a request for each.
    members = {group: group_members(client, pool_id, group) for group in sorted(group_names(client, pool_id))}
    return [{**user, "groups": groups_of(user["username"], members)} for user in users]


def groups_of(username: str, members: dict[str, set[str]]) -> list[str]:
    return [group for group, names in members.items() if username in names]


def plan(current: list[Fields], rules: PoolRules, params: Fields) -> Plan:
    key = str if rules.case_sensitive else str.lower
    check_users(params["users"], key, rules.unique_emails)
    existing = {key(user["username"]): user for user in current}
    wanted = {key(user["username"]): user for user in params["users"]}
    changes = plan_groups(rules.groups, params["users"])
    after = dict(existing)
    for name, user in wanted.items():
        after[name], change = plan_user(existing.get(name), user)
        changes += [change] if change else []
    for name in unlisted(existing, wanted) if params["purge"] else []:
        gone = after.pop(name)
        username = gone["username"]
        changes.append(Change(Action.DELETE, USER, username, before=gone, call=[user_call("admin_delete_user", gone)]))
    return Plan(list(after.values()), tuple(changes))


def plan_groups(existing: frozenset[str], users: list[Fields]) -> list[Change]:
    return [
        Change(Action.CREATE, GROUP, group, after={"name": group}, call=[("create_group", {"GroupName": group})])
        for group in sorted(groups_of_all(users) - existing)
    ]


def groups_of_all(users: list[Fields]) -> set[str]:
    return {group for user in users for group in user["groups"] or []}


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
    declared = {"email": user["email"], "email_verified": True, "enabled": user["enabled"]}
    groups = None if user["groups"] is None else sorted(set(user["groups"]))
    if existing is None:
        result = {"username": user["username"], **declared, "status": "FORCE_CHANGE_PASSWORD", "groups": groups}
        return result, creation(user, {**declared, **({"groups": groups} if groups else {})})
    before, after = differences(existing, {**declared, "groups": groups})
    if not after:
        return existing, None
    name = existing["username"]
    return {**existing, **after}, Change(
        Action.UPDATE, USER, name, before, after, call=update_calls(existing, before, after, user)
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
    calls = [user_call("admin_create_user", user, **request), *membership_calls(user, [], declared.get("groups", []))]
    # Cognito has no way to create a user who may not log in.
    calls += [] if user["enabled"] else [user_call("admin_disable_user", user)]
    return Change(Action.CREATE, USER, user["username"], after=after, call=calls)


def update_calls(existing: Fields, before: Fields, after: Fields, user: Fields) -> list[Call]:
    """Returns the calls of an update, a lock first: it must not wait for what may fail."""
    calls = []
    if "enabled" in after:
        operation = "admin_enable_user" if after["enabled"] else "admin_disable_user"
        calls.append(user_call(operation, existing))
    if "email" in after or "email_verified" in after:
        attributes = email_attributes(user["email"])
        calls.append(user_call("admin_update_user_attributes", existing, UserAttributes=attributes))
    if "groups" in after:
        calls += membership_calls(existing, before["groups"] or [], after["groups"])
    return calls


def membership_calls(user: Fields, before: list[str], after: list[str]) -> list[Call]:
    leave = [user_call("admin_remove_user_from_group", user, GroupName=name) for name in before if name not in after]
    join = [user_call("admin_add_user_to_group", user, GroupName=name) for name in after if name not in before]
    return leave + join


def user_call(operation: str, user: Fields, **request: Any) -> Call:
    return operation, {"Username": user["username"], **request}


def email_attributes(email: str) -> list[dict[str, str]]:
    """A changed email counts as unverified, which would lock its owner out, unless both are set together."""
    return [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]


def unlisted(existing: dict[str, Fields], wanted: dict[str, Fields]) -> list[str]:
    return [name for name, user in existing.items() if name not in wanted and user["status"] != FEDERATED]


def apply(client: Any, pool_id: str, planned: Plan) -> None:
    for change in planned.changes:
        what = f"{change.action} {change.resource.removeprefix('cognito_')} {change.name}"
        CognitoErrors.common_error_handler(what)(apply_change)(client, pool_id, change)


def apply_change(client: Any, pool_id: str, change: Change) -> None:
    for operation, request in change.call:
        getattr(client, operation)(UserPoolId=pool_id, **request)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = pace(aws_client(module, "cognito-idp"))
    params = module.params
    run(
        module,
        "users",
        describe=lambda: describe(client, params),
        plan=lambda current: plan(current, pool_rules(client, params, current), params),
        apply=lambda planned: apply(client, params["user_pool_id"], planned),
    )


if __name__ == "__main__":
    main()
