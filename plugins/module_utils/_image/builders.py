# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chooses a builder and carries it through to a pushed image.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.gatehouse.fargate.plugins.module_utils._image import engine, oci
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.build_command import (
    Build,
    alone_in,
    build_of,
    missing_program,
    run_build,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.context import read_ignore
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.dockerignore import NOTHING_MATCHED
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.elf import require_static
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError, require_size
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import Registry, push

# The order in which auto asks.
BUILDERS = ("docker", "oci")

Obstacle = Callable[[], str]


@dataclass(frozen=True)
class Request:
    """What to build, for which platform, and where to keep the log."""

    folder: Path
    platform: str
    builder: str
    dockerfile: str
    dockerignore: str
    build_command: str
    artifact: str
    build_args: Mapping[str, str]
    port: int
    user: int
    labels: Mapping[str, str]
    certificates: Path | None
    size_limit: int
    log: Path

    def with_docker(self) -> engine.Dockerfile:
        return engine.Dockerfile(
            self.folder, self.dockerfile, self.dockerignore, self.platform, self.labels, self.build_args
        )

    def with_command(self) -> Build:
        return build_of(self.folder, self.build_command, self.artifact, self.platform, self.build_args)


def choose(wanted: str, obstacles: Mapping[str, Obstacle]) -> str:
    """Returns the first builder that nothing stands in the way of; an obstacle is a reason, or nothing."""
    reasons = {}
    for builder in BUILDERS if wanted == "auto" else (wanted,):
        reasons[builder] = obstacles[builder]()
        if not reasons[builder]:
            return builder
    listed = "; ".join(f"{builder}: {reason}" for builder, reason in reasons.items())
    raise ImageError(
        f"Builder {wanted} cannot build the image. {listed}. Mend one of these, or choose another builder."
    )


def obstacles(request: Request) -> dict[str, Obstacle]:
    """Returns how to ask each builder what stands in its way."""
    return {
        "docker": lambda: engine.missing_engine(request.with_docker()),
        "oci": lambda: _command_obstacle(request),
    }


def _command_obstacle(request: Request) -> str:
    try:
        return missing_program(request.with_command())
    except ImageError as error:
        return str(error).rstrip(".")


def build_and_push(builder: str, request: Request, registry: Registry, tag: str) -> str:
    """Builds with the chosen builder, pushes under the tag, and returns the digest."""
    if builder == "docker":
        return engine.build_and_push(request.with_docker(), registry, tag, request.log, request.size_limit)
    build = request.with_command()
    require_left_out(request, build)
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        with alone_in(build.folder, request.log):
            run_build(build, request.log)
            require_static(build.program, request.platform)
            image = oci.assemble(_contents(request, build), Path(folder))
        require_size(sum(blob.size for blob in image.blobs), request.size_limit, "compressed")
        push(registry, image, tag)
    return image.digest


def _contents(request: Request, build: Build) -> oci.Contents:
    labels = {"org.opencontainers.image.title": build.artifact.name, **request.labels}
    return oci.Contents(build.program, request.platform, request.user, request.port, labels, request.certificates)


def require_left_out(request: Request, build: Build) -> None:
    """Refuses a build whose result is part of the source: every build would be a new source."""
    if build.artifact.is_absolute():
        return
    ignore = read_ignore(request.folder, request.dockerignore)
    left_out, matched = False, NOTHING_MATCHED
    for path in [*reversed(build.artifact.parents), build.artifact]:
        if path != Path():
            left_out, matched = ignore.check(path.as_posix(), matched)
    if not left_out:
        raise ImageError(
            f"{build.artifact} would count as source: add its folder to {request.dockerignore} in {request.folder}, "
            "or every build would change the source hash."
        )


def open_log(path: Path) -> None:
    """Starts an empty log that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
