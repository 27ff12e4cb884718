# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A child of the warm interpreter: puts itself into the surroundings of a request, runs the module and ends."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from typing import NoReturn

from ansible.module_utils._internal._ansiballz import _loader
from ansible.module_utils.common import respawn
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import wire

# PR_SET_PDEATHSIG of prctl(2): the signal a process gets when its parent ends.
PARENT_DEATH_SIGNAL = 1
INTERRUPTED = 128 + signal.SIGINT
LIBC = ctypes.CDLL(None)


def run(connection: socket.socket) -> NoReturn:
    LIBC.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    request, streams = wire.receive_request(connection)
    enter(request, streams)
    respawn.respawn_module = lambda _interpreter: hand_back(connection)
    connection.send(wire.STARTED)
    code = status_of(request)
    finish()
    os._exit(code)


def enter(request: wire.Request, streams: list[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in enumerate((nothing, *streams)):
        os.dup2(source, target)
    for descriptor in (nothing, *streams):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    # Remembered from the warm interpreter's TMPDIR.
    tempfile.tempdir = None
    os.umask(request.umask)
    os.chdir(request.cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def hand_back(connection: socket.socket) -> NoReturn:
    """A module that needs another interpreter runs the ordinary way, from an archive that the other one can read."""
    connection.send(wire.HANDED_BACK)
    os._exit(0)


def status_of(request: wire.Request) -> int:
    """Runs the module; its exit status as the interpreter would report it."""
    try:
        _loader.run_module(
            json_params=request.params.encode(),
            profile=request.profile,
            module_fqn=request.fqn,
            modlib_path="",
            extensions={},
        )
    except SystemExit as end:
        return exit_status(end.code)
    except KeyboardInterrupt:
        traceback.print_exc()
        return INTERRUPTED
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def finish() -> None:
    """What an interpreter does at its end: wait for threads, call exit handlers, write what is buffered."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
