# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The one error of this package.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


class ImageError(Exception):
    """The source cannot be read, or the image cannot be built or pushed; the message says why and what to do."""
