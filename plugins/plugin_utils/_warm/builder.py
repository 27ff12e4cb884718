# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Prepares a module for the warm interpreter, where ansible-core would pack it and its utilities into an archive.

ansible-core has no hook for this. While an action prepares a module for a warm connection, C(_find_module_utils) of
C(ansible.executor.module_common) is replaced; C(install) refuses versions in which these internals differ.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Protocol

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.action import ActionBase
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import wire
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm.client import UnavailableError

PARAMETERS = {
    "module_name",
    "b_module_data",
    "module_path",
    "module_args",
    "task_vars",
    "templar",
    "module_compression",
    "async_timeout",
    "become_plugin",
    "environment",
    "remote_is_local",
}
INTERNALS = (
    "_BuiltModule",
    "_builder",
    "_extract_interpreter",
    "_get_ansible_module_fqn",
    "_get_shebang",
    "_is_binary",
    "Direction",
    "get_module_encoder",
    "module_utils_loader",
    "NEW_STYLE_PYTHON_MODULE_RE",
    "REPLACER",
)
# What an interpreter, its C library or OpenSSL reads once, at its start.
AT_START = re.compile(r"PYTHON|LD_|LC_|LANG|HOME$|MALLOC_|GLIBC_|GCONV_PATH$|LOCPATH$|OPENSSL_")
PROFILE = "legacy"

Build = Callable[..., Any]


class WarmConnection(Protocol):
    """What a connection offers to be given prepared modules."""

    warm: bool

    def prepare(self, prepared: Prepared | None) -> None: ...


@dataclass(frozen=True)
class Prepared:
    """A module to run. The marker stands in for the archive, which can still be built."""

    marker: bytes
    shebang: str
    fqn: str
    params: str
    environment: Mapping[str, object]
    build: Callable[[], Any]

    def request(self, cwd: str) -> wire.Request:
        umask = os.umask(0o077)
        os.umask(umask)
        environment = {**os.environ, **{name: str(value) for name, value in self.environment.items()}}
        return wire.Request(
            fqn=self.fqn, profile=PROFILE, params=self.params, environment=environment, cwd=cwd, umask=umask
        )

    def archive(self) -> bytes:
        """The ordinary archive, for an interpreter that reads it from stdin."""
        data: bytes = self.build().b_module_data
        return data


def install() -> None:
    """Lets actions prepare modules for warm connections; raises UnavailableError where that is not known to work."""
    if hasattr(ActionBase._configure_module, "__wrapped__"):
        return
    if missing := unknown_internals():
        raise UnavailableError(f"it needs ansible-core 2.19 and does not know this version ({missing})")
    original = ActionBase._configure_module

    @wraps(original)
    def configure_module(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self._connection, "prepare"):
            return original(self, *args, **kwargs)
        with preparing_for(self._connection):
            return original(self, *args, **kwargs)

    # The one place that knows both the module and its connection.
    ActionBase._configure_module = configure_module


def unknown_internals() -> str:
    """The first name of ansible-core that is not as this plugin knows it."""
    for name in INTERNALS:
        if not hasattr(module_common, name):
            return name
    found = set(inspect.signature(module_common._find_module_utils).parameters)
    return "" if found == PARAMETERS else "_find_module_utils"


@contextmanager
def preparing_for(connection: WarmConnection) -> Iterator[None]:
    build = module_common._find_module_utils
    # Packing the archive costs more than running most modules.
    module_common._find_module_utils = partial(find_module_utils, connection, build)
    try:
        yield
    finally:
        module_common._find_module_utils = build


def find_module_utils(connection: WarmConnection, build: Build, **given: Any) -> Any:
    """Stands in for the function of ansible-core; InterpreterDiscoveryRequiredError passes through."""
    connection.prepare(None)
    if not connection.warm or not_for_us(given):
        return build(**given)
    shebang = shebang_of(given)
    if not is_own_interpreter(shebang):
        return build(**given)
    encoder = module_common.get_module_encoder(PROFILE, module_common.Direction.CONTROLLER_TO_MODULE)
    try:
        params = json.dumps({"ANSIBLE_MODULE_ARGS": given["module_args"]}, cls=encoder)
    except TypeError:
        # Reported there.
        return build(**given)
    fqn = module_common._get_ansible_module_fqn(given["module_path"])
    marker = secrets.token_bytes(16)
    connection.prepare(Prepared(marker, shebang, fqn, params, given["environment"], partial(build, **given)))
    return module_common._BuiltModule(
        b_module_data=marker, module_style="new", shebang=shebang, serialization_profile=PROFILE
    )


def not_for_us(given: Mapping[str, Any]) -> bool:
    return (
        given["async_timeout"] > 0
        or not is_plain_python(given["b_module_data"], given["module_path"])
        or any(AT_START.match(str(name)) for name in given["environment"])
        or has_special_settings(given["task_vars"])
        or has_own_utilities()
    )


def is_plain_python(source: bytes, path: str) -> bool:
    """Whether it is a Python module of ansible-core or a collection, with the usual serialization."""
    if module_common._is_binary(source) or module_common.REPLACER in source or b"METADATA" in source:
        return False
    try:
        module_common._get_ansible_module_fqn(path)
    except ValueError:
        return False
    return path.endswith(".py") and bool(module_common.NEW_STYLE_PYTHON_MODULE_RE.search(source))


def has_special_settings(variables: Mapping[str, Any]) -> bool:
    """Debuggers, coverage and resource limits are set up by the archive."""
    limit = constants.config.get_config_value("PYTHON_MODULE_RLIMIT_NOFILE", variables=variables)
    extensions = module_common._builder.ExtensionManager.create(task_vars=variables).extension_names
    return str(limit) != "0" or bool(extensions)


def has_own_utilities() -> bool:
    """Whether a role or a configured folder adds to, or replaces, ansible.module_utils."""
    own = os.path.realpath(module_common._MODULE_UTILS_PATH)
    folders = module_common.module_utils_loader._get_paths(subdirs=False)
    return any(os.path.realpath(folder) != own and os.path.isdir(folder) and os.listdir(folder) for folder in folders)


def shebang_of(given: Mapping[str, Any]) -> str:
    interpreter, arguments = module_common._extract_interpreter(given["b_module_data"])
    shebang, _interpreter = module_common._get_shebang(
        interpreter or "/usr/bin/python",
        given["task_vars"],
        given["templar"],
        arguments,
        remote_is_local=given["remote_is_local"],
    )
    return str(shebang)


def is_own_interpreter(shebang: str) -> bool:
    """Whether it names the interpreter that runs Ansible; another folder would mean another environment."""
    path = shebang.removeprefix("#!")
    folder, own = os.path.dirname(path), os.path.dirname(sys.executable)
    return folder == own and os.path.exists(path) and os.path.samefile(path, sys.executable)
