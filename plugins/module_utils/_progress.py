# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a module tells while it still waits: lines in a file, which the action plugin of the module shows.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType

# Half a poll less than the ten seconds that nobody has to wait without a word.
SILENCE_SECONDS = 8.0


class Progress:
    """Writes lines to a file as they come; repeats what it waits for whenever it was silent for too long.

    Without a path nothing is written. The repeating has a thread of its own, so that it goes on while a call of
    the API is repeated because AWS throttles it.
    """

    def __init__(self, path: str | None, doing: str, silence: float = SILENCE_SECONDS) -> None:
        self._path = Path(path) if path else None
        self._silence = silence
        self._lock = Lock()
        self._ended = Event()
        self._doing = doing
        self._began = self._spoke = time.monotonic()
        self._thread = Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> Progress:
        if self._path:
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def seconds(self) -> float:
        """How long this has been going on."""
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        """Tells something new."""
        with self._lock:
            self._write(line)

    def doing(self, what: str) -> None:
        """Sets what is told when nothing new happens."""
        self._doing = what

    def _write(self, line: str) -> None:
        self._spoke = time.monotonic()
        if not self._path:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{self.seconds:4.0f} s  {line}\n")
        except OSError:
            # Nobody can read it; that must not end a deployment.
            self._path = None

    def _repeat(self) -> None:
        while not self._ended.wait(min(1.0, self._silence / 4)):
            with self._lock:
                if time.monotonic() - self._spoke >= self._silence:
                    self._write(self._doing)
