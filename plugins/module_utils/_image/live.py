# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The tag that keeps a deployed image from expiring.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

LIVE_PREFIX = "live-"
TAG_DIGITS = 32


def live_tag(digest: str) -> str:
    """Returns a tag that only this digest can ever have, so that it suits repositories with immutable tags."""
    return f"{LIVE_PREFIX}{digest.rpartition(':')[2][:TAG_DIGITS]}"
