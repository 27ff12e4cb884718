# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters: they have to exist, and have to be empty to go."""

from __future__ import annotations

from ministack.services import ecs

from local_aws.ecs.api import cluster_name, cluster_not_found, error, find_cluster
from local_aws.hooks import Params, Response, guard


def install() -> None:
    """Let calls fail that name no cluster."""
    for action in ("DescribeServices", "ListServices", "RunTask", "DescribeTasks", "ListTasks", "DeleteService"):
        guard(ecs._ACTION_MAP, action, _refuse_missing)
    guard(ecs._ACTION_MAP, "DeleteCluster", _refuse_delete)


def _refuse_missing(params: Params) -> Response | None:
    return None if find_cluster(params) else cluster_not_found()


def _refuse_delete(params: Params) -> Response | None:
    name = cluster_name(params)
    services = [one for key, one in ecs._services.items() if key.startswith(f"{name}/")]
    if any(service["status"] == "ACTIVE" for service in services):
        message = "The Cluster cannot be deleted while Services are active."
        return error("ClusterContainsServicesException", message)
    return _refuse_missing(params)
