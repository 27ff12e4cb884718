# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""AWS clients and error handlers shared by the collection's modules.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from botocore.config import Config
except ImportError:  # AnsibleAWSModule reports a missing botocore.
    Config = None

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

# Throttling is normal while a stack is built: EC2 CreateVpcEndpoint refills 0.3 tokens a second.
MAX_ATTEMPTS = 10


def aws_client(module: AnsibleAWSModule, service: str, **overrides: Any) -> Any:
    """Returns a boto3 client with the module's connection settings that backs off when AWS throttles.

    ``overrides`` replace connection settings, for example ``region="us-east-1"``.
    """
    config = Config(retries={"mode": "standard", "max_attempts": MAX_ATTEMPTS})
    return module.client(service, config=config, **overrides)


def clients_of(make: Callable[[str, str], Any], home: str) -> Callable[..., Any]:
    """Returns a function that makes the client of a service and a region, by default the home one, once."""
    made: dict[tuple[str, str], Any] = {}

    def client(service: str, region: str = "") -> Any:
        key = (service, region or home)
        if key not in made:
            made[key] = make(*key)
        return made[key]

    return client


def missing_is(*codes: str) -> type[AWSErrorHandler]:
    """Returns an error handler class for which these API error codes mean that the resource does not exist."""

    class ErrorHandler(AWSErrorHandler):
        @classmethod
        def _is_missing(cls) -> Any:
            return is_boto3_error_code(list(codes))

    return ErrorHandler
