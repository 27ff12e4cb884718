# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Request rates: Route 53 takes five requests a second of an account, whoever sends them, and refuses the others."""

from __future__ import annotations

import os
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
        patch(route53, "handle_request", lambda original: _counting(original, rate))


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
