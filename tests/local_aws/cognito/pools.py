# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""User pools: defaults, updates that reset what they leave out, and protection against deletion."""

from __future__ import annotations

import copy

from ministack.services import cognito

from local_aws.cognito.api import Record, answer, check, find_pool, invalid
from local_aws.hooks import Function, Params, Response, patch

PASSWORD_POLICY = {
    "MinimumLength": 8,
    "RequireUppercase": True,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
    "TemporaryPasswordValidityDays": 7,
}
# What UpdateUserPool falls back to for every setting that the caller leaves out.
RESET: Record = {
    "Policies": {"PasswordPolicy": PASSWORD_POLICY},
    "AutoVerifiedAttributes": [],
    "LambdaConfig": {},
    "MfaConfiguration": "OFF",
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
    "SmsConfiguration": {},
    "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
    "EmailVerificationMessage": "",
    "EmailVerificationSubject": "",
    "UserAttributeUpdateSettings": {},
    "DeviceConfiguration": {},
    "VerificationMessageTemplate": {},
    "AccountRecoverySetting": {},
}
RECOVERY = [{"Priority": 1, "Name": "verified_email"}, {"Priority": 2, "Name": "verified_phone_number"}]


def install() -> None:
    """Complete the calls about user pools."""
    patch(cognito, "_create_user_pool", _create)
    patch(cognito, "_update_user_pool", _update)
    check("_delete_user_pool", _refuse_delete)


def _create(original: Function) -> Function:
    def create(params: Params) -> Response:
        known = {pool["Id"] for pool in cognito._user_pools.values()}
        response: Response = original(params)
        created = [pool for pool in cognito._user_pools.values() if pool["Id"] not in known]
        if response[0] != 200 or not created:
            return response
        _fill_defaults(created[0])
        return answer({"UserPool": cognito._pool_out(created[0])})

    return create


def _update(original: Function) -> Function:
    def update(params: Params) -> Response:
        pool = find_pool(params)
        response: Response = original({**_omitted(params, pool), **params})
        if response[0] == 200:
            pool["Name"] = params.get("PoolName", pool["Name"])
            _fill_defaults(pool)
        return response

    return update


def _omitted(params: Params, pool: Record) -> Record:
    left_out = {key: value for key, value in RESET.items() if key not in params and key in pool}
    return copy.deepcopy(left_out)


def _fill_defaults(pool: Record) -> None:
    policies = pool["Policies"]
    password = policies.setdefault("PasswordPolicy", dict(PASSWORD_POLICY))
    days = password.setdefault("TemporaryPasswordValidityDays", 7)
    policies.setdefault("SignInPolicy", {"AllowedFirstAuthFactors": ["PASSWORD"]})
    pool["AdminCreateUserConfig"].setdefault("UnusedAccountValidityDays", days)
    pool["AccountRecoverySetting"].setdefault("RecoveryMechanisms", copy.deepcopy(RECOVERY))
    pool.setdefault("VerificationMessageTemplate", {}).setdefault("DefaultEmailOption", "CONFIRM_WITH_CODE")


def _refuse_delete(params: Params) -> Response | None:
    pool = find_pool(params)
    if pool.get("DeletionProtection") == "ACTIVE":
        return invalid("The user pool cannot be deleted because deletion protection is activated. Deactivate it first.")
    if pool.get("Domain") or pool.get("CustomDomain"):
        return invalid("User pool cannot be deleted. It has a domain configured that should be deleted first.")
    return None
