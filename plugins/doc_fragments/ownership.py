# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  adopt:
    description:
      - Whether a resource of the same name that belongs to somebody else is taken over, or deleted.
      - A resource belongs to the stack that its tag C(gatehouse:stack) names. When O(tags) holds that tag and the
        resource carries another value, or none, the module refuses to touch it unless this is V(true).
      - Without C(gatehouse:stack) in O(tags) nothing is compared.
    type: bool
    default: false
"""
