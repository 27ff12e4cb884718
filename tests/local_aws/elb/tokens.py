# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens at the load balancer: the jwt-validation action, and the refresh of a session's access token."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ministack.services import cognito

from local_aws.elb.api import Record

Answer = tuple[int, dict[str, Any], bytes]

KEYS_OF_A_POOL = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/([\w-]+)/\.well-known/jwks\.json")
PLAIN = {"Content-Type": "text/plain"}

# Cognito's shortest access token lasts five minutes, which no test can wait for.
_expired: dict[str, int] = {"issued_until": 0}


def expire_issued() -> int:
    """Makes every token that was issued until the end of this second one that has expired; returns that second."""
    _expired["issued_until"] = int(time.time())
    return _expired["issued_until"]


def refuse(config: Record, headers: dict[str, str]) -> Answer | None:
    """What the load balancer answers a request whose bearer token it does not let through."""
    scheme, _space, token = headers.get("authorization", "").partition(" ")
    pool = KEYS_OF_A_POOL.fullmatch(config["JwksEndpoint"])
    if not pool:
        return 500, PLAIN.copy(), b"The JWKS endpoint cannot be reached"
    claims = _verified_claims(token.strip(), pool[1]) if scheme.lower() == "bearer" else None
    if claims and claims.get("iss") == config["Issuer"] and _in_time(claims) and _has_all(claims, config):
        return None
    return 401, PLAIN.copy(), b"Unauthorized"


def refreshed(access_token: str) -> str | None:
    """The session's access token, or the one that a refresh gets once it has expired, as long as the user may."""
    claims = _part(access_token.split(".")[1]) if access_token.count(".") == 2 else {}
    if not _has_expired(claims):
        return access_token
    pool_id = claims.get("iss", "").rsplit("/", 1)[-1]
    pools = [pool for pool in cognito._user_pools.all_values() if pool["Id"] == pool_id]
    user = pools[0]["_users"].get(claims.get("username"), {}) if pools else {}
    if not user.get("Enabled"):
        return None
    return str(
        cognito._fake_token(
            claims["sub"], pool_id, claims["client_id"], username=claims["username"], scope=claims.get("scope")
        )
    )


def _verified_claims(token: str, pool_id: str) -> Record | None:
    try:
        header, claims, signature = token.split(".")
        names = _part(header)
        keys = json.loads(cognito.well_known_jwks(pool_id)[2])["keys"]
        key = next(one for one in keys if one["kid"] == names["kid"] and names["alg"] == one["alg"])
        public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        public.verify(_bytes(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        return _part(claims)
    except (ValueError, KeyError, StopIteration, InvalidSignature):
        return None


def _in_time(claims: Record) -> bool:
    now = time.time()
    return all(claims.get(name, now) <= now for name in ("nbf", "iat")) and not _has_expired(claims)


def _has_expired(claims: Record) -> bool:
    return bool(claims.get("exp", 0) <= time.time() or claims.get("iat", 0) <= _expired["issued_until"])


def _has_all(claims: Record, config: Record) -> bool:
    return all(_has(claims.get(claim["Name"]), claim) for claim in config["AdditionalClaims"])


def _has(value: Any, claim: Record) -> bool:
    if claim["Format"] == "string-array":
        held = value if isinstance(value, list) else []
    else:
        text = value if isinstance(value, str) else ""
        held = text.split() if claim["Format"] == "space-separated-values" else [text]
    return any(one in claim["Values"] for one in held)


def _part(text: str) -> Record:
    part: Record = json.loads(_bytes(text))
    return part


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
