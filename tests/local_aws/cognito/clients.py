# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""App clients: what AWS refuses, and updates that reset what they leave out."""

from __future__ import annotations

import copy
from urllib.parse import urlsplit

from ministack.services import cognito

from local_aws.cognito.api import Record, check, error, find_pool, invalid
from local_aws.hooks import Function, Params, Response, patch

DEFAULT_FLOWS = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH"]
# What UpdateUserPoolClient falls back to for every setting that the caller leaves out.
RESET: Record = {
    "CallbackURLs": [],
    "LogoutURLs": [],
    "DefaultRedirectURI": "",
    "AllowedOAuthFlows": [],
    "AllowedOAuthScopes": [],
    "AllowedOAuthFlowsUserPoolClient": False,
    "SupportedIdentityProviders": [],
    "ReadAttributes": [],
    "WriteAttributes": [],
    "ExplicitAuthFlows": DEFAULT_FLOWS,
    "RefreshTokenValidity": 30,
    "AccessTokenValidity": None,
    "IdTokenValidity": None,
    "TokenValidityUnits": {},
    "PreventUserExistenceErrors": "LEGACY",
    "EnableTokenRevocation": True,
    "EnablePropagateAdditionalUserContextData": False,
    "AuthSessionValidity": 3,
}
PLAIN_HOSTS = ("localhost", "127.0.0.1", "::1")


def install() -> None:
    """Complete the calls about app clients."""
    patch(cognito, "_create_user_pool_client", _with_default_flows)
    patch(cognito, "_update_user_pool_client", _with_resets)
    check("_create_user_pool_client", _refuse)
    check("_update_user_pool_client", _refuse)


def _with_default_flows(original: Function) -> Function:
    def create(params: Params) -> Response:
        response: Response = original({"ExplicitAuthFlows": list(DEFAULT_FLOWS), **params})
        return response

    return create


def _with_resets(original: Function) -> Function:
    def update(params: Params) -> Response:
        response: Response = original({**copy.deepcopy(RESET), **params})
        return response

    return update


def _refuse(params: Params) -> Response | None:
    if params.get("AllowedOAuthFlowsUserPoolClient") and not params.get("AllowedOAuthFlows"):
        return invalid(
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth"
        )
    if {"code", "implicit"} & set(params.get("AllowedOAuthFlows") or []) and not params.get("CallbackURLs"):
        return error("InvalidOAuthFlowException", "code and implicit flows require callback URLs")
    return _refuse_addresses(params) or _refuse_providers(params)


def _refuse_addresses(params: Params) -> Response | None:
    for address in [*params.get("CallbackURLs", []), *params.get("LogoutURLs", [])]:
        parts = urlsplit(address)
        if not parts.scheme or parts.fragment:
            return invalid(f"{address} is not a valid URL")
        if parts.scheme == "http" and parts.hostname not in PLAIN_HOSTS:
            return invalid(f"{address} is not allowed: HTTPS is required except for localhost")
    return None


def _refuse_providers(params: Params) -> Response | None:
    known = {"COGNITO", *find_pool(params).get("_identity_providers", {})}
    for provider in params.get("SupportedIdentityProviders", []):
        if provider not in known:
            return invalid(f"The provider {provider} does not exist for User Pool {params.get('UserPoolId')}.")
    return None
