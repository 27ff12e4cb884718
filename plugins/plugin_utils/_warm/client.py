# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The connection's side of the warm interpreter: starts it once for a run, and asks it to run modules."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import parent_process
from pathlib import Path
from typing import IO, Any, cast

from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import wire

SOCKET = "socket"
FAILED = "failed"
LOG = "log"
BACKLOG = 128
# Seconds for the process that made the folder to put the socket into it.
PATIENCE = 10.0
CHUNK = 1 << 16

Result = tuple[int, bytes, bytes]


class UnavailableError(Exception):
    """The warm interpreter cannot run the module, and nothing of the module has run."""


class HandedBackError(Exception):
    """The module wants another interpreter, and has done nothing yet."""


class LostError(Exception):
    """The warm interpreter ended while the module ran."""


class Warm:
    """The warm interpreter of one run of Ansible, found in a folder that only this user can enter."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def start(self, settings: dict[str, Any]) -> None:
        """Starts the interpreter, unless another worker has or had no success. Does not wait for it."""
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise UnavailableError(str(error)) from None
        try:
            launch(self.folder, settings)
        except OSError as error:
            raise self.give_up(str(error)) from None

    def give_up(self, reason: str) -> UnavailableError:
        """Remembers for the rest of the run that there is no interpreter, and why."""
        with contextlib.suppress(OSError):
            Path(self.folder, FAILED).write_text(self.trouble() or reason, encoding="utf-8")
        return UnavailableError(self.trouble() or reason)

    def trouble(self) -> str:
        """Why the interpreter could not start or ended, as far as it said."""
        for name in (FAILED, LOG):
            with contextlib.suppress(OSError):
                if lines := Path(self.folder, name).read_text(encoding="utf-8", errors="replace").split("\n"):
                    said = [line for line in lines if line.strip()]
                    if said:
                        return said[-1]
        return ""

    def connect(self) -> socket.socket:
        until = time.monotonic() + PATIENCE
        while not os.path.exists(os.path.join(self.folder, FAILED)):
            with contextlib.suppress(FileNotFoundError):
                return self.try_to_connect()
            if time.monotonic() > until:
                raise self.give_up("it was not started")
            time.sleep(0.005)
        raise UnavailableError(self.trouble())

    def try_to_connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            with opened(self.folder) as folder:
                connection.connect(wire.beside(folder, SOCKET))
        except FileNotFoundError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise self.give_up(str(error)) from None
        return connection

    def run(self, request: wire.Request) -> Result:
        """The module's return code, stdout and stderr. Ends the module when it is interrupted."""
        with self.connect() as connection, pipes() as (reading, writing):
            try:
                wire.send_request(connection, request, writing)
            except OSError as error:
                raise self.give_up(str(error)) from None
            for descriptor in writing:
                os.close(descriptor)
            writing.clear()
            stdout, stderr = read_all(reading)
            return self.answer(connection), stdout, stderr

    def answer(self, connection: socket.socket) -> int:
        try:
            if wire.receive(connection, 1) != wire.STARTED:
                raise self.give_up("it did not start the module")
        except (EOFError, OSError):
            raise self.give_up("it ended") from None
        try:
            if wire.receive(connection, 1) == wire.HANDED_BACK:
                raise HandedBackError
            code: int
            (code,) = wire.RETURN_CODE.unpack(wire.receive(connection, wire.RETURN_CODE.size))
            return code
        except (EOFError, OSError):
            raise LostError(self.trouble()) from None


def launch(folder: str, settings: dict[str, Any]) -> None:
    """Connections are accepted from here on; the interpreter answers them when it is ready."""
    owner = os.pidfd_open(main_process())
    try:
        with listening(folder) as listener, open(os.path.join(folder, LOG), "wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("boot.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=(listener.fileno(), owner),
                start_new_session=True,
            )
            settings = {**settings, "folder": folder, "listener": listener.fileno(), "owner": owner}
            with cast(IO[bytes], process.stdin) as stdin:
                stdin.write(json.dumps(settings).encode())
    finally:
        os.close(owner)


def main_process() -> int:
    """The process id of ansible-playbook, also from a worker."""
    parent = parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid


@contextlib.contextmanager
def opened(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    with opened(path) as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(wire.beside(folder, f"{SOCKET}.new"))
        listener.listen(BACKLOG)
        os.rename(os.path.join(path, f"{SOCKET}.new"), os.path.join(path, SOCKET))
        yield listener


@contextlib.contextmanager
def pipes() -> Iterator[tuple[list[int], list[int]]]:
    """The reading and the writing ends of two pipes; closes what is left in the lists."""
    pairs = [os.pipe() for _stream in range(wire.STREAMS)]
    reading, writing = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    try:
        yield reading, writing
    finally:
        for descriptor in (*reading, *writing):
            os.close(descriptor)


def read_all(descriptors: list[int]) -> list[bytes]:
    """What comes out of each pipe until its last writer has closed it."""
    found: dict[int, list[bytes]] = {descriptor: [] for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _events in selector.select():
                if chunk := os.read(key.fd, CHUNK):
                    found[key.fd].append(chunk)
                else:
                    selector.unregister(key.fd)
    return [b"".join(chunks) for chunks in found.values()]
