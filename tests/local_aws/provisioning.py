# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time that AWS takes to provide a thing, shrunk to a setting, so that callers still have to wait for it."""

from __future__ import annotations

import os
import time

VARIABLE = "LOCAL_AWS_PROVISIONING_SECONDS"
DEFAULT_SECONDS = "1"


def is_over(since: float) -> bool:
    """Whether what began at that time is provided by now."""
    return time.time() - since >= float(os.environ.get(VARIABLE, DEFAULT_SECONDS))
