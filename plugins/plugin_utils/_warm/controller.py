# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What ansible-playbook itself does for warm connections before it forks a process for the first task.

Each task has a process of its own, which would load every plugin that the one before it loaded too, and the first
module would wait for the warm interpreter to start.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import pkgutil
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import ansible
from ansible import constants
from ansible.plugins import loader
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import builder
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm.client import UnavailableError, Warm

COLLECTION = "gatehouse.fargate"
CONNECTION = f"{COLLECTION}.warm"
# One that exists is enough: Ansible looks for it in every file with plugins of its kind.
FILTER = f"{COLLECTION}.aws_partition"
BUILTIN = ("assert", "fail", "include_vars", "normal", "set_fact", "validate_argument_spec")


def prepare() -> None:
    """Starts the warm interpreter that hosts without settings of their own use, and loads the plugins of the roles."""
    load_plugins()
    # The name under which Ansible has registered its options.
    name = loader.connection_loader.get(CONNECTION, class_only=True)._load_name
    # A connection says why it cannot, and runs its modules the ordinary way.
    with contextlib.suppress(UnavailableError):
        start(constants.config.get_config_value("services", plugin_type="connection", plugin_name=name))


def start(services: Sequence[str]) -> Warm:
    """Finds the warm interpreter of this run, started by now; raises UnavailableError where there can be none."""
    settings = {
        "ansible": os.path.dirname(str(ansible.__file__)),
        "roots": list(AnsibleCollectionConfig.collection_paths),
        "services": list(services),
    }
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    builder.install()
    warm = Warm(os.path.join(constants.DEFAULT_LOCAL_TMP, f"warm-{key}"))
    warm.start(settings)
    return warm


def load_plugins() -> None:
    """Takes them out of the reach of the garbage collection as well."""
    loader.filter_loader.get(FILTER)
    loader.test_loader.get("ansible.builtin.truthy")
    for kind, name in plugins():
        kind.get(name, class_only=True)
    gc.collect()
    # A collection in a forked process would copy all the memory that it shares with this one.
    gc.freeze()


def plugins() -> Iterator[tuple[Any, str]]:
    yield loader.connection_loader, CONNECTION
    yield loader.shell_loader, "sh"
    yield loader.lookup_loader, f"{COLLECTION}.aws_options"
    for name in BUILTIN:
        yield loader.action_loader, f"ansible.builtin.{name}"
    own = import_module(f"ansible_collections.{COLLECTION}.plugins.action")
    for module in pkgutil.iter_modules(own.__path__):
        yield loader.action_loader, f"{COLLECTION}.{module.name}"
