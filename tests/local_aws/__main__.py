# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the local AWS: complete ministack, then start its server."""

from __future__ import annotations

from ministack import app

from local_aws import (
    acm,
    autoscaling,
    calllog,
    cognito,
    control,
    ec2,
    ecs,
    elb,
    hooks,
    iam,
    registry,
    route53,
    s3,
    simulation,
    state,
    throttling,
)

LAYERS = (
    *(ec2, route53, iam, simulation, s3, acm, elb, cognito, registry, ecs, autoscaling),
    *(throttling, calllog, state, control),
)


def main() -> None:
    """Install every layer and serve until told to stop."""
    hooks.check_version()
    for layer in LAYERS:
        layer.install()
    app.main()


if __name__ == "__main__":
    main()
