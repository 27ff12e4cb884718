# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Spaces the requests of one client, so that a long list of users does not run into Cognito's request rates.

This module util is private to the collection. It can have breaking changes at any time.

Rates are shared by everything in the account, logins included, so half of each is left to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# Requests a second, by what Cognito counts together: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
USER_CREATION = 25.0
USER_LIST = 15.0
USER_UPDATE = 12.5
# A single pool has 5 a second for everything else.
POOL_RESOURCE = 4.0
RATES = {
    "AdminCreateUser": ("creation", USER_CREATION),
    "ListUsers": ("list", USER_LIST),
    "AdminUpdateUserAttributes": ("update", USER_UPDATE),
    "AdminDeleteUser": ("update", USER_UPDATE),
    "AdminDisableUser": ("update", USER_UPDATE),
    "AdminEnableUser": ("update", USER_UPDATE),
    "AdminAddUserToGroup": ("membership", USER_UPDATE),
    "AdminRemoveUserFromGroup": ("membership", USER_UPDATE),
}


class Pacer:
    """Lets requests of one category pass at a steady rate."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._free_at: dict[str, float] = {}

    def wait_for(self, operation: str) -> None:
        category, rate = RATES.get(operation, ("resource", POOL_RESOURCE))
        now = self._clock()
        start = max(now, self._free_at.get(category, now))
        if start > now:
            self._sleep(start - now)
        self._free_at[category] = start + 1 / rate


def pace(client: Any, pacer: Pacer | None = None) -> Any:
    """Makes every request of the client, retries included, wait for its turn; returns the client."""
    turns = pacer or Pacer()

    def wait(event_name: str, **_request: Any) -> None:
        turns.wait_for(event_name.rpartition(".")[2])

    client.meta.events.register("before-send.cognito-idp", wait)
    return client
