# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Builds and pushes through a Docker engine.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._image import buildx
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.build_command import build_failed
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.context import read_ignore, write_tar
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError, require_size
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import Registry

try:
    import docker
    from docker.errors import DockerException

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False

    class DockerException(Exception):  # type: ignore[no-redef]  # noqa: N818
        """Stands in for the SDK's base error."""


PROBE_SECONDS = 20
BUILD_SECONDS = 3600
# The engine's own builder wraps each piece that a step wrote to standard error in these.
COLOUR = re.compile(r"\x1b\[\d*m")
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
COPY_FROM = re.compile(r"^\s*COPY\s+(?:--\S+\s+)*?--from=(\S+)", re.IGNORECASE | re.MULTILINE)
ARG = re.compile(r"^\s*ARG\s+(\w+)=[\"']?([^\s\"']*)", re.IGNORECASE | re.MULTILINE)
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


@dataclass(frozen=True)
class Dockerfile:
    """What to build and how; paths are relative to the folder."""

    folder: Path
    name: str
    ignore: str
    platform: str
    labels: Mapping[str, str]
    arguments: Mapping[str, str] = field(default_factory=dict)


def base_images(dockerfile: str, arguments: Mapping[str, str] | None = None) -> list[str]:
    """Returns the images that a Dockerfile starts from or copies from, its own stages aside."""
    images, stages = zip(*FROM.findall(dockerfile), strict=True) if FROM.search(dockerfile) else ((), ())
    first = FROM.search(dockerfile)
    values = {**dict(ARG.findall(dockerfile[: first.start()] if first else "")), **(arguments or {})}
    named = {stage.lower() for stage in stages}
    found = [_filled(image, values) for image in images] + COPY_FROM.findall(dockerfile)
    foreign = (image for image in found if image.lower() not in named | {"scratch"} and not image.isdigit())
    return list(dict.fromkeys(foreign))


def _filled(image: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda match: values.get(match[1] or match[3]) or match[2] or "", image)


def missing_engine(dockerfile: Dockerfile) -> str:
    """Returns why no Docker engine can build this, or nothing if one can."""
    path = dockerfile.folder / dockerfile.name
    if not path.is_file():
        return f"there is no {dockerfile.name} in {dockerfile.folder}"
    if not HAS_DOCKER:
        return "the Python package docker is not installed"
    try:
        client = docker.from_env(timeout=PROBE_SECONDS)
        client.ping()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers ({error})"
    wanted = base_images(path.read_text(encoding="utf-8"), dockerfile.arguments)
    image = next((image for image in wanted if not _is_to_be_had(client, image)), None)
    return f"base image {image} is not on the engine and cannot be had from its registry" if image else ""


def _is_to_be_had(client: Any, image: str) -> bool:
    for ask in (client.images.get, client.images.get_registry_data):
        try:
            ask(image)
        except (DockerException, OSError):
            continue
        return True
    return False


def build_and_push(dockerfile: Dockerfile, registry: Registry, tag: str, log: Path, size_limit: int = 0) -> str:
    """Builds, pushes and returns the digest; the engine gets the very context that the source hash covers."""
    try:
        client = docker.from_env(timeout=BUILD_SECONDS).api
        address = f"{registry.host}/{registry.repository}"
        with log.open("a", encoding="utf-8") as output:
            follow = partial(_follow, output, log)
            _build_logged(client, dockerfile, f"{address}:{tag}", follow, output)
            # The engine knows no compressed size before the push.
            require_size(client.inspect_image(f"{address}:{tag}")["Size"], size_limit, "before compression")
            pushed = client.push(address, tag, stream=True, decode=True, auth_config=_login(registry))
            return follow("The push through Docker failed", pushed)
    except (DockerException, OSError) as error:
        raise ImageError(f"The Docker engine gave up: {error}. The log is {log}.") from error


def _build_logged(client: Any, dockerfile: Dockerfile, name: str, follow: Callable[..., str], output: IO[str]) -> None:
    """Leaves the image on the engine under the name: by buildx where it is installed, else by the engine's builder."""
    if not buildx.is_installed():
        follow("The Docker build failed", _build(client, dockerfile, name))
        return
    with _context(dockerfile) as context:
        code = buildx.build(buildx.command(dockerfile, name), dockerfile.arguments, context, output)
    if code:
        raise build_failed(f"The build by docker buildx ended with code {code}", Path(output.name))


@contextmanager
def _context(dockerfile: Dockerfile) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as context:
        ignore = read_ignore(dockerfile.folder, dockerfile.ignore)
        write_tar(dockerfile.folder, ignore, (dockerfile.name, dockerfile.ignore), context)
        context.seek(0)
        yield context


def _build(client: Any, dockerfile: Dockerfile, name: str) -> Iterator[dict[str, Any]]:
    with _context(dockerfile) as context:
        yield from client.build(
            fileobj=context,
            custom_context=True,
            dockerfile=dockerfile.name,
            platform=dockerfile.platform,
            labels=dict(dockerfile.labels),
            buildargs=dict(dockerfile.arguments),
            tag=name,
            rm=True,
            forcerm=True,
            decode=True,
        )


def _login(registry: Registry) -> dict[str, str]:
    """Returns what goes into a header of the engine's API: the password is in no file and no process list."""
    if not registry.authorization:
        return {}
    user, password = base64.b64decode(registry.authorization.removeprefix("Basic ")).decode().split(":", 1)
    return {"username": user, "password": password}


def _follow(output: IO[str], log: Path, failure: str, events: Iterable[dict[str, Any]]) -> str:
    """Writes what the engine says into the log as it comes; returns the last digest it names."""
    digest = ""
    for event in events:
        output.write(_said(event))
        output.flush()
        if "error" in event:
            raise build_failed(failure, log)
        digest = event.get("aux", {}).get("Digest") or digest
    return digest


def _said(event: Mapping[str, Any]) -> str:
    """What the event adds to the log; progress bars would drown it."""
    if "stream" in event:
        # A piece ends where the engine's buffer did, often within a line.
        return COLOUR.sub("", event["stream"])
    text = event.get("error") or ("" if event.get("progress") else event.get("status", ""))
    return text if not text or text.endswith("\n") else f"{text}\n"
