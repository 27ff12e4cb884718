# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""EC2 as the network part of a stack sees it: filters, refusals, endpoints, rules, NAT gateways."""

from __future__ import annotations

from ..hooks import Params, Response, guard
from . import endpoints, filters, nat, network_acls, prefix_lists, ranges, routes, security_groups, tags, vpcs, zones
from .api import backend, error, flag


def install() -> None:
    """Patch ministack's EC2; filters go last so that they see what the others add to an answer."""
    for part in (
        zones,
        vpcs,
        network_acls,
        ranges,
        routes,
        nat,
        security_groups,
        prefix_lists,
        endpoints,
        tags,
        filters,
    ):
        part.install()
    for action in list(backend._ACTION_MAP):
        guard(backend._ACTION_MAP, action, _before_each)


def _before_each(params: Params) -> Response | None:
    """Let time pass, and stop dry runs, which ministack would carry out."""
    nat.settle()
    endpoints.settle()
    if flag(params, "DryRun"):
        return error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    return None
