# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The warm connection's parts: messages, who may connect, what runs ordinarily, where collections are found."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from ansible.executor import module_common
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import (
    boot,
    builder,
    client,
    controller,
    module_process,
    preload,
    server,
    wire,
)


def request_of(**changes: Any) -> wire.Request:
    given = {
        "fqn": "ansible.modules.stat",
        "profile": "legacy",
        "params": "{}",
        "environment": {},
        "cwd": "/",
        "umask": 18,
    }
    return wire.Request(**{**given, **changes})


def test_a_request_arrives_whole() -> None:
    request = request_of(params="ü" * 3_000_000, environment={"NAME": "not \udcff UTF-8"})
    near, far = socket.socketpair()
    reading, writing = os.pipe()
    with near, far:
        sender = threading.Thread(target=wire.send_request, args=(near, request, [writing, writing]))
        sender.start()
        received, streams = wire.receive_request(far)
        sender.join()
    assert received == request
    os.write(streams[1], b"through")
    assert os.read(reading, 10) == b"through"
    for descriptor in (reading, writing, *streams):
        os.close(descriptor)


def test_a_request_that_breaks_off_is_not_run() -> None:
    near, far = socket.socketpair()
    with far:
        near.sendall(wire.LENGTH.pack(100) + b"{")
        near.close()
        with pytest.raises(EOFError):
            wire.receive_request(far)


def test_nobody_else_is_served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = os.geteuid()
    monkeypatch.setattr(server.os, "geteuid", lambda: own + 1)
    owner, _writing = os.pipe()
    with client.listening(str(tmp_path)) as listener, socket.socket(socket.AF_UNIX) as caller:
        serving = server.Server(listener, owner)
        caller.connect(str(tmp_path / client.SOCKET))
        serving.accept()
        assert caller.recv(1) == b""
        assert serving.children == []
    serving.poll.close()


def test_the_socket_is_in_a_folder_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "launch", lambda _folder, _settings: None)
    client.Warm(str(tmp_path / "warm")).start({})
    assert (tmp_path / "warm").stat().st_mode & 0o777 == 0o700


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with client.listening(str(folder)), client.Warm(str(folder)).connect() as connection:
        assert connection.fileno() > 0


def test_an_interpreter_that_is_gone_is_not_asked_again(tmp_path: Path) -> None:
    warm = client.Warm(str(tmp_path))
    with client.listening(str(tmp_path)):
        pass
    with pytest.raises(client.UnavailableError, match="Connection refused"):
        warm.run(request_of())
    (tmp_path / client.SOCKET).unlink()
    with pytest.raises(client.UnavailableError, match="Connection refused"):
        warm.run(request_of())


def test_an_interpreter_that_ends_before_the_module_began(tmp_path: Path) -> None:
    (tmp_path / client.LOG).write_text("Traceback\nMemoryError: too big\n\n", encoding="utf-8")

    def hang_up(listener: socket.socket) -> None:
        listener.accept()[0].close()

    with client.listening(str(tmp_path)) as listener:
        end = threading.Thread(target=hang_up, args=(listener,))
        end.start()
        with pytest.raises(client.UnavailableError, match=r"^MemoryError: too big$"):
            client.Warm(str(tmp_path)).run(request_of())
        end.join()


@pytest.mark.parametrize(
    ("action", "expected"),
    [(lambda: os._exit(7), 7), (lambda: os.kill(os.getpid(), signal.SIGKILL), 128 + signal.SIGKILL)],
    ids=["exit", "signal"],
)
def test_a_status_is_that_of_the_shell(action: Any, expected: int) -> None:
    if (pid := os.fork()) == 0:
        action()
    assert server.shell_status(os.waitpid(pid, 0)[1]) == expected


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (3, 3), (257, 1), ("message", 1), (True, 1)])
def test_an_exit_code_is_that_of_the_interpreter(code: object, expected: int) -> None:
    assert module_process.exit_status(code) == expected


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_PRELOAD", "LC_ALL", "LANG", "LANGUAGE", "HOME", "OPENSSL_CONF"])
def test_what_an_interpreter_reads_at_its_start_needs_a_new_one(name: str) -> None:
    assert builder.AT_START.match(name)


@pytest.mark.parametrize(
    "name", ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "PATH", "TZ", "HOMEPAGE", "HTTPS_PROXY", "MY_LANG"]
)
def test_any_other_variable_is_handed_on(name: str) -> None:
    assert not builder.AT_START.match(name)


STAT = str(Path(module_common.__file__).parents[1] / "modules" / "stat.py")
NEW = b"from ansible.module_utils.basic import AnsibleModule\n"


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        (NEW, STAT, True),
        (NEW, "/c/ansible_collections/a/b/plugins/modules/c.py", True),
        (NEW, "/playbook/library/c.py", False),
        (NEW, "/c/ansible_collections/a/b/plugins/modules/c.ps1", False),
        (NEW + b"METADATA = ''", STAT, False),
        (b"#!/bin/sh\n# WANT_JSON\n", "/c/ansible_collections/a/b/plugins/modules/c.py", False),
        (b"\x7fELF\x00\x00", STAT, False),
        (b"#<<INCLUDE_ANSIBLE_MODULE_COMMON>>", STAT, False),
    ],
)
def test_only_plain_python_modules_are_ours(source: bytes, path: str, expected: bool) -> None:
    assert builder.is_plain_python(source, path) is expected


