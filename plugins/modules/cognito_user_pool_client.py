#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cognito_user_pool_client
version_added: 0.1.0
short_description: Manage an app client of an Amazon Cognito user pool
description:
  - Creates, changes or deletes an app client, found by its name within the user pool.
  - Settings that have no option here keep the value they have.
  - The client's secret is neither returned nor shown; a load balancer reads it from Cognito itself.
options:
  name:
    description: Name of the app client.
    type: str
    required: true
  user_pool_id:
    description: Identifier of the user pool.
    type: str
    required: true
  state:
    description: Whether the app client should exist.
    type: str
    choices: [present, absent]
    default: present
  generate_secret:
    description:
      - Whether the client has a secret; a load balancer's login needs one.
      - AWS cannot change this after creation; a different value on an existing client is refused.
    type: bool
    default: true
  allowed_oauth_flows:
    description: OAuth flows the client may use; a load balancer's login needs V(code).
    type: list
    elements: str
    choices: [code, implicit, client_credentials]
    default: [code]
  allowed_oauth_scopes:
    description: OAuth scopes the client may ask for.
    type: list
    elements: str
    default: [openid]
  callback_urls:
    description:
      - Addresses Cognito may send a logged-in browser back to.
      - For a load balancer this is C(https://<host>/oauth2/idpresponse), all in lower case.
    type: list
    elements: str
    default: []
  logout_urls:
    description: Addresses Cognito may send a browser to after logging it out.
    type: list
    elements: str
    default: []
  explicit_auth_flows:
    description:
      - Ways to log in through the API besides the login page.
      - The default has no flow that sends a password to the app.
    type: list
    elements: str
    default: [ALLOW_REFRESH_TOKEN_AUTH, ALLOW_USER_SRP_AUTH]
  supported_identity_providers:
    description: Identity providers offered on the login page; V(COGNITO) is the user pool itself.
    type: list
    elements: str
    default: [COGNITO]
  prevent_user_existence_errors:
    description: Whether a failed login hides if the user exists.
    type: bool
    default: true
  access_token_minutes:
    description: Minutes for which an access token is valid, 5 to 1440.
    type: int
  id_token_minutes:
    description: Minutes for which an ID token is valid, 5 to 1440.
    type: int
  refresh_token_minutes:
    description: Minutes for which a refresh token is valid, 60 to 5256000.
    type: int
author:
  - Gatehouse contributors (@gatehouse)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Let a load balancer log users in
  gatehouse.fargate.cognito_user_pool_client:
    name: hello-dev-alb
    user_pool_id: ap-northeast-1_AbCdEfGhI
    callback_urls:
      - https://hello.example.com/oauth2/idpresponse
    logout_urls:
      - https://hello.example.com/
"""

RETURN = r"""
client:
  description: The app client as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    id:
      description: Identifier of the app client.
      type: str
    name:
      description: Name of the app client.
      type: str
    user_pool_id:
      description: Identifier of the user pool.
      type: str
    generate_secret:
      description: Whether the client has a secret.
      type: bool
    allowed_oauth_flows:
      description: OAuth flows the client may use.
      type: list
      elements: str
    allowed_oauth_scopes:
      description: OAuth scopes the client may ask for.
      type: list
      elements: str
    callback_urls:
      description: Addresses Cognito may send a logged-in browser back to.
      type: list
      elements: str
    logout_urls:
      description: Addresses Cognito may send a browser to after logging it out.
      type: list
      elements: str
    explicit_auth_flows:
      description: Ways to log in through the API.
      type: list
      elements: str
    supported_identity_providers:
      description: Identity providers offered on the login page.
      type: list
      elements: str
    prevent_user_existence_errors:
      description: Whether a failed login hides if the user exists.
      type: bool
    access_token_minutes:
      description: Minutes for which an access token is valid.
      type: float
    id_token_minutes:
      description: Minutes for which an ID token is valid.
      type: float
    refresh_token_minutes:
      description: Minutes for which a refresh token is valid.
      type: float
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
    full_request,
    raw_client_named,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.transformations import (
    CLIENT_MEMBERS,
    TOKENS,
    client_fields,
    client_request,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "user_pool_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "generate_secret": {"type": "bool", "default": True, "no_log": False},
    "allowed_oauth_flows": {
        "type": "list",
        "elements": "str",
        "choices": ["code", "implicit", "client_credentials"],
        "default": ["code"],
    },
    "allowed_oauth_scopes": {"type": "list", "elements": "str", "default": ["openid"]},
    "callback_urls": {"type": "list", "elements": "str", "default": []},
    "logout_urls": {"type": "list", "elements": "str", "default": []},
    "explicit_auth_flows": {
        "type": "list",
        "elements": "str",
        "default": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
    },
    "supported_identity_providers": {"type": "list", "elements": "str", "default": ["COGNITO"]},
    "prevent_user_existence_errors": {"type": "bool", "default": True},
    "access_token_minutes": {"type": "int", "no_log": False},
    "id_token_minutes": {"type": "int", "no_log": False},
    "refresh_token_minutes": {"type": "int", "no_log": False},
}
MANAGED = (*CLIENT_MEMBERS, "prevent_user_existence_errors", *TOKENS)


def describe(client: Any, params: Fields) -> Fields:
    raw = raw_client_named(client, params["user_pool_id"], params["name"])
    return client_fields(raw) if raw else {}


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params["name"])
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields, name: str) -> Plan:
    if not current:
        return Plan({})
    return Plan({}, (Change(Action.DELETE, "cognito_user_pool_client", name, before=current, call=current["id"]),))


