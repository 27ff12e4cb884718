# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's own addresses: GET /_local_aws/status, and POST /_local_aws/expired to let time pass for tokens."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ministack import app

from local_aws import front, nameserver
from local_aws.elb import tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

STATUS_PATH = "/_local_aws/status"
EXPIRED_PATH = "/_local_aws/expired"


def install() -> None:
    """Answer the status path ahead of ministack and open the front door when the server starts."""
    app.app = _with_status(app.app)


def _with_status(inner: Application) -> Application:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            front.open_doors()
            nameserver.open_server()
            await inner(scope, _closing_doors(receive), send)
        elif scope["type"] == "http" and scope["path"] == STATUS_PATH:
            await _send_json(send, {"process": os.getpid(), **front.status(), **nameserver.status()})
        elif scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", EXPIRED_PATH):
            issued_until = tokens.expire_issued()
            # Tokens tell their time in whole seconds: what is issued after the answer is newer.
            await asyncio.sleep(issued_until + 1 - time.time())
            await _send_json(send, {"issued_until": issued_until})
        else:
            await inner(scope, receive, send)

    return application


def _closing_doors(receive: Receive) -> Receive:
    async def received() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await front.close_doors()
            await nameserver.close_server()
        return message

    return received


async def _send_json(send: Send, value: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})
