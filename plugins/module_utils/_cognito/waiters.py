# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Waiters for Cognito, which botocore lacks.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config

POLL_SECONDS = 5
STATUS = "DomainDescription.Status"


class CognitoWaiterFactory(BaseWaiterFactory):
    """Waits for a user pool domain to be active, or gone."""

    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        return {
            "domain_active": _domain_waiter(
                {"state": "success", "matcher": "path", "argument": STATUS, "expected": "ACTIVE"},
                {"state": "failure", "matcher": "path", "argument": STATUS, "expected": "FAILED"},
            ),
            "domain_gone": _domain_waiter(
                {"state": "success", "matcher": "path", "argument": f"{STATUS} == `null`", "expected": True},
                {"state": "success", "matcher": "error", "expected": "ResourceNotFoundException"},
            ),
        }


def _domain_waiter(*acceptors: dict[str, Any]) -> dict[str, Any]:
    return {
        "operation": "DescribeUserPoolDomain",
        "delay": POLL_SECONDS,
        "maxAttempts": 1,
        "acceptors": list(acceptors),
    }


def wait_for_domain(client: Any, waiter_name: str, domain: str, timeout: int) -> None:
    waiter = CognitoWaiterFactory().get_waiter(client, waiter_name)
    waiter.wait(Domain=domain, WaiterConfig=custom_waiter_config(timeout, default_pause=POLL_SECONDS))
