# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task needs of AWS: the services it calls, and what its roles must be allowed to read.

The permissions of the roles and the endpoints of a closed network come from here, so that they cannot differ.
Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

# Each Fargate task pulls an image and writes a log.
ALWAYS = ("ecr.api", "ecr.dkr", "logs")
SHELL = "ssmmessages"
SECRET_SERVICES = {"secretsmanager": "secretsmanager", "ssm": "ssm"}
ECR_IMAGE = re.compile(
    r"^(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))/(?P<name>[^:@]+)"
)


def needs(secrets: Mapping[str, str], sidecars: Iterable[Fields], shell: bool, region: str, partition: str) -> Fields:
    """Returns what a task with these secrets and sidecars needs; ``shell`` is for ECS Exec."""
    sidecars = list(sidecars)
    references = [*secrets.values(), *(value for one in sidecars for value in (one.get("secrets") or {}).values())]
    called = [SECRET_SERVICES[service] for service in map(service_of, references) if service in SECRET_SERVICES]
    declared = [service for one in sidecars for service in one.get("aws_services") or []]
    images = [str(one.get("image", "")) for one in sidecars]
    return {
        "services": unique([*ALWAYS, *([SHELL] if shell else []), *sorted(called), *declared]),
        "secret_arns": sorted({secret_arn(one) for one in references if service_of(one) == "secretsmanager"}),
        "parameter_arns": sorted({one for one in references if service_of(one) == "ssm"}),
        "repository_arns": sorted({arn for arn in (repository_arn(image, partition) for image in images) if arn}),
        "unreachable_images": [image for image in images if not is_near(image, region)],
    }


def service_of(reference: Any) -> str:
    """Returns the service of an ARN, empty for what is none."""
    parts = str(reference).split(":")
    return parts[2] if parts[0] == "arn" and len(parts) > 2 else ""


def secret_arn(reference: str) -> str:
    """Returns a secret's own ARN; a reference may go on with a JSON key, a stage and a version."""
    return ":".join(str(reference).split(":")[:7])


def repository_arn(image: str, partition: str) -> str:
    found = ECR_IMAGE.match(image)
    return f"arn:{partition}:ecr:{found['region']}:{found['account']}:repository/{found['name']}" if found else ""


def is_near(image: str, region: str) -> bool:
    """Tells whether a network without a way out can pull the image: from the registry of its own region."""
    found = ECR_IMAGE.match(image)
    return found is not None and found["region"] == region


def unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
