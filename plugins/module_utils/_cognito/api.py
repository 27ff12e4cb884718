# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reading Cognito user pools, and changing them without resetting what is not named.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields, PlanRefusedError, is_known

CognitoErrors = missing_is("ResourceNotFoundException")

# The most that Cognito returns for one page of pools, clients or users.
PAGE_SIZE = 60


def full_request(client: Any, operation: str, current: Mapping[str, Any], changes: Mapping[str, Any]) -> Fields:
    """Returns an update request that repeats the current settings: Cognito resets every setting it is not sent."""
    accepted = client.meta.service_model.operation_model(operation).input_shape.members
    kept = {key: value for key, value in current.items() if key in accepted and value not in ("", None, [], {})}
    return {**kept, **changes}


@CognitoErrors.list_error_handler("describe the user pool", {})
def describe_raw_pool(client: Any, pool_id: str) -> Fields:
    return client.describe_user_pool(UserPoolId=pool_id)["UserPool"] if is_known(pool_id) else {}


@CognitoErrors.common_error_handler("list the user pools")
def raw_pools_named(client: Any, name: str) -> list[Fields]:
    pages = client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": PAGE_SIZE})
    ids = [pool["Id"] for page in pages for pool in page["UserPools"] if pool["Name"] == name]
    return [pool for pool in (describe_raw_pool(client, pool_id) for pool_id in ids) if pool]


@CognitoErrors.common_error_handler("read the second factors of the user pool")
def raw_mfa(client: Any, pool_id: str) -> Fields:
    return dict(client.get_user_pool_mfa_config(UserPoolId=pool_id))


@CognitoErrors.list_error_handler("find the app client", {})
def raw_client_named(client: Any, pool_id: str, name: str) -> Fields:
    if not is_known(pool_id):
        return {}
    pages = client.get_paginator("list_user_pool_clients").paginate(
        UserPoolId=pool_id, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    ids = [found["ClientId"] for page in pages for found in page["UserPoolClients"] if found["ClientName"] == name]
    if len(ids) > 1:
        raise PlanRefusedError(
            f"name: user pool {pool_id} has {len(ids)} app clients named {name} ({', '.join(ids)}): "
            "delete all but the one that is in use."
        )
    return client.describe_user_pool_client(UserPoolId=pool_id, ClientId=ids[0])["UserPoolClient"] if ids else {}


@CognitoErrors.list_error_handler("describe the user pool domain", {})
def describe_raw_domain(client: Any, domain: str) -> Fields:
    """Returns the domain, empty when there is none: Cognito then answers with an empty description, not an error."""
    found = client.describe_user_pool_domain(Domain=domain).get("DomainDescription", {})
    return found if found.get("Status") else {}


@CognitoErrors.list_error_handler("read the managed login style", False)
def has_branding(client: Any, pool_id: str, client_id: str) -> bool:
    if not (is_known(pool_id) and is_known(client_id)):
        return False
    return bool(client.describe_managed_login_branding_by_client(UserPoolId=pool_id, ClientId=client_id))


@CognitoErrors.common_error_handler("list the users")
def raw_users(client: Any, pool_id: str) -> list[Fields]:
    pages = client.get_paginator("list_users").paginate(UserPoolId=pool_id, PaginationConfig={"PageSize": PAGE_SIZE})
    return [user for page in pages for user in page["Users"]]


@CognitoErrors.common_error_handler("list the groups")
def group_names(client: Any, pool_id: str) -> set[str]:
    pages = client.get_paginator("list_groups").paginate(UserPoolId=pool_id, PaginationConfig={"PageSize": PAGE_SIZE})
    return {group["GroupName"] for page in pages for group in page["Groups"]}


@CognitoErrors.common_error_handler("list the members of the group")
def group_members(client: Any, pool_id: str, group: str) -> set[str]:
    pages = client.get_paginator("list_users_in_group").paginate(
        UserPoolId=pool_id, GroupName=group, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return {user["Username"] for page in pages for user in page["Users"]}
