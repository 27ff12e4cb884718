# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log of AWS calls by IAM action: GET /_local_aws/calls reads it, DELETE empties it."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.responses import get_account_id, get_region

from .hooks import patch

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/_local_aws/calls"
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
KEPT_CALLS = 100_000
KEPT_BODY = 65_536

_calls: deque[dict[str, Any]] = deque(maxlen=KEPT_CALLS)


def install() -> None:
    patch(app, "app", _logging)


def _logging(inner: Application) -> Application:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
        elif scope["path"] == PATH:
            await _answer(scope["method"], send)
        elif CREDENTIAL.search(_headers(scope).get("authorization", "")):
            await _log(inner, scope, receive, send)
        else:
            await inner(scope, receive, send)

    return application


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _answer(method: str, send: Send) -> None:
    if method == "DELETE":
        _calls.clear()
    body = json.dumps(list(_calls)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


async def _log(inner: Application, scope: Message, receive: Receive, send: Send) -> None:
    body, status = bytearray(), [0]

    async def received() -> Message:
        message = await receive()
        if len(body) < KEPT_BODY:
            body.extend(message.get("body", b""))
        return message

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]
        await send(message)

    started = time.time()
    try:
        await inner(scope, received, sent)
    finally:
        _calls.append(_entry(scope, bytes(body), started, status[0]))


def _entry(scope: Message, body: bytes, started: float, status: int) -> dict[str, Any]:
    match = CREDENTIAL.search(_headers(scope)["authorization"])
    return {
        "time": round(started, 3),
        "seconds": round(time.time() - started, 3),
        "key": match[1] if match else "",
        "account": get_account_id(),
        "region": get_region(),
        "action": _action(scope, body) or f"{match[2] if match else 'unknown'}:{scope['method']} {scope['path']}",
        "status": status,
    }


def _action(scope: Message, body: bytes) -> str | None:
    """The IAM action of a request, by ministack's own table."""
    method, path, headers = scope["method"], scope["path"], _headers(scope)
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    params = app._routing_params(method, path, headers, body, query)
    service = app.detect_service(method, path, headers, params)
    action: str | None = extract_iam_action(service, method, path, headers, body, params)
    return action
