# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The time that AWS takes: a short one for everything that has a pending state, or the documented ones to scale."""

from __future__ import annotations

import os
import time

VARIABLE = "LOCAL_AWS_PROVISIONING_SECONDS"
DEFAULT_SECONDS = "1"
SCALE = "LOCAL_AWS_TIME_SCALE"

# Seconds, the middle of what is documented or was seen in logs of deployments to AWS.
DOCUMENTED = {
    # "generally propagate to all Amazon Route 53 authoritative DNS servers within 60 seconds"
    "route53.change": 30.0,
    # "a delay of several seconds before you can retrieve information about it"
    "acm.record": 5.0,
    # From the published record to ISSUED.
    "acm.validation": 105.0,
    "elb.load_balancer": 145.0,
    "ec2.vpc_endpoint": 100.0,
    "ec2.vpc_endpoint_deletion": 90.0,
    "ec2.nat_gateway": 96.0,
    "ec2.nat_gateway_deletion": 52.0,
    # "Your custom domain is online within five minutes"
    "cognito.custom_domain": 210.0,
    "cognito.domain_deletion": 120.0,
    # From PROVISIONING to the container's start: network interface, machine, pull of a small image.
    "ecs.task": 35.0,
    # A minute for which ECS waits in a deployment that is not rolling.
    "ecs.bake_minute": 60.0,
    # From the stop of the last task to INACTIVE, with a deregistration delay of nothing.
    "ecs.service_deletion": 30.0,
}
# Pending states that callers have to live with even when nobody asks for AWS's times.
ALWAYS_PENDING = {
    "acm.validation",
    "elb.load_balancer",
    "ec2.vpc_endpoint",
    "ec2.vpc_endpoint_deletion",
    "ec2.nat_gateway",
    "ec2.nat_gateway_deletion",
    "cognito.custom_domain",
    "ecs.bake_minute",
}


def seconds(what: str) -> float:
    """How long this takes here."""
    documented, scale = DOCUMENTED[what], os.environ.get(SCALE)
    if scale:
        return documented * float(scale)
    return float(os.environ.get(VARIABLE, DEFAULT_SECONDS)) if what in ALWAYS_PENDING else 0.0


def is_over(what: str, since: float) -> bool:
    """Whether what began at that time is provided by now."""
    return time.time() - since >= seconds(what)
