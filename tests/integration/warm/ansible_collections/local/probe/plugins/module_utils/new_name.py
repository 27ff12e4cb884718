# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Found under its old name through meta/runtime.yml."""

from __future__ import annotations

GREETING = "hello"
