# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Starts the warm interpreter. The connection runs this file and writes its settings to stdin."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

TOP = "ansible_collections"
PACKAGE = "ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm"


class CollectionFinder(MetaPathFinder):
    """Finds collections where Ansible does: the first folder that holds a collection provides all of it.

    Ansible's own finder would do, but it compiles every file anew and reads the metadata of every collection.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = [Path(root) for root in roots]

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        parts = fullname.split(".")
        if parts[0] != TOP or len(parts) > 3:
            return None
        folders = [str(folder) for root in self.roots if (folder := root.joinpath(*parts)).is_dir()]
        return namespace(fullname, folders[:1] if len(parts) == 3 else folders)


def namespace(name: str, folders: list[str]) -> ModuleSpec | None:
    if not folders:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


class RedirectFinder(MetaPathFinder, Loader):
    """Follows meta/runtime.yml for module utilities that a collection has moved, as Ansible's archive does."""

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if moved_to(fullname) else None

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        sys.modules[name] = import_module(moved_to(name))


def moved_to(name: str) -> str:
    """The full name of the module utility that replaces another, or nothing."""
    collection, _here, utility = name.partition(".plugins.module_utils.")
    if not utility or collection.count(".") != 2 or not collection.startswith(f"{TOP}."):
        return ""
    target = str(routes(collection).get(utility, {}).get("redirect", ""))
    if not target or target.startswith(f"{TOP}."):
        return target
    owner, other, rest = target.split(".", 2)
    return f"{TOP}.{owner}.{other}.plugins.module_utils.{rest}"


def routes(collection: str) -> dict[str, dict[str, str]]:
    import yaml

    runtime = Path(import_module(collection).__path__[0], "meta", "runtime.yml")
    if not runtime.is_file():
        return {}
    routing = (yaml.safe_load(runtime.read_text(encoding="utf-8")) or {}).get("plugin_routing", {})
    return dict(routing.get("module_utils") or {})


def main() -> None:
    # What is loaded here stays; looking for garbage in it would take half of the time.
    gc.disable()
    # A module must find no other code beside this file.
    del sys.path[0]
    settings = json.load(sys.stdin)
    sys.meta_path.insert(0, CollectionFinder(settings["roots"]))
    sys.meta_path.append(RedirectFinder())
    import_module(f"{PACKAGE}.server").serve(settings)


if __name__ == "__main__":
    main()
