# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Compares the context with what Docker makes of the same folder."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import context as subject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

docker = pytest.importorskip("docker")

DOCKERFILE = "FROM scratch\nCOPY . /\n"


def engine_answers() -> bool:
    try:
        return bool(docker.from_env().ping())
    except (docker.errors.DockerException, OSError):
        return False


needs_engine = pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers")
needs_command = pytest.mark.skipif(not shutil.which("docker"), reason="the docker command is not installed")

NAMES = st.sampled_from(["a", "b", "c", "a.txt", "b.txt", ".x"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PLAIN = st.one_of(PATHS, PATHS.map(lambda path: f"/{path}/"))
PARTS = st.one_of(NAMES, st.sampled_from(["*", "**", "*.txt", "?", "[a-b]"]))
GLOBS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
# Docker without BuildKit does not look into a folder for exceptions with wildcards; BuildKit and we do.
LINES = st.one_of(GLOBS, PLAIN, PLAIN.map(lambda path: f"!{path}"), st.just("# a"), st.just(""))
TREES = st.dictionaries(PATHS, st.sampled_from(["file", "program", "link", "folder"]), max_size=8)


def plant(folder: Path, tree: dict[str, str], ignore: list[str]) -> None:
    for name, kind in {**tree, "Dockerfile": "recipe"}.items():
        path = folder / name
        if any(parent.is_file() or parent.is_symlink() for parent in [path, *path.parents]) or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, kind)
    (folder / ".dockerignore").write_text("\n".join(ignore), encoding="utf-8")


def put(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("nowhere/../a")
    else:
        path.write_text(DOCKERFILE if kind == "recipe" else str(path.name), encoding="utf-8")
        path.chmod(0o755 if kind == "program" else 0o644)


def seen(content: io.BytesIO) -> dict[str, tuple[Any, ...]]:
    """Returns files and links; folders only matter where they are empty, and implied ones are not always listed."""
    with tarfile.open(fileobj=content) as archive:
        return {member.name.strip("/"): identity(archive, member) for member in archive if not member.isdir()}


def identity(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[Any, ...]:
    content = archive.extractfile(member) if member.isreg() else None
    return bool(member.mode & 0o100) or member.issym(), member.linkname, content.read() if content else b""


def ours(folder: Path) -> io.BytesIO:
    target = io.BytesIO()
    subject.write_tar(folder, subject.read_ignore(folder, ".dockerignore"), ("Dockerfile", ".dockerignore"), target)
    target.seek(0)
    return target


class Engine(BaseHTTPRequestHandler):
    """Answers like an engine without BuildKit, and keeps the context it gets."""

    protocol_version = "HTTP/1.1"
    received: bytes = b""

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b'{"ApiVersion":"1.41","MinAPIVersion":"1.12","OSType":"linux"}')

    def do_POST(self) -> None:
        type(self).received = b"".join(self._chunks())
        self._answer(b'{"aux":{"ID":"sha256:0"}}\n')

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in {"API-Version": "1.41", "OSType": "linux", "Builder-Version": "1"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def listening_engine() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"tcp://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sent_by_docker(folder: Path, host: str) -> io.BytesIO:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}
    command = ["docker", "build", "--quiet", str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    return io.BytesIO(Engine.received)


@needs_command
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, ignore=st.lists(LINES, max_size=5))
def test_the_engine_gets_what_the_docker_command_sends(
    tree: dict[str, str], ignore: list[str], listening_engine: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), tree, ignore)
        assert seen(ours(Path(folder))) == seen(sent_by_docker(Path(folder), listening_engine))


@pytest.mark.docker
@needs_engine
@settings(max_examples=10, deadline=None)
@given(tree=TREES, ignore=st.lists(LINES, max_size=5))
def test_copy_sees_exactly_what_is_hashed(tree: dict[str, str], ignore: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(folder, tree, ignore)
        ignored = subject.read_ignore(folder, ".dockerignore")
        hashed = {entry.path for entry in subject.entries(folder, ignored)}
        hashed |= {str(parent) for path in hashed for parent in Path(path).parents} - {"."}
        # An image cannot be made of nothing.
        if hashed:
            assert hashed == copied(folder)


def copied(folder: Path) -> set[str]:
    """Builds the context into an image and lists what is in it."""
    client, tag = docker.from_env(), f"gatehouse-test-{uuid.uuid4().hex}"
    client.images.build(fileobj=ours(folder), custom_context=True, tag=tag, rm=True)
    container = client.containers.create(tag, command=["none"])
    try:
        exported = io.BytesIO(b"".join(container.export()))
        with tarfile.open(fileobj=exported) as content:
            return {name for name in content.getnames() if not is_from_engine(name)}
    finally:
        container.remove()
        client.images.remove(tag)


def is_from_engine(name: str) -> bool:
    return name == ".dockerenv" or name.split("/")[0] in {"dev", "etc", "proc", "sys"}


def test_a_socket_is_not_part_of_the_context(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "control"))
        (tmp_path / "main.rs").touch()
        assert [entry.path for entry in subject.entries(tmp_path, subject.read_ignore(tmp_path, "none"))] == ["main.rs"]


def test_a_folder_with_an_exception_inside_is_entered_although_it_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, {"a/b/keep": "file", "a/b/drop": "file"}, ["a", "!a/b/keep", "Dockerfile", ".dockerignore"])
    found = [entry.path for entry in subject.entries(tmp_path, subject.read_ignore(tmp_path, ".dockerignore"))]
    assert found == ["a/b/keep"]


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (entry,) = subject.entries(tmp_path, subject.read_ignore(tmp_path, "none"))
    assert entry.is_link
