# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Amazon ECS on Fargate: what ministack leaves out of it, one concern per module."""

from __future__ import annotations

from local_aws.ecs import clusters, containers, deployments, images, services, supervisor, task_definitions


def install() -> None:
    """Put the whole service into ministack."""
    for module in (clusters, task_definitions, services, deployments, images, containers, supervisor):
        module.install()
