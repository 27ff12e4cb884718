# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users: attributes that can be taken away, aliases that are unique, and names in any letter case."""

from __future__ import annotations

from ministack.services import cognito

from local_aws.cognito.api import Record, add_actions, answer, check, content, error, find_pool, invalid
from local_aws.hooks import Function, Params, Response, patch

ALIASES = ("email", "phone_number")


def install() -> None:
    """Complete the calls about users."""
    patch(cognito, "_resolve_user", _in_any_case)
    patch(cognito, "_list_users", _list)
    check("_admin_create_user", _refuse_create)
    check("_admin_update_user_attributes", _refuse_unknown_attributes)
    add_actions({"AdminDeleteUserAttributes": _delete_attributes})


def _in_any_case(original: Function) -> Function:
    def resolve(pool: Record, username: str) -> tuple[Record | None, Response | None]:
        insensitive = (pool.get("UsernameConfiguration") or {}).get("CaseSensitive") is False
        if insensitive and username:
            stored = {name.lower(): name for name in pool["_users"]}
            username = stored.get(username.lower(), username)
        user, problem = original(pool, username)
        return user, problem

    return resolve


def _list(original: Function) -> Function:
    def list_users(params: Params) -> Response:
        response: Response = original(params)
        wanted = params.get("AttributesToGet")
        if response[0] != 200 or not wanted:
            return response
        body = content(response)
        for user in body["Users"]:
            user["Attributes"] = [one for one in user["Attributes"] if one["Name"] in wanted]
        return answer(body)

    return list_users


def _refuse_create(params: Params) -> Response | None:
    return _refuse_unknown_attributes(params) or _refuse_taken_alias(params)


def _refuse_unknown_attributes(params: Params) -> Response | None:
    pool = find_pool(params)
    known = {one["Name"] for one in pool.get("SchemaAttributes", [])}
    for attribute in params.get("UserAttributes", []):
        if pool and attribute["Name"] not in known:
            return invalid(f"Attributes did not conform to the schema: {attribute['Name']}: Attribute does not exist.")
    return None


def _refuse_taken_alias(params: Params) -> Response | None:
    pool, wanted = find_pool(params), _attributes(params.get("UserAttributes", []))
    if params.get("ForceAliasCreation") or params.get("MessageAction") == "RESEND":
        return None
    for alias in set(ALIASES) & set(pool.get("AliasAttributes") or []):
        holder = next((user for user in pool["_users"].values() if _has_alias(user, alias, wanted.get(alias))), None)
        if holder and holder["Username"] != params.get("Username"):
            return error("AliasExistsException", f"An account with the {alias} already exists.")
    return None


def _has_alias(user: Record, alias: str, value: str | None) -> bool:
    attributes = _attributes(user["Attributes"])
    verified = attributes.get(f"{alias}_verified", "").lower() == "true"
    return value is not None and verified and attributes.get(alias) == value


def _attributes(pairs: list[Record]) -> dict[str, str]:
    return {pair["Name"]: str(pair.get("Value", "")) for pair in pairs}


def _delete_attributes(params: Params) -> Response:
    pool = find_pool(params)
    if not pool:
        return error("ResourceNotFoundException", f"User pool {params.get('UserPoolId')} does not exist.")
    user, problem = cognito._resolve_user(pool, params.get("Username"))
    if problem:
        return (problem[0], problem[1], problem[2])
    gone = params.get("UserAttributeNames", [])
    user["Attributes"] = [one for one in user["Attributes"] if one["Name"] not in gone]
    return answer({})
