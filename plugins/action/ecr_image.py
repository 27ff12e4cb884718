# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Shows the output of a build while the module ecr_image runs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

LOG_PATH = "~/.cache/gatehouse/build.log"
INTERVAL_SECONDS = 0.3


class ActionModule(ActionBase):
    """Runs the module, and follows the log that it writes."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        if not self._shows_output():
            result.update(self._execute_module(task_vars=task_vars))
            return result
        host = (task_vars or {}).get("inventory_hostname", "")
        path = Path(self._task.args.get("log_path") or LOG_PATH).expanduser()
        with Follower(path, lambda line: Display().display(f"{host} | {line}", stderr=True)):
            result.update(self._execute_module(task_vars=task_vars))
        return result

    def _shows_output(self) -> bool:
        """Tells whether there can be a log on this machine that its owner wants to see."""
        here = self._connection.transport == "local"
        quiet = self._task.no_log or self._task.check_mode
        return here and not quiet and boolean(self._task.args.get("live_output", True))


class Follower:
    """Hands on every line that a file gains while the context lasts, but nothing of the file it replaces."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show
        self._old = self._identity()
        self._read = 0
        self._rest = b""
        self._ended = Event()
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._show_new()
        if self._rest:
            self._show(self._rest.decode(errors="replace"))

    def _identity(self) -> tuple[int, int] | None:
        """Returns what a new log does not share with the old one, even if the file system reuses its number."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

    def _follow(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            self._show_new()

    def _show_new(self) -> None:
        if not self._read and self._identity() == self._old:
            return
        try:
            with self._path.open("rb") as log:
                log.seek(self._read)
                new = log.read()
        except OSError:
            return
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._show(line.decode(errors="replace"))
