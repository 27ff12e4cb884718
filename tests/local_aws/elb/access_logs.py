# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a load balancer may write its logs to a bucket: AWS tries it when logging is switched on."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import s3

DELIVERY_SERVICE = "logdelivery.elasticloadbalancing.amazonaws.com"
# The account that wrote the logs of this region's balancers before there was a service principal.
DELIVERY_ACCOUNTS = ("arn:aws:iam::582318560864:root", "582318560864")


def find_problem(bucket: str, prefix: str) -> str | None:
    """Why the logs could not be written, in AWS's words."""
    if bucket not in s3._buckets:
        return f"The bucket '{bucket}' does not exist"
    folder = f"{prefix.strip('/')}/" if prefix else ""
    wanted = f"arn:aws:s3:::{bucket}/{folder}AWSLogs/{get_account_id()}/ELBAccessLogTestFile"
    statements = _listed(json.loads(s3._bucket_policies.get(bucket) or "{}").get("Statement", []))
    if any(_allows(statement, wanted) for statement in statements):
        return None
    return f"Access Denied for bucket: {bucket}. Please check S3bucket permission"


def _allows(statement: dict[str, Any], resource: str) -> bool:
    actions, resources = _listed(statement.get("Action", [])), _listed(statement.get("Resource", []))
    return (
        statement.get("Effect") == "Allow"
        and _is_delivery(statement.get("Principal"))
        and any(fnmatchcase("s3:PutObject", action) for action in actions)
        and any(fnmatchcase(resource, pattern) for pattern in resources)
    )


def _is_delivery(principal: object) -> bool:
    if isinstance(principal, dict):
        services, accounts = _listed(principal.get("Service", [])), _listed(principal.get("AWS", []))
        return DELIVERY_SERVICE in services or any(account in accounts for account in DELIVERY_ACCOUNTS)
    return principal == "*"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
