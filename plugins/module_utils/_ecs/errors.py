# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Errors of the ECS API that mean something other than failure.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_message
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is

ClusterErrors = missing_is("ClusterNotFoundException")
ServiceErrors = missing_is("ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException")

NOT_YET = (
    "unable to assume",
    "verify that the ecs service linked role",
    "does not have an associated load balancer",
    "role is not valid",
)


class TaskDefinitionErrors(AWSErrorHandler):
    """A family without an active revision is reported by a general code; only the message tells."""

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_message("Unable to describe task definition")


class RetryUntilUsable(AWSRetry):
    """Retries what fails only because a new role or listener is not known everywhere in AWS yet."""

    @staticmethod
    def status_code_from_exception(error: Any) -> str:
        return str(error.response["Error"].get("Message", "")).lower()

    @staticmethod
    def found(response_code: str, catch_extra_error_codes: Any = None) -> bool:  # noqa: ARG004
        return any(reason in response_code for reason in NOT_YET)


# IAM's propagation takes 5 to 30 seconds, rarely more than a minute: 2, 4, 8, then 10 s each, 104 s in all.
when_usable = RetryUntilUsable.exponential_backoff(retries=13, delay=2, backoff=2, max_delay=10)
