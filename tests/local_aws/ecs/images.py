# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images: names of the private registry lead to the stand-in's own, and a task starts only from a fresh pull."""

from __future__ import annotations

import os
import re
from typing import Any

from ministack.services import ecs

from local_aws import registry
from local_aws.hooks import Function, patch

ECR_HOST = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/")


class Images:
    """Docker's images under the names that a task definition gives them."""

    def __init__(self, images: Any) -> None:
        self._images = images

    def __getattr__(self, name: str) -> Any:
        return getattr(self._images, name)

    def pull(self, name: str, **options: Any) -> Any:
        return self._images.pull(local_name(name), **_with_account(name, options))

    def get(self, name: str) -> Any:
        return self._images.get(local_name(name))

    def get_registry_data(self, name: str, **options: Any) -> Any:
        return self._images.get_registry_data(local_name(name), **_with_account(name, options))


class Containers:
    """Docker's containers, started from images under the names that a task definition gives them."""

    def __init__(self, containers: Any) -> None:
        self._containers = containers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._containers, name)

    def run(self, image: str, **options: Any) -> Any:
        try:
            return self._containers.run(local_name(image), **options)
        except Exception:
            # Docker keeps a container that it could not start, and with it the name for another attempt.
            for left in self._containers.list(all=True, filters={"name": f"^/{options.get('name')}$"}):
                left.remove(force=True)
            raise


class Engine:
    """A Docker client that knows the private registry."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.images = Images(client.images)
        self.containers = Containers(client.containers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def install() -> None:
    """Let ministack see Docker through these names."""
    patch(ecs, "_get_docker", _knowing_registry)
    patch(ecs, "_run_docker_container", _pulling_always)


def local_name(image: str) -> str:
    """The name under which Docker finds an image of ECR: it trusts a registry on loopback without TLS."""
    return ECR_HOST.sub(f"127.0.0.1:{os.environ['GATEWAY_PORT']}/", image)


def _with_account(image: str, options: dict[str, Any]) -> dict[str, Any]:
    found = ECR_HOST.match(image)
    if not found:
        return options
    return {**options, "auth_config": {"username": registry.USER, "password": registry.password(*found.groups())}}


def _knowing_registry(original: Function) -> Function:
    known: dict[int, Engine] = {}

    def get_docker() -> Engine | None:
        client = original()
        return known.setdefault(id(client), Engine(client)) if client else None

    return get_docker


def _pulling_always(original: Function) -> Function:
    def run(client: Any, definition: Any, options: Any, **settings: Any) -> Any:
        # Fargate keeps no images between tasks: an image that is gone from its registry must not start.
        settings.update(refresh_image=True, allow_cached=False, cache_image=None)
        return original(client, definition, options, **settings)

    return run