def plan_create(params: Fields) -> Plan:
    fields = {"generate_secret": params["generate_secret"], **wanted(params)}
    result = {**client_fields({}), **fields, "name": params["name"], "user_pool_id": params["user_pool_id"]}
    result["id"] = KNOWN_AFTER_APPLY
    change = Change(Action.CREATE, "cognito_user_pool_client", params["name"], after=result, call=fields)
    return Plan(result, (change,))


def wanted(params: Fields) -> Fields:
    fields = {key: params[key] for key in MANAGED if params[key] is not None}
    return {key: sorted(value) if isinstance(value, list) else value for key, value in fields.items()}


def plan_update(current: Fields, params: Fields) -> Plan:
    if current["generate_secret"] != params["generate_secret"]:
        has = "has a secret" if current["generate_secret"] else "has no secret"
        raise PlanRefusedError(
            f"generate_secret: app client {params['name']} {has} and AWS cannot change that after creation: set "
            f"generate_secret to {str(current['generate_secret']).lower()}, or delete the client first."
        )
    before, after = differences(current, wanted(params))
    if not after:
        return Plan(current)
    change = Change(Action.UPDATE, "cognito_user_pool_client", params["name"], before, after, call=current["id"])
    return Plan({**current, **after}, (change,))


@CognitoErrors.common_error_handler("change the app client")
def apply(client: Any, params: Fields, planned: Plan) -> None:
    pool_id = params["user_pool_id"]
    for change in planned.changes:
        if change.action is Action.DELETE:
            client.delete_user_pool_client(UserPoolId=pool_id, ClientId=change.call)
        elif change.action is Action.CREATE:
            create(client, pool_id, change)
        else:
            update(client, pool_id, change)


def create(client: Any, pool_id: str, change: Change) -> None:
    client.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName=change.name,
        GenerateSecret=change.call["generate_secret"],
        **client_request({}, change.call),
    )


def update(client: Any, pool_id: str, change: Change) -> None:
    raw = client.describe_user_pool_client(UserPoolId=pool_id, ClientId=change.call)["UserPoolClient"]
    changed = client_request(raw, change.after)
    client.update_user_pool_client(**full_request(client, "UpdateUserPoolClient", raw, changed))


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "cognito-idp")
    run(
        module,
        "client",
        describe=lambda: describe(client, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(client, module.params, planned),
    )


if __name__ == "__main__":
    main()
