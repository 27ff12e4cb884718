# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Shows on the terminal what a module writes to a file while it runs on this machine.

This plugin util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

INTERVAL_SECONDS = 0.3


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
