# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries one request from the front door to the load balancer or login pages that its host name means."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ministack import app
from ministack.core.responses import request_scope, set_request_client_ip
from ministack.services import alb

from local_aws import hosts
from local_aws.cognito import pages

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[str, str]
Answer = tuple[int, dict[str, Any], Any]

# What AWS calls a valid header name: letters, digits and hyphens.
VALID_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
STANDARD_PORTS = {"https": 443, "http": 80}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class Request:
    """One HTTP request as it would reach AWS: no local port in its Host, the scheme's standard port."""

    def __init__(self, scope: Message, body: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: str = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        self.raw_query: str = scope.get("query_string", b"").decode("latin-1")
        self.scheme: str = scope["scheme"]
        self.port = STANDARD_PORTS[self.scheme]
        self.client: str = (scope.get("client") or ("127.0.0.1",))[0]
        self.headers = _joined_headers(scope)
        self.host = self.headers.get("host", "").partition(":")[0].lower()
        self.headers.update({"host": self.host, "x-forwarded-proto": self.scheme})
        self.body = body

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.raw_query, keep_blank_values=True)


class Traffic:
    """The application behind both doors."""

    def __init__(self, https_port: int, http_port: int) -> None:
        self._ports = {"https": https_port, "http": http_port}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _follow_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request(scope, await _read_body(receive))
        status, headers, body = await _dispatch(request)
        for name in list(headers):
            if name.lower() == "location":
                headers[name] = self._reachable(headers[name])
        await app._send_if_handled(send, (status, headers, body), receive, head=request.method == "HEAD")

    def _reachable(self, location: str) -> str:
        """The address with the local port, if it names a host of the stand-in at its standard port."""
        parts = urlsplit(location)
        standard = STANDARD_PORTS.get(parts.scheme)
        if not standard or parts.port not in (None, standard) or not parts.hostname or not hosts.find(parts.hostname):
            return location
        port = self._ports[parts.scheme]
        return location if port == standard else urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))


async def _dispatch(request: Request) -> Answer:
    destination = hosts.find(request.host)
    if destination is None:
        return 404, TEXT.copy(), f"No record of the stand-in leads to {request.host!r}.\n".encode()
    set_request_client_ip(request.client)
    with request_scope(destination.account, destination.region):
        if isinstance(destination, hosts.LoadBalancer):
            return await _through_load_balancer(destination, request)
        return await pages.serve(
            destination.record, request.method, request.path, request.headers, request.body, request.query
        )


async def _through_load_balancer(destination: hosts.LoadBalancer, request: Request) -> Answer:
    listener = destination.listener(request.port)
    if listener is None:
        return 502, TEXT.copy(), f"The load balancer has no listener on port {request.port}.\n".encode()
    answer: Answer = await alb.dispatch_request(
        destination.record,
        request.method,
        request.path,
        _accepted_headers(destination.record["LoadBalancerArn"], request.headers),
        request.body,
        request.query,
        request.port,
        client_ip=request.client,
        raw_query_string=request.raw_query,
        raw_path=request.raw_path,
    )
    return answer


def _accepted_headers(balancer: str, headers: Headers) -> Headers:
    if alb._lb_attr(balancer, "routing.http.drop_invalid_header_fields.enabled", "false") != "true":
        return headers
    return {name: value for name, value in headers.items() if VALID_HEADER_NAME.fullmatch(name)}


def _joined_headers(scope: Message) -> Headers:
    headers: Headers = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = "; " if name == "cookie" else ", "
        headers[name] = headers[name] + separator + value if name in headers else value
    return headers


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _follow_lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
