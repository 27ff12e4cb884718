# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a load balancer does with a request: sign in through Cognito, choose a target group and a healthy target."""

from __future__ import annotations

import json
import os
import random
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from ministack.services import alb, cognito

from local_aws.elb import tokens
from local_aws.elb.api import Record
from local_aws.elb.defaults import AUTHENTICATE_COGNITO
from local_aws.elb.health import usable_targets
from local_aws.hooks import Function, patch

Headers = dict[str, str]

# Known to this process alone, as AWS's key is known to the load balancer alone.
SEAL = Fernet(Fernet.generate_key())


def install() -> None:
    """Complete ministack's way of handling a request."""
    patch(alb, "_execute_actions", _sign_in_with_oidc)
    patch(alb, "_execute_actions", _validate_tokens)
    patch(alb, "_oidc_session_cookies", _seal)
    patch(alb, "_oidc_read_session", _unseal)
    patch(alb, "_execute_action", _choose_group)
    patch(alb, "_forward_to_tg", _choose_target)


def _sign_in_with_oidc(original: Function) -> Function:
    async def execute(actions: list[Record], *args: Any, **kwargs: Any) -> Any:
        return await original([_as_oidc(action) for action in actions], *args, **kwargs)

    return execute


def _validate_tokens(original: Function) -> Function:
    async def execute(actions: list[Record], method: str, path: str, headers: Headers, *args: Any, **kw: Any) -> Any:
        for action in actions:
            config = action.get("JwtValidationConfig")
            refusal = tokens.refuse(config, headers) if config else None
            if refusal:
                return refusal
        rest = [action for action in actions if "JwtValidationConfig" not in action]
        return await original(rest, method, path, headers, *args, **kw)

    return execute


def _seal(original: Function) -> Function:
    """Encrypts what the cookies hold: a session that the load balancer did not write must not open."""

    def cookies(name: str, session: Record, *args: Any) -> Any:
        return original(name, {"sealed": SEAL.encrypt(json.dumps(session).encode()).decode()}, *args)

    return cookies


def _unseal(original: Function) -> Function:
    def read(jar: dict[str, str], name: str) -> Record | None:
        outer = original(jar, name)
        try:
            session = json.loads(SEAL.decrypt(outer["sealed"]))
        except (TypeError, KeyError, InvalidToken):
            return None
        access = tokens.refreshed(session["access_token"])
        return {**session, "access_token": access} if access else None

    return read


def _as_oidc(action: Record) -> Record:
    config = action.get("AuthenticateCognitoConfig")
    if not config:
        return action
    # Cognito speaks OpenID Connect, which ministack's load balancer knows already.
    return {**action, "Type": "authenticate-oidc", "AuthenticateOidcConfig": _oidc_config(config)}


def _oidc_config(config: Record) -> Record:
    pool = config["UserPoolArn"].rsplit("/", 1)[-1]
    region = pool.partition("_")[0]
    domain = config["UserPoolDomain"]
    host = domain if "." in domain else f"{domain}.auth.{region}.amazoncognito.com"
    gateway = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    return {
        "Issuer": f"https://cognito-idp.{region}.amazonaws.com/{pool}",
        "AuthorizationEndpoint": f"https://{host}/oauth2/authorize",
        "TokenEndpoint": f"{gateway}/oauth2/token",
        "UserInfoEndpoint": f"{gateway}/oauth2/userInfo",
        "ClientId": config["UserPoolClientId"],
        "ClientSecret": _client_secret(pool, config["UserPoolClientId"]),
        **{key: config[key] for key in AUTHENTICATE_COGNITO},
    }


def _client_secret(pool_id: str, client_id: str) -> str:
    pools = [pool for pool in cognito._user_pools.all_values() if pool["Id"] == pool_id]
    client = pools[0]["_clients"].get(client_id, {}) if pools else {}
    return client.get("ClientSecret") or ""


def _choose_group(original: Function) -> Function:
    async def execute(action: Record, *args: Any, **kwargs: Any) -> Any:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        if len(groups) > 1:
            weights = [group["Weight"] for group in groups]
            chosen = random.choices(groups, weights)[0]["TargetGroupArn"]
            action = {**action, "TargetGroupArn": chosen}
        return await original(action, *args, **kwargs)

    return execute


def _choose_target(original: Function) -> Function:
    async def forward(group_arn: str, *request: Any) -> Any:
        group, targets = alb._tgs.get(group_arn), usable_targets(group_arn)
        if not group or group["TargetType"] == "lambda" or not targets:
            return await original(group_arn, *request)
        method, path, headers, body, query, raw_query, raw_path = (*request, None, None)[:7]
        target = random.choice(targets)
        return await alb._proxy_http_target(target, group, method, raw_path or path, headers, body, query, raw_query)

    return forward
