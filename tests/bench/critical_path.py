# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The shortest time in which AWS itself can provide or remove a stack, from its own durations and dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Step:
    """Something that AWS takes time for: what it is, how long it takes, and the steps that must be over before."""

    title: str
    seconds: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Path:
    """The longest chain of steps."""

    seconds: float
    titles: tuple[str, ...]


def deploy_steps(seconds: Mapping[str, float], health_seconds: float) -> dict[str, Step]:
    """Returns the steps of a first deployment in a closed network with a login on a domain of its own.

    health_seconds: from the start of a task to its healthy target, as the health check is configured.
    """
    change = seconds["route53.change"]
    return {
        "delegation": Step("delegation known", change),
        "record_to_prove": Step("certificates name their records", seconds["acm.record"]),
        "proof": Step("validation records known", change, ("record_to_prove",)),
        "certificates": Step("certificates issued", seconds["acm.validation"], ("delegation", "proof")),
        "load_balancer": Step("load balancer active", seconds["elb.load_balancer"]),
        "address": Step("address of the app known", change, ("delegation",)),
        "domain": Step("login domain active", seconds["cognito.custom_domain"], ("certificates", "address")),
        "endpoints": Step("endpoints available", seconds["ec2.vpc_endpoint"]),
        # ECS takes a target group only once a listener leads to it, and that listener needs the certificate.
        "task": Step("task runs", seconds["ecs.task"], ("certificates", "endpoints")),
        "target": Step("target healthy", health_seconds, ("task", "load_balancer")),
    }


def destroy_steps(seconds: Mapping[str, float]) -> dict[str, Step]:
    """Returns the steps of removing the same stack."""
    return {
        "domain": Step("login domain gone", seconds["cognito.domain_deletion"]),
        "service": Step("service inactive", seconds["ecs.service_deletion"]),
        "endpoints": Step("endpoints gone", seconds["ec2.vpc_endpoint_deletion"]),
    }


def critical_path(steps: Mapping[str, Step]) -> Path:
    """Returns the chain of steps that ends last."""
    longest: dict[str, Path] = {}
    for name in TopologicalSorter({name: step.needs for name, step in steps.items()}).static_order():
        before = max(
            (longest[need] for need in steps[name].needs), key=lambda path: path.seconds, default=Path(0.0, ())
        )
        longest[name] = Path(before.seconds + steps[name].seconds, (*before.titles, steps[name].title))
    return max(longest.values(), key=lambda path: path.seconds)
