# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a test says that a call is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """The call inside fails with the error code, and its message has the words."""
    with pytest.raises(ClientError) as failure:
        yield
    assert failure.value.response["Error"]["Code"] == code
    assert words in failure.value.response["Error"]["Message"]