def test_another_interpreter_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    assert builder.is_own_interpreter(f"#!{sys.executable}")
    assert not builder.is_own_interpreter(f"#!{sys.executable} -tt")
    assert not builder.is_own_interpreter(f"#!{tmp_path}/python")
    assert not builder.is_own_interpreter("#!/usr/bin/no-such-python")


def test_this_ansible_is_known() -> None:
    assert builder.unknown_internals() == ""


def test_another_ansible_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    before = builder.ActionBase._configure_module
    monkeypatch.delattr(module_common, "_get_shebang")
    assert builder.unknown_internals() == "_get_shebang"
    with pytest.raises(client.UnavailableError, match="does not know this version"):
        builder.install()
    assert builder.ActionBase._configure_module is before


def collection(root: Path, name: str, **files: str) -> Path:
    folder = root / "ansible_collections" / name
    for path, text in files.items():
        file = folder / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def test_the_first_folder_that_holds_a_collection_provides_all_of_it(tmp_path: Path) -> None:
    first = collection(tmp_path / "one", "a/b", galaxy="")
    collection(tmp_path / "two", "a/b", galaxy="", more="")
    other = collection(tmp_path / "two", "a/c", galaxy="")
    finder = boot.CollectionFinder([str(tmp_path / "one"), str(tmp_path / "two")])
    found = {name: finder.find_spec(f"ansible_collections.a.{name}") for name in ("b", "c", "d")}
    places = {name: spec and list(spec.submodule_search_locations or []) for name, spec in found.items()}
    assert places == {"b": [str(first)], "c": [str(other)], "d": None}
    assert finder.find_spec("ansible_collections.a.b.plugins") is None
    assert finder.find_spec("json") is None


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("plugins.module_utils.short", "ansible_collections.x.y.plugins.module_utils.sub.new"),
        ("plugins.module_utils.full", "ansible_collections.x.y.plugins.module_utils.new"),
        ("plugins.module_utils.still_here", ""),
        ("plugins.modules.short", ""),
    ],
)
def test_moved_utilities_are_followed(monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    routes = {
        "short": {"redirect": "x.y.sub.new"},
        "full": {"redirect": "ansible_collections.x.y.plugins.module_utils.new"},
        "still_here": {"deprecation": {"warning_text": "soon"}},
    }
    monkeypatch.setattr(boot, "routes", lambda _collection: routes)
    assert boot.moved_to(f"ansible_collections.a.b.{name}") == target


def test_patience_lasts_until_the_next_deadline() -> None:
    owner, _writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        serving = server.Server(listener, owner)
        assert serving.patience() is None
        serving.children.append(server.Child(0, owner, listener, deadline=0.0))
        assert serving.patience() == pytest.approx(0.01)
    serving.poll.close()


EARLY = """
import sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import controller
controller.load_plugins()
print(*(f"{kind.type}:{name}" for kind, name in controller.plugins() if kind.get(name, class_only=True) is None))
print(*(name for name in sys.modules if ".plugins.filter." in name))
"""


def test_all_plugins_that_are_loaded_early_exist() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=True)
    missing, filters = (line.split() for line in done.stdout.split("\n")[:2])
    assert missing == []
    folder = Path(controller.__file__).parents[2] / "filter"
    assert {name.rpartition(".")[2] for name in filters} >= {file.stem for file in folder.glob("*.py")}


LATE = """
import os
import boto3
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import preload
preload.keep_session()
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
first, second = boto3.Session(), boto3.Session(region_name="eu-west-1")
assert first._session is not second._session
print(first.region_name, second.region_name)
"""


def test_a_session_made_early_is_given_once_and_reads_its_settings_late() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["eu-central-1", "eu-west-1"]


def test_slim_descriptions_say_the_same() -> None:
    loader = botocore.session.get_session().get_component("data_loader")
    for service in ("s3", "ecs"):
        whole = loader.load_service_model(service, "service-2")
        slim = preload.Slimmer().slim(copy.deepcopy(whole))
        assert slim == without_prose(whole)
        assert slim["metadata"] == whole["metadata"]


def test_botocore_remembers_the_names_of_methods() -> None:
    preload.name_methods(["ListNothingAtAll"])
    assert botocore._xform_cache["ListNothingAtAll", "_"] == "list_nothing_at_all"


def without_prose(item: Any) -> Any:
    if isinstance(item, dict):
        return {
            key: "" if key == "documentation" and isinstance(value, str) else without_prose(value)
            for key, value in item.items()
        }
    return [without_prose(part) for part in item] if isinstance(item, list) else item


def test_equal_parts_of_descriptions_are_kept_once_but_true_is_not_one() -> None:
    slim = preload.Slimmer().slim([{"shape": "Text"}, {"shape": "Text"}, {"max": 1}, {"max": True}])
    assert slim[0] is slim[1]
    assert [type(part["max"]) for part in slim[2:]] == [int, bool]
