# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few helpers every part of the service uses."""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from local_aws.hooks import Params, Response

Record = dict[str, Any]


def error(code: str, message: str) -> Response:
    """The service's error response."""
    response: Response = error_response_json(code, message, 400)
    return response


def answer(body: Record) -> Response:
    """The service's success response, without ministack's private fields."""
    response: Response = json_response(ecs._sanitize(body))
    return response


def content(response: Response) -> Record:
    """The body of a response."""
    body: Record = json.loads(response[2])
    return body


def cluster_name(params: Params) -> str:
    """The name of the cluster that a call is about."""
    return str(ecs._resolve_cluster_name(params.get("cluster") or "default"))


def find_cluster(params: Params) -> Record | None:
    """The active cluster that a call is about."""
    cluster: Record | None = ecs._clusters.get(cluster_name(params))
    return cluster if cluster and cluster.get("status") != "INACTIVE" else None


def find_service(params: Params) -> Record | None:
    """The service that a call is about."""
    reference = ecs._resolve_service_ref(params.get("service") or params.get("serviceName") or "")
    service: Record | None = ecs._services.get(f"{cluster_name(params)}/{reference[0]}") if reference else None
    return service


def cluster_not_found() -> Response:
    """What every call says of a cluster that is missing."""
    return error("ClusterNotFoundException", "Cluster not found.")
