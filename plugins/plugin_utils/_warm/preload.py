# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the warm interpreter has in memory before the first module asks for it.

Only code and AWS's published API descriptions: no session, client, credential or anything else that depends on the
environment of a task.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

OURS = "ansible_collections.gatehouse.fargate.plugins.module_utils"
UTILITIES = (
    "ansible.module_utils.basic",
    "ansible.module_utils.common.yaml",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
    "boto3",
    "ansible_collections.amazon.aws.plugins.module_utils.modules",
    "ansible_collections.amazon.aws.plugins.module_utils.policy",
    "ansible_collections.amazon.aws.plugins.module_utils.tagging",
    "ansible_collections.amazon.aws.plugins.module_utils.transformation",
    "ansible_collections.amazon.aws.plugins.module_utils.waiters",
    "ansible_collections.amazon.aws.plugins.module_utils.waiter",
    "ansible.module_utils.urls",
)
# What nothing but a build or a missing delegation needs brings large packages along.
RARE = {f"{OURS}._image.engine", f"{OURS}._image.builders", f"{OURS}._dns.delegation"}


def load(ansible: str, services: Sequence[str]) -> None:
    """Raises RuntimeError when modules would run with another Ansible than the controller's."""
    found = os.path.dirname(str(import_module("ansible").__file__))
    if found != ansible:
        raise RuntimeError(f"the interpreter finds Ansible in {found}, and ansible-playbook runs from {ansible}")
    for name in (*UTILITIES, *own_utilities()):
        # What is not installed is not needed, or is missed by the module that needs it.
        with contextlib.suppress(ImportError):
            import_module(name)
    with contextlib.suppress(ImportError):
        keep_descriptions(services)


def own_utilities() -> Iterator[str]:
    """The collection's utilities, of which each module needs some."""
    for found in pkgutil.walk_packages(import_module(OURS).__path__, f"{OURS}."):
        if found.name not in RARE:
            yield found.name


def keep_descriptions(services: Sequence[str]) -> None:
    """Lets all sessions of a process share what botocore read, and reads it for these services."""
    share_loader()
    keep_session()
    import botocore.exceptions
    import botocore.session

    loader = botocore.session.create_loader()
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        with contextlib.suppress(botocore.exceptions.DataNotFoundError):
            loader.load_data(name)
    slimmer = Slimmer()
    for service in services:
        with contextlib.suppress(botocore.exceptions.DataNotFoundError, botocore.exceptions.UnknownServiceError):
            description = loader.load_service_model(service, "service-2")
            slimmer.replace(description)
            name_methods(description["operations"])
            for kind in ("endpoint-rule-set-1", "paginators-1", "waiters-2"):
                loader.load_service_model(service, kind)
    # Gives back what was left out.
    del slimmer
    ctypes.CDLL(None).malloc_trim(0)


def name_methods(operations: Iterable[str]) -> None:
    """Makes botocore remember what the methods of a client are called, which it works out anew for each client."""
    import botocore

    for operation in operations:
        botocore.xform_name(operation)


class Slimmer:
    """Copies descriptions without their documentation, and keeps equal texts and equal small parts once.

    A copy, because documentation leaves gaps behind, and memory goes back to the system only where nothing else is.
    """

    def __init__(self) -> None:
        self._parts: dict[Any, Any] = {}

    def replace(self, description: dict[str, Any]) -> None:
        """Puts the copy where the description was: botocore's loader goes on giving out the same dictionary."""
        slim = self.slim(description)
        description.clear()
        description.update(slim)

    def slim(self, item: Any) -> Any:
        if isinstance(item, str):
            return sys.intern(item)
        if isinstance(item, list):
            return [self.slim(part) for part in item]
        return self._slim_dict(item) if isinstance(item, dict) else item

    def _slim_dict(self, item: dict[str, Any]) -> dict[str, Any]:
        slim = {key: self.slim(value) for key, value in item.items()}
        if isinstance(slim.get("documentation"), str):
            # Not left out: botocore expects the text of some parameters.
            slim["documentation"] = ""
        if any(isinstance(value, (dict, list)) for value in slim.values()):
            return slim
        # True and 1 are equal, but not the same.
        known: dict[str, Any] = self._parts.setdefault(tuple((*pair, type(pair[1])) for pair in slim.items()), slim)
        return known


def share_loader() -> None:
    import botocore.loaders
    import botocore.session

    create, shared = botocore.loaders.create_loader, {}

    def create_loader(search_path_string: str | None = None) -> Any:
        if search_path_string not in shared:
            shared[search_path_string] = create(search_path_string)
        return shared[search_path_string]

    botocore.loaders.create_loader = botocore.session.create_loader = create_loader


def keep_session() -> None:
    """Gives the first session of each process without the time its handlers take; it has read no setting yet."""
    import botocore.session

    create, unused = botocore.session.get_session, [botocore.session.Session()]

    def get_session(env_vars: Any = None) -> Any:
        return unused.pop() if unused and env_vars is None else create(env_vars)

    botocore.session.get_session = get_session
