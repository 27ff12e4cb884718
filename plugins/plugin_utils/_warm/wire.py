# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the connection and the warm interpreter say to each other over the socket.

The connection sends one request, together with the pipes that become the module's stdout and stderr:

    length of the rest (8 bytes) | JSON: fqn, profile, params, environment, cwd, umask

and reads bytes in answer: STARTED just before the module begins, and then either HANDED_BACK, when the module wants
another interpreter and has done nothing yet, or EXITED and the return code (4 bytes).
"""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import asdict, dataclass

STARTED = b"+"
HANDED_BACK = b"<"
EXITED = b"="
LENGTH = struct.Struct(">Q")
RETURN_CODE = struct.Struct(">i")
STREAMS = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """One module to run: its full name, its arguments as JSON text, and the surroundings it is to find."""

    fqn: str
    profile: str
    params: str
    environment: dict[str, str]
    cwd: str
    umask: int


def send_request(connection: socket.socket, request: Request, streams: list[int]) -> None:
    body = json.dumps(asdict(request)).encode()
    socket.send_fds(connection, [LENGTH.pack(len(body))], streams)
    connection.sendall(body)


def receive_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """Raises EOFError when the connection ends before the request does."""
    head, streams, _flags, _address = socket.recv_fds(connection, LENGTH.size, STREAMS)
    head += receive(connection, LENGTH.size - len(head))
    body = receive(connection, LENGTH.unpack(head)[0])
    return Request(**json.loads(body)), streams


def receive(connection: socket.socket, length: int) -> bytes:
    """Exactly this many bytes, or EOFError."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError("the connection ended early")
        view = view[count:]
    return bytes(buffer)


def beside(folder: int, name: str) -> str:
    """A socket's path below an open folder: the addresses themselves hold no more than 107 bytes."""
    return os.path.join("/proc/self/fd", str(folder), name)
