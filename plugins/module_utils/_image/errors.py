# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The one error of this package.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


class ImageError(Exception):
    """The source cannot be read, or the image cannot be built or pushed; the message says why and what to do."""


MEGABYTE = 1_000_000


def require_size(size: int, limit: int, measure: str) -> None:
    """Refuses an image over the limit, both in bytes; 0 is no limit."""
    if limit and size > limit:
        raise ImageError(
            f"The image has {size / MEGABYTE:.1f} MB {measure}, more than size_limit allows "
            f"({limit / MEGABYTE:.1f} MB): make it smaller, or raise the limit. Nothing was pushed."
        )
