# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cognito's API shapes to the collection's fields and back.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict, snake_dict_to_camel_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
INVITE_KEYS = {"email_subject": "EmailSubject", "email_message": "EmailMessage", "sms_message": "SMSMessage"}
MFA = {"off": "OFF", "optional": "OPTIONAL", "required": "ON"}
PASSWORD_POLICY_DEFAULTS = {
    "minimum_length": 8,
    "require_lowercase": False,
    "require_numbers": False,
    "require_symbols": False,
    "require_uppercase": False,
    "temporary_password_validity_days": 7,
    "password_history_size": 0,
}


def pool_fields(raw: Mapping[str, Any]) -> Fields:
    admin = raw.get("AdminCreateUserConfig", {})
    invite = admin.get("InviteMessageTemplate", {})
    recovery = raw.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", [])
    policy = camel_dict_to_snake_dict(raw.get("Policies", {}).get("PasswordPolicy", {}))
    return {
        "id": raw.get("Id"),
        "arn": raw.get("Arn"),
        "name": raw.get("Name"),
        "password_policy": {**PASSWORD_POLICY_DEFAULTS, **policy},
        "alias_attributes": sorted(raw.get("AliasAttributes", [])),
        "username_case_sensitive": raw.get("UsernameConfiguration", {}).get("CaseSensitive", True),
        "auto_verified_attributes": sorted(raw.get("AutoVerifiedAttributes", [])),
        "account_recovery": [entry["Name"] for entry in sorted(recovery, key=lambda entry: entry["Priority"])],
        "admin_create_user_only": admin.get("AllowAdminCreateUserOnly", False),
        "invite_message": {name: invite.get(key) for name, key in INVITE_KEYS.items()},
        "mfa": next(name for name, value in MFA.items() if value == raw.get("MfaConfiguration", "OFF")),
        "deletion_protection": raw.get("DeletionProtection") == "ACTIVE",
        "tier": raw.get("UserPoolTier", "ESSENTIALS"),
        "domain": raw.get("CustomDomain") or raw.get("Domain") or "",
        "tags": raw.get("UserPoolTags", {}),
    }


def _with_password_policy(raw: Fields, policy: Fields) -> Fields:
    # A history of 0 is the default; the tier LITE knows no history at all.
    sent = {key: value for key, value in policy.items() if key != "password_history_size" or value}
    return {"Policies": {**raw.get("Policies", {}), "PasswordPolicy": snake_dict_to_camel_dict(sent, True)}}


def _with_account_recovery(_raw: Fields, names: list[str]) -> Fields:
    mechanisms = [{"Priority": priority, "Name": name} for priority, name in enumerate(names, 1)]
    return {"AccountRecoverySetting": {"RecoveryMechanisms": mechanisms}}


def _with_admin_create_user_only(raw: Fields, only: bool) -> Fields:
    return {"AdminCreateUserConfig": {**raw.get("AdminCreateUserConfig", {}), "AllowAdminCreateUserOnly": only}}


def _with_invite_message(raw: Fields, message: Fields) -> Fields:
    template = {INVITE_KEYS[name]: text for name, text in message.items() if text}
    return {"AdminCreateUserConfig": {**raw.get("AdminCreateUserConfig", {}), "InviteMessageTemplate": template}}


POOL_SETTERS: dict[str, Callable[[Fields, Any], Fields]] = {
    "password_policy": _with_password_policy,
    "alias_attributes": lambda _raw, names: {"AliasAttributes": names},
    "username_case_sensitive": lambda _raw, sensitive: {"UsernameConfiguration": {"CaseSensitive": sensitive}},
    "auto_verified_attributes": lambda _raw, names: {"AutoVerifiedAttributes": names},
    "account_recovery": _with_account_recovery,
    "admin_create_user_only": _with_admin_create_user_only,
    "invite_message": _with_invite_message,
    "deletion_protection": lambda _raw, on: {"DeletionProtection": "ACTIVE" if on else "INACTIVE"},
    "tier": lambda _raw, tier: {"UserPoolTier": tier},
    "tags": lambda _raw, tags: {"UserPoolTags": {k: v for k, v in tags.items() if not k.startswith("aws:")}},
}


