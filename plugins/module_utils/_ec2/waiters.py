# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Waiters for what EC2 takes minutes to make or to remove.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config

PAUSE = 3
Acceptor = dict[str, Any]


def _all(state: str, argument: str, expected: str) -> Acceptor:
    return {"state": state, "matcher": "pathAll", "argument": argument, "expected": expected}


def _any(state: str, argument: str, expected: str) -> Acceptor:
    return {"state": state, "matcher": "pathAny", "argument": argument, "expected": expected}


def _error(state: str, code: str) -> Acceptor:
    return {"state": state, "matcher": "error", "expected": code}


def _none_left(argument: str) -> Acceptor:
    return {"state": "success", "matcher": "path", "argument": f"length({argument}) == `0`", "expected": True}


def _waiter(operation: str, *acceptors: Acceptor) -> dict[str, Any]:
    return {"operation": operation, "delay": PAUSE, "maxAttempts": 200, "acceptors": list(acceptors)}


NAT_STATE = "NatGateways[].State"
ENDPOINT_STATE = "VpcEndpoints[].State"


class Ec2WaiterFactory(BaseWaiterFactory):
    """NAT gateways (botocore polls them every 15 seconds) and VPC endpoints (botocore has no waiter)."""

    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        return {
            "nat_gateways_available": _waiter(
                "DescribeNatGateways",
                _all("success", NAT_STATE, "available"),
                _any("failure", NAT_STATE, "failed"),
                _any("failure", NAT_STATE, "deleted"),
                _error("retry", "NatGatewayNotFound"),
            ),
            "nat_gateways_deleted": _waiter(
                "DescribeNatGateways",
                _all("success", NAT_STATE, "deleted"),
                _none_left("NatGateways[]"),
                _error("success", "NatGatewayNotFound"),
            ),
            "vpc_endpoints_available": _waiter(
                "DescribeVpcEndpoints",
                _all("success", ENDPOINT_STATE, "available"),
                *(_any("failure", ENDPOINT_STATE, state) for state in ("failed", "rejected", "expired", "deleted")),
                _error("retry", "InvalidVpcEndpointId.NotFound"),
            ),
            "vpc_endpoints_deleted": _waiter(
                "DescribeVpcEndpoints",
                _all("success", ENDPOINT_STATE, "deleted"),
                _none_left("VpcEndpoints[]"),
                _error("success", "InvalidVpcEndpointId.NotFound"),
            ),
        }


def wait_for(client: Any, waiter: str, timeout: int, **request: Any) -> None:
    """Waits for up to ``timeout`` seconds; a timeout names the waiter and the ids."""
    subject = f"see {waiter.replace('_', ' ')} ({', '.join(*request.values())})"

    @AWSErrorHandler.common_error_handler(subject)
    def wait() -> None:
        Ec2WaiterFactory().get_waiter(client, waiter).wait(
            **request, WaiterConfig=custom_waiter_config(timeout, default_pause=PAUSE)
        )

    wait()
