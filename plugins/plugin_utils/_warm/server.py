# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The warm interpreter: waits for requests, forks a child for each, ends with the ansible-playbook that it serves."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import module_process, preload, wire

# pid, uid and gid of the other side: struct ucred in unix(7).
PEER = struct.Struct("3i")
# Seconds for a module to clean up after its task was interrupted.
GRACE = 3.0


@dataclass
class Child:
    """A running module: its process, a descriptor that is readable when it ends, and who waits for it."""

    pid: int
    ended: int
    connection: socket.socket
    deadline: float | None = None

    def signal(self, number: int) -> None:
        """To the module and the programs that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        os.close(self.ended)
        self.connection.close()


class Server:
    """Runs the modules of one ansible-playbook."""

    def __init__(self, listener: socket.socket, owner: int) -> None:
        self.listener = listener
        self.owner = owner
        self.children: list[Child] = []
        self.poll = select.epoll()
        self.poll.register(listener, select.EPOLLIN)
        self.poll.register(owner, select.EPOLLIN)

    def run(self) -> None:
        while True:
            ready = {descriptor for descriptor, _events in self.poll.poll(self.patience())}
            if self.owner in ready:
                break
            for child in list(self.children):
                self.look_after(child, ready)
            if self.listener.fileno() in ready:
                self.accept()
        self.stop()

    def look_after(self, child: Child, ready: set[int]) -> None:
        if child.ended in ready:
            self.reap(child)
        elif child.connection.fileno() in ready and child.deadline is None:
            # Nobody waits any more: Ctrl-C, a task timeout, or the end of the worker.
            self.poll.unregister(child.connection)
            self.interrupt(child)
        elif child.deadline is not None and time.monotonic() >= child.deadline:
            child.signal(signal.SIGKILL)

    def patience(self) -> float | None:
        """Seconds until a child that was interrupted is due to be killed."""
        deadlines = [child.deadline for child in self.children if child.deadline is not None]
        return max(0.01, min(deadlines) - time.monotonic()) if deadlines else None

    def accept(self) -> None:
        connection, _address = self.listener.accept()
        if peer(connection) != os.geteuid():
            connection.close()
            return
        try:
            pid = os.fork()
        except OSError:
            # The other side finds that nothing was started, and runs the module itself.
            connection.close()
            return
        if pid == 0:
            self.become(connection)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        child = Child(pid, os.pidfd_open(pid), connection)
        self.poll.register(child.ended, select.EPOLLIN)
        self.poll.register(connection, select.EPOLLRDHUP)
        self.children.append(child)

    def become(self, connection: socket.socket) -> None:
        """In the child: nothing of the server stays open, and nothing comes back."""
        try:
            os.setpgid(0, 0)
            self.poll.close()
            self.listener.close()
            os.close(self.owner)
            for other in self.children:
                other.close()
            module_process.run(connection)
        finally:
            os._exit(1)

    def interrupt(self, child: Child) -> None:
        child.deadline = time.monotonic() + GRACE
        child.signal(signal.SIGINT)

    def reap(self, child: Child) -> None:
        if child.deadline is not None:
            child.signal(signal.SIGKILL)
        _pid, status = os.waitpid(child.pid, 0)
        with contextlib.suppress(OSError):
            child.connection.send(wire.EXITED + wire.RETURN_CODE.pack(shell_status(status)))
        self.children.remove(child)
        child.close()

    def stop(self) -> None:
        self.listener.close()
        for child in self.children:
            self.interrupt(child)
        until = time.monotonic() + GRACE
        while self.children and time.monotonic() < until:
            ready, _write, _error = select.select([child.ended for child in self.children], [], [], GRACE)
            for child in [child for child in self.children if child.ended in ready]:
                self.reap(child)
        for child in self.children:
            child.signal(signal.SIGKILL)


def peer(connection: socket.socket) -> int:
    """The user at the other end."""
    _pid, uid, _gid = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return uid


def shell_status(status: int) -> int:
    """A wait status as the shell reports it, through which the ordinary connection runs a module."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def serve(settings: dict[str, Any]) -> None:
    """Settings: listener and owner (descriptors), folder (of the socket), ansible (of the controller), services."""
    preload.load(settings["ansible"], settings["services"])
    # What is in memory now is shared with the children; a collection in one of them would copy it.
    gc.freeze()
    gc.enable()
    Server(socket.socket(fileno=settings["listener"]), settings["owner"]).run()
    # An Ansible that ended by itself has removed it already.
    shutil.rmtree(settings["folder"], ignore_errors=True)
