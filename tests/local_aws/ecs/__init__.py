# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Amazon ECS on Fargate: what ministack leaves out of it, one concern per module."""

from __future__ import annotations

from local_aws.ecs import (
    clusters,
    containers,
    dependencies,
    deployments,
    images,
    services,
    shifting,
    supervisor,
    task_definitions,
    task_ends,
    tasks,
)

PARTS = (
    clusters,
    task_definitions,
    tasks,
    services,
    deployments,
    shifting,
    images,
    containers,
    dependencies,
    task_ends,
    supervisor,
)


def install() -> None:
    """Put the whole service into ministack."""
    for module in PARTS:
        module.install()