def mfa_request(current: Mapping[str, Any], mfa: str) -> Fields:
    """Returns the request that sets the second factor and repeats every other factor that the pool has."""
    members = ("SmsMfaConfiguration", "EmailMfaConfiguration", "WebAuthnConfiguration")
    kept = {key: current[key] for key in members if current.get(key)}
    if mfa == "off":
        return {"MfaConfiguration": MFA[mfa]}
    return {**kept, "SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": MFA[mfa]}


def pool_request(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> Fields:
    """Returns the API members that set ``fields`` on the pool that is ``raw`` now."""
    request: Fields = {}
    for name, value in fields.items():
        request.update(POOL_SETTERS[name]({**raw, **request}, value))
    admin = {**raw.get("AdminCreateUserConfig", {}), **request.get("AdminCreateUserConfig", {})}
    # Replaced by the password policy's TemporaryPasswordValidityDays; Cognito refuses a request with both.
    admin.pop("UnusedAccountValidityDays", None)
    return {**request, "AdminCreateUserConfig": admin} if admin else request


# Field -> API member of the lists, whose order carries no meaning.
CLIENT_MEMBERS = {
    "allowed_oauth_flows": "AllowedOAuthFlows",
    "allowed_oauth_scopes": "AllowedOAuthScopes",
    "callback_urls": "CallbackURLs",
    "logout_urls": "LogoutURLs",
    "explicit_auth_flows": "ExplicitAuthFlows",
    "supported_identity_providers": "SupportedIdentityProviders",
}
# Field -> kind of token, minutes that Cognito grants when nothing is set.
TOKENS = {
    "access_token_minutes": ("AccessToken", 60),
    "id_token_minutes": ("IdToken", 60),
    "refresh_token_minutes": ("RefreshToken", 30 * 24 * 60),
}


def client_fields(raw: Mapping[str, Any]) -> Fields:
    return {
        "id": raw.get("ClientId"),
        "name": raw.get("ClientName"),
        "user_pool_id": raw.get("UserPoolId"),
        "generate_secret": bool(raw.get("ClientSecret")),
        **{name: sorted(raw.get(member) or []) for name, member in CLIENT_MEMBERS.items()},
        "prevent_user_existence_errors": raw.get("PreventUserExistenceErrors") == "ENABLED",
        **{name: _token_minutes(raw, name) for name in TOKENS},
    }


def _token_minutes(raw: Mapping[str, Any], name: str) -> float:
    kind, default = TOKENS[name]
    value = raw.get(f"{kind}Validity")
    if not value:
        return default
    standard_unit = "days" if kind == "RefreshToken" else "hours"
    minutes = value * SECONDS[raw.get("TokenValidityUnits", {}).get(kind, standard_unit)] / 60
    return int(minutes) if minutes.is_integer() else minutes


def client_request(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> Fields:
    """Returns the API members that set ``fields`` on the app client that is ``raw`` now."""
    request: Fields = {member: fields[name] for name, member in CLIENT_MEMBERS.items() if name in fields}
    if "allowed_oauth_flows" in fields:
        request["AllowedOAuthFlowsUserPoolClient"] = bool(fields["allowed_oauth_flows"])
    if "prevent_user_existence_errors" in fields:
        request["PreventUserExistenceErrors"] = "ENABLED" if fields["prevent_user_existence_errors"] else "LEGACY"
    units = {}
    for name, (kind, _default) in TOKENS.items():
        if name in fields:
            request[f"{kind}Validity"], units[kind] = fields[name], "minutes"
    if units:
        request["TokenValidityUnits"] = {**raw.get("TokenValidityUnits", {}), **units}
    return request


def domain_fields(raw: Mapping[str, Any]) -> Fields:
    """Returns a domain as plain data, empty when there is none."""
    if not raw:
        return {}
    return {
        "domain": raw["Domain"],
        "user_pool_id": raw["UserPoolId"],
        "certificate_arn": raw.get("CustomDomainConfig", {}).get("CertificateArn", ""),
        "managed_login_version": raw.get("ManagedLoginVersion", 1),
        "cloudfront_domain": raw.get("CloudFrontDistribution") or "",
        "status": raw["Status"],
    }


def user_fields(raw: Mapping[str, Any]) -> Fields:
    attributes = {entry["Name"]: entry["Value"] for entry in raw.get("Attributes", [])}
    return {
        "username": raw["Username"],
        "email": attributes.get("email", ""),
        "email_verified": attributes.get("email_verified") == "true",
        "status": raw.get("UserStatus", "UNKNOWN"),
        "enabled": raw.get("Enabled", True),
        "groups": None,
    }
