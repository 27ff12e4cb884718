# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door: HTTP and HTTPS on loopback for load balancers and login pages, where AWS has its public addresses."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.run import worker_serve
from hypercorn.config import Config, Sockets

from local_aws import acm, hosts
from local_aws.ca import Authority, server_context
from local_aws.traffic import Traffic

LOOPBACK = "127.0.0.1"
HTTPS = ("LOCAL_AWS_HTTPS_PORT", 443, range(8443, 8543))
HTTP = ("LOCAL_AWS_HTTP_PORT", 80, range(8080, 8180))
GRACEFUL_SECONDS = 1.0

Message = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]


class Door(Config):
    """A hypercorn server on one socket that is already bound, with or without TLS."""

    include_server_header = False
    graceful_timeout = GRACEFUL_SECONDS

    def __init__(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self._listening = listening
        self._tls = tls
        self.loglevel = "WARNING"

    @property
    def ssl_enabled(self) -> bool:
        return self._tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self._tls

    def create_sockets(self) -> Sockets:
        secure, insecure = ([self._listening], []) if self._tls else ([], [self._listening])
        return Sockets(secure, insecure, [])


class FrontDoor:
    """Both doors, open while the server runs."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._closing = asyncio.Event()
        secure, plain = _bind(*HTTPS), _bind(*HTTP)
        self.https_port, self.http_port = secure.getsockname()[1], plain.getsockname()[1]
        traffic = Traffic(self.https_port, self.http_port)
        self._tasks = [self._serve(Door(secure, self._sni_context()), traffic), self._serve(Door(plain, None), traffic)]

    async def close(self) -> None:
        """Stop both servers."""
        self._closing.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, door: Door, application: Application) -> asyncio.Task[None]:
        wrapped = ASGIWrapper(application)
        return asyncio.create_task(worker_serve(wrapped, door, shutdown_trigger=self._closing.wait))

    def _sni_context(self) -> ssl.SSLContext:
        context = server_context()
        context.sni_callback = self._choose_certificate
        return context

    def _choose_certificate(self, connection: Any, name: str | None, _context: ssl.SSLContext) -> int | None:
        destination = hosts.find(name) if name else None
        certificate = destination.certificate(name) if destination and name else None
        if certificate is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self._context_for(tuple(acm.names(certificate)))
        return None

    def _context_for(self, names: tuple[str, ...]) -> ssl.SSLContext:
        if names not in self._contexts:
            self._contexts[names] = self.authority.server_context(names)
        return self._contexts[names]


_open: list[FrontDoor] = []


def open_doors() -> None:
    """Start serving; needs the running event loop."""
    folder = os.environ.get("LOCAL_AWS_STATE") or tempfile.mkdtemp(prefix="local-aws-")
    _open.append(FrontDoor(Path(folder)))


async def close_doors() -> None:
    """Stop serving."""
    while _open:
        await _open.pop().close()


def status() -> dict[str, Any]:
    """Where the doors are."""
    door = _open[0]
    certificate = str(door.authority.certificate_file.resolve())
    return {"https_port": door.https_port, "http_port": door.http_port, "ca": certificate}


def _bind(variable: str, usual: int, others: range) -> socket.socket:
    wanted = os.environ.get(variable)
    for port in [int(wanted)] if wanted else [usual, *others]:
        try:
            return socket.create_server((LOOPBACK, port))
        except OSError:
            continue
    raise OSError(f"no port could be bound on {LOOPBACK}; choose another {variable}")
