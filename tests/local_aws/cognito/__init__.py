# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Amazon Cognito user pools: what ministack leaves out of them, one concern per module."""

from __future__ import annotations

from local_aws.cognito import branding, clients, domains, pools, users


def install() -> None:
    """Put the whole service into ministack."""
    for module in (pools, clients, domains, users, branding):
        module.install()
