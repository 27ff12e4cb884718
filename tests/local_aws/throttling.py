# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route 53's limits: five requests a second of an account, whoever sends them, and one change of a zone at a time."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import route53

from .hooks import Response, patch

Request = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Response]]

VARIABLE = "LOCAL_AWS_ROUTE53_RATE"
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
DOCUMENTED_RATE = "5"
# "If Amazon Route 53 can't process a request before the next request arrives, it will reject subsequent requests for
# the same hosted zone": how long that takes is not documented.
CHANGE_SECONDS = 0.05
CHANGE_PATH = re.compile(rf"/{route53.API_VERSION}/hostedzone/([^/]+)/rrset/?")


class Bucket:
    """A second's worth of tokens that fill up again at a steady rate; a refused request costs none."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._tokens, self._since = rate, rate, now

    def take(self, now: float) -> bool:
        self._tokens = min(self._rate, self._tokens + (now - self._since) * self._rate)
        self._since = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def install() -> None:
    rate = float(os.environ.get(VARIABLE, DOCUMENTED_RATE))
    if rate:
        patch(route53, "handle_request", _taking_turns)
        patch(route53, "handle_request", lambda original: _counting(original, rate))


def _taking_turns(original: Request) -> Request:
    busy: set[str] = set()

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        change = CHANGE_PATH.fullmatch(path) if method == "POST" else None
        if not change:
            return await original(method, path, headers, body, query_params)
        if change[1] in busy:
            message = "The request was rejected because Route 53 was still processing a prior request."
            return route53._error_response("PriorRequestNotComplete", message)
        busy.add(change[1])
        try:
            await asyncio.sleep(CHANGE_SECONDS)
            return await original(method, path, headers, body, query_params)
        finally:
            busy.discard(change[1])

    return handle


def _counting(original: Request, rate: float) -> Request:
    buckets: dict[str, Bucket] = {}

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        now = time.monotonic()
        if not buckets.setdefault(get_account_id(), Bucket(rate, now)).take(now):
            return route53._error_response("Throttling", "Rate exceeded")
        return await original(method, path, headers, body, query_params)

    return handle
