# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Runs without changing anything and returns what would change.
    support: full
  diff_mode:
    description: Shows the affected fields before and after, secrets masked.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""
