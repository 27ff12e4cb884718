# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosted pages at a user pool's domain, with the routes of AWS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from ministack.services import cognito

from local_aws.cognito.api import Record
from local_aws.cognito.branding import find_by_client

Query = dict[str, list[str]]
Answer = tuple[int, dict[str, Any], Any]

MANAGED_LOGIN = 2
UNAVAILABLE = b"Login pages unavailable. Please contact an administrator.\n"
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


async def serve(pool: Record, method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Answer:
    """Answer a request to the domain of a pool."""
    routes: dict[tuple[str, str], Callable[[], Answer | Awaitable[Answer]]] = {
        ("GET", "/oauth2/authorize"): lambda: _authorize(pool, headers, query),
        ("GET", "/login"): lambda: _login(pool, headers, query),
        ("POST", "/login"): lambda: cognito.handle_login_submit(method, path, headers, body, query),
        ("GET", "/logout"): lambda: _logout(pool, headers, query),
        ("POST", "/oauth2/token"): lambda: cognito.handle_oauth2_token(method, path, headers, body, query),
        ("GET", "/oauth2/userInfo"): lambda: cognito.handle_oauth2_userinfo(method, path, headers, body, query),
        ("POST", "/oauth2/userInfo"): lambda: cognito.handle_oauth2_userinfo(method, path, headers, body, query),
    }
    route = routes.get((method, path))
    if not route:
        return 404, PLAIN.copy(), b"Not found\n"
    answer = route()
    return await answer if isinstance(answer, Awaitable) else answer


def _authorize(pool: Record, headers: dict[str, str], query: Query) -> Answer:
    answer = _login(pool, headers, query)
    if answer[0] != 200:
        return answer
    return 302, {"Location": f"/login?{urlencode(query, doseq=True)}", "Cache-Control": "no-store"}, b""


def _login(pool: Record, headers: dict[str, str], query: Query) -> Answer:
    client = _first(query, "client_id")
    if client not in pool["_clients"]:
        return 400, PLAIN.copy(), b"Client does not exist.\n"
    if _version(pool) == MANAGED_LOGIN and not find_by_client(pool, client):
        return 403, PLAIN.copy(), UNAVAILABLE
    answer: Answer = cognito.handle_oauth2_authorize("GET", "/oauth2/authorize", headers, query)
    return answer


def _version(pool: Record) -> int:
    return int(pool.get("_managed_login_versions", {}).get(pool.get("CustomDomain") or pool["Domain"], 1))


def _logout(pool: Record, headers: dict[str, str], query: Query) -> Answer:
    client = pool["_clients"].get(_first(query, "client_id"), {})
    if _first(query, "logout_uri") not in client.get("LogoutURLs", []):
        return 400, PLAIN.copy(), b"The logout address is not one of the app client's.\n"
    answer: Answer = cognito.handle_logout("GET", "/logout", headers, query)
    return answer


def _first(query: Query, key: str) -> str:
    return query.get(key, [""])[0]
