# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that the stand-in holds: GET /_local_aws/state, to compare one moment with another."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from ministack import app

from .hooks import patch

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/_local_aws/state"
SERVICES = "ministack.services."


def install() -> None:
    patch(app, "app", _with_state)


def _with_state(inner: Application) -> Application:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH:
            await _answer(send)
        else:
            await inner(scope, receive, send)

    return application


async def _answer(send: Send) -> None:
    body = json.dumps(dict(_entries()), sort_keys=True).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def _entries() -> Iterator[tuple[str, Any]]:
    """Yields every entry of every store of every service, as "service.store key" and its value."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(SERVICES) and hasattr(module, "get_state"):
            for store, held in module.get_state().items():
                yield from _flat(f"{name.removeprefix(SERVICES)}.{store}", held)


def _flat(label: str, held: Any) -> Iterator[tuple[str, Any]]:
    # Stores of ministack show only the entries of the account that asks; all of them are wanted here.
    entries = getattr(held, "_data", held)
    if isinstance(entries, dict):
        yield from ((f"{label} {key}", repr(value)) for key, value in entries.items())
    elif entries:
        yield label, repr(entries)
