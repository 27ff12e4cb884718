# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic Load Balancing v2: what ministack leaves out of it, one concern per module."""

from __future__ import annotations

from local_aws.elb import actions, balancers, data_plane, health, listeners, rules, tags, target_groups


def install() -> None:
    """Put the whole service into ministack."""
    for module in (actions, tags, balancers, target_groups, listeners, rules, data_plane, health):
        module.install()
