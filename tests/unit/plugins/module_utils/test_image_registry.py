# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pushes to a registry that checks what a real one checks."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import random
import re
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import api, connection, engine, oci, upload
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import registry as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

docker = pytest.importorskip("docker")

TOKEN = base64.b64encode(b"AWS:secret-password").decode()
Fault = Callable[[str, str], "tuple[int, dict[str, Any] | None] | None"]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Store(ThreadingHTTPServer):
    """What a registry keeps, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.authorizations: list[str | None] = []
        self.fault: Fault = lambda _method, _path: None
        self.upload_host = ""
        self.neighbours: dict[str, dict[str, bytes]] = {}
        self.drops: list[int] = []
        self.received = 0
        self.knows_chunks = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def registry(self) -> connection.Registry:
        return connection.Registry(self.url, "team/hello", f"Basic {TOKEN}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def handle_request(self) -> None:
        path = urlsplit(self.path).path
        if self.command == "PATCH" and self.server.drops and self.server.drops.pop(0):
            return self._drop(path)
        body = self._body()
        self.server.received += len(body)
        self.server.calls.append(f"{self.command} {re.sub('sha256:[0-9a-f]+|[0-9a-f-]{36}', '*', path)}")
        self.server.authorizations.append(self.headers["Authorization"])
        if fault := self.server.fault(self.command, path):
            return self._answer(fault[0], body=json.dumps({"errors": [fault[1]]}).encode() if fault[1] else b"")
        if self.headers["Authorization"] != f"Basic {TOKEN}":
            return self._answer(401, {"WWW-Authenticate": "Basic"})
        if path == "/v2/":
            return self._answer(200)
        found = re.fullmatch("/v2/team/hello/(blobs/uploads|blobs|manifests)/(.*)", path)
        if not found:
            return self._answer(404)
        return getattr(self, f"_{found[1].replace('/', '_')}")(found[2], body)

    do_HEAD = do_GET = do_POST = do_PATCH = do_PUT = handle_request  # noqa: N815

    def _drop(self, path: str) -> None:
        """Takes half of what is sent and hangs up."""
        half = self.rfile.read(int(self.headers["Content-Length"]) // 2)
        self.server.received += len(half)
        self.server.uploads[path.rpartition("/")[2]] += half
        self.server.calls.append("dropped")
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _blobs(self, digest: str, _body: bytes) -> None:
        blob = self.server.blobs.get(digest)
        self._answer(404 if blob is None else 200, body=blob or b"")

    def _mount(self) -> bool:
        query = parse_qs(urlsplit(self.path).query)
        (digest,), (neighbour,) = query.get("mount", [""]), query.get("from", [""])
        content = self.server.neighbours.get(neighbour, {}).get(digest)
        if content is not None:
            self.server.blobs[digest] = content
            self._answer(201, {"Docker-Content-Digest": digest})
        return content is not None

    def _blobs_uploads(self, name: str, body: bytes) -> None:
        uploads = self.server.uploads
        if self.command == "POST" and self._mount():
            return None
        if self.command == "PATCH" and not self.server.knows_chunks:
            return self._answer(405)
        if self.command == "PATCH" and not self._follows(uploads.get(name, b"")):
            return self._answer(416)
        name = name or str(uuid.uuid4())
        uploads[name] = uploads.get(name, b"") + body
        headers = {"Location": f"{self.server.upload_host}/v2/team/hello/blobs/uploads/{name}?state=1"}
        headers["Range"] = f"0-{max(0, len(uploads[name]) - 1)}"
        if self.command != "PUT":
            return self._answer(204 if self.command == "GET" else 202, headers)
        (digest,) = parse_qs(urlsplit(self.path).query)["digest"]
        data = uploads.pop(name)
        if digest_of(data) != digest:
            return self._answer(400, body=b'{"errors":[{"code":"DIGEST_INVALID","message":"other content"}]}')
        self.server.blobs[digest] = data
        return self._answer(201, {"Docker-Content-Digest": digest})

    def _follows(self, held: bytes) -> bool:
        span = self.headers["Content-Range"]
        return span is None or int(span.partition("-")[0]) == len(held)

    def _manifests(self, tag: str, body: bytes) -> None:
        if self.command != "PUT":
            found = [held for held in self.server.manifests.values() if digest_of(held) == tag]
            return self._answer(200 if found else 404, body=found[0] if found else b"")
        manifest = json.loads(body)
        wanted = [part["digest"] for part in [*manifest.get("layers", []), manifest.get("config")] if part]
        wanted += [child["digest"] for child in manifest.get("manifests", [])]
        held = {*self.server.blobs, *map(digest_of, self.server.manifests.values())}
        if missing := [digest for digest in wanted if digest not in held]:
            error = {"code": "MANIFEST_BLOB_UNKNOWN", "message": str(missing)}
            return self._answer(400, body=json.dumps({"errors": [error]}).encode())
        if self.server.manifests.setdefault(tag, body) != body:
            return self._answer(400, body=b'{"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]}')
        return self._answer(201, {"Docker-Content-Digest": digest_of(body)})

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    yield from serve()


def serve() -> Iterator[Store]:
    with Store() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


@pytest.fixture
def image(tmp_path: Path) -> oci.Image:
    (tmp_path / "program").write_bytes(b"\x7fELF" * 100_000)
    (tmp_path / "out").mkdir()
    return oci.assemble(oci.Contents(tmp_path / "program", "linux/amd64", 65532, 3000), tmp_path / "out")


def test_everything_arrives_and_the_manifest_comes_last(store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    assert store.manifests == {"src-1": image.manifest}
    assert store.blobs == {blob.digest: blob.path.read_bytes() for blob in image.blobs}
    one_blob = [
        "HEAD /v2/team/hello/blobs/*",
        "POST /v2/team/hello/blobs/uploads/",
        "PUT /v2/team/hello/blobs/uploads/*",
    ]
    assert store.calls == [*one_blob * 3, "PUT /v2/team/hello/manifests/src-1"]
    assert set(store.authorizations) == {f"Basic {TOKEN}"}


def test_what_is_there_is_not_sent_again(store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    store.calls.clear()
    subject.push(store.registry, image, "src-2")
    assert store.calls == ["HEAD /v2/team/hello/blobs/*"] * 3 + ["PUT /v2/team/hello/manifests/src-2"]


def test_an_interrupted_push_leaves_no_image_and_the_next_one_completes_it(store: Store, image: oci.Image) -> None:
    store.fault = lambda _method, _path: (400, {"code": "X", "message": "gone"}) if len(store.calls) > 5 else None
    with pytest.raises(ImageError, match="400 X: gone"):
        subject.push(store.registry, image, "src-1")
    assert store.manifests == {}
    store.fault = lambda _method, _path: None
    subject.push(store.registry, image, "src-1")
    assert store.manifests == {"src-1": image.manifest}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(store: Store, image: oci.Image, status: int) -> None:
    store.fault = lambda _method, _path: (status, None) if store.calls.count(store.calls[-1]) == 1 else None
    subject.push(store.registry, image, "src-1")
    assert set(store.manifests) == {"src-1"}


def test_a_registry_that_stays_away_ends_in_one_error(store: Store, image: oci.Image) -> None:
    store.fault = lambda _method, _path: (503, None)
    with pytest.raises(ImageError, match="503 Service Unavailable"):
        subject.push(store.registry, image, "src-1")
    assert len(store.calls) == connection.RETRIES + 1


def test_a_refusal_is_not_tried_again_and_says_what_is_missing(store: Store, image: oci.Image) -> None:
    store.fault = lambda _method, _path: (403, None)
    with pytest.raises(ImageError, match=r"403 Forbidden \(the credentials need the ECR actions of a push") as caught:
        subject.push(store.registry, image, "src-1")
    assert len(store.calls) == 1
    assert TOKEN not in str(caught.value)


def test_the_password_is_in_no_representation(store: Store) -> None:
    assert TOKEN not in repr(store.registry)


def test_a_tag_is_not_overwritten(store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    other = oci.Image(image.blobs, image.manifest + b"\n")
    with pytest.raises(ImageError, match=r"put the manifest of src-1 .*TAG_INVALID: tag is immutable"):
        subject.push(store.registry, other, "src-1")


def test_a_blob_that_changed_on_the_way_is_refused(store: Store, image: oci.Image) -> None:
    damaged = image.blobs[0]
    damaged.path.write_bytes(b"x" * damaged.size)
    with pytest.raises(ImageError, match="DIGEST_INVALID: other content"):
        subject.push(store.registry, image, "src-1")


def test_a_registry_that_stores_something_else_is_caught(store: Store, image: oci.Image) -> None:
    answer = connection.Answer(201, {"Docker-Content-Digest": "sha256:0"}, b"")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="stored sha256:0 instead of"):
        connection.require_digest(answer, image.digest, store.registry)


def test_the_password_does_not_follow_an_upload_to_another_host(store: Store, image: oci.Image) -> None:
    store.upload_host = store.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ImageError, match="401"):
        subject.push(store.registry, image, "src-1")
    assert store.authorizations[-1] is None


def test_an_address_that_nobody_answers(image: oci.Image) -> None:
    nobody = connection.Registry("http://127.0.0.1:9", "hello", "")
    with pytest.raises(ImageError, match=r"Registry http://127.0.0.1:9 does not answer"):
        subject.push(nobody, image, "src-1")


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> oci.Blob:
    """A blob of ten chunks."""
    monkeypatch.setattr(upload, "CHUNK_BYTES", 10_000)
    path = tmp_path / "blob"
    path.write_bytes(random.Random(1).randbytes(100_000))
    return oci.Blob(path, oci.LAYER_TYPE, digest_of(path.read_bytes()), 100_000)


def test_a_large_blob_goes_in_chunks(store: Store, chunked: oci.Blob) -> None:
    upload.push_blob(store.registry, chunked)
    assert store.blobs[chunked.digest] == chunked.path.read_bytes()
    assert store.calls == [
        "POST /v2/team/hello/blobs/uploads/",
        *["PATCH /v2/team/hello/blobs/uploads/*"] * 10,
        "PUT /v2/team/hello/blobs/uploads/*",
    ]


@pytest.mark.parametrize("drops", [[1], [0, 0, 0, 1], [0, 1, 1, 0, 1], [1, 1, 1, 1, 0, 1, 1]])
def test_a_dropped_connection_goes_on_where_it_was(store: Store, chunked: oci.Blob, drops: list[int]) -> None:
    store.drops = list(drops)
    upload.push_blob(store.registry, chunked)
    assert store.blobs[chunked.digest] == chunked.path.read_bytes()
    assert store.calls.count("dropped") == sum(drops)
    assert store.calls.count("POST /v2/team/hello/blobs/uploads/") == 1
    assert store.received == chunked.size


def test_an_upload_that_the_registry_forgot_starts_again(store: Store, chunked: oci.Blob) -> None:
    def forget(method: str, _path: str) -> Any:
        return (404, {"code": "BLOB_UPLOAD_UNKNOWN", "message": "gone"}) if method == "GET" else None

    store.drops, store.fault = [0, 0, 1], forget
    upload.push_blob(store.registry, chunked)
    assert store.blobs[chunked.digest] == chunked.path.read_bytes()
    assert store.calls.count("POST /v2/team/hello/blobs/uploads/") == 2


def test_a_registry_without_chunks_gets_the_blob_in_one_piece(store: Store, chunked: oci.Blob) -> None:
    store.knows_chunks = False
    upload.push_blob(store.registry, chunked)
    assert store.blobs[chunked.digest] == chunked.path.read_bytes()
    assert store.calls[-1] == "PUT /v2/team/hello/blobs/uploads/*"


def test_a_neighbour_hands_its_blobs_over(store: Store, image: oci.Image) -> None:
    base, *others = image.blobs
    store.neighbours = {"team/other": {base.digest: base.path.read_bytes()}}
    registry = dataclasses.replace(store.registry, mount_from=("team/none", "team/other"))
    subject.push(registry, image, "src-1")
    assert store.manifests == {"src-1": image.manifest}
    assert store.received == sum(blob.size for blob in others) + len(image.manifest)


@pytest.fixture
def other_store() -> Iterator[Store]:
    yield from serve()


def test_a_copy_is_the_same_image(store: Store, other_store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    assert subject.copy(store.registry, other_store.registry, image.digest, "src-1") == image.digest
    assert other_store.manifests == store.manifests
    assert other_store.blobs == store.blobs


def test_a_copy_takes_a_list_of_images_along(store: Store, other_store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, image.digest)
    child = {"mediaType": oci.MANIFEST_TYPE, "digest": image.digest, "size": len(image.manifest)}
    index = json.dumps({"schemaVersion": 2, "mediaType": subject.LIST_TYPES[0], "manifests": [child]}).encode()
    subject.push_manifest(store.registry, index, subject.LIST_TYPES[0], "src-1")
    assert subject.copy(store.registry, other_store.registry, digest_of(index), "src-1") == digest_of(index)
    assert other_store.manifests == {image.digest: image.manifest, "src-1": index}


def test_a_copy_that_breaks_off_leaves_no_tag(store: Store, other_store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    other_store.fault = lambda method, path: (403, None) if method == "PUT" and "uploads" in path else None
    with pytest.raises(ImageError, match="403"):
        subject.copy(store.registry, other_store.registry, image.digest, "src-1")
    assert other_store.manifests == {}


def test_a_damaged_source_is_not_copied(store: Store, other_store: Store, image: oci.Image) -> None:
    subject.push(store.registry, image, "src-1")
    store.blobs = dict.fromkeys(store.blobs, b"damaged")
    with pytest.raises(ImageError, match="the copy there is damaged"):
        subject.copy(store.registry, other_store.registry, image.digest, "src-1")
    assert other_store.blobs == other_store.manifests == {}


def test_labels_are_read_back(store: Store, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    contents = oci.Contents(tmp_path / "program", "linux/amd64", 1, 2, {"gatehouse.source": "abc"})
    labelled = oci.assemble(contents, tmp_path / "out")
    subject.push(store.registry, labelled, "src-1")
    assert subject.read_labels(store.registry, labelled.digest) == {"gatehouse.source": "abc"}
    api.require_source(store.registry, "src-1", labelled.digest, "abc")
    with pytest.raises(ImageError, match="image src-1, but it was built from source abc, not from other"):
        api.require_source(store.registry, "src-1", labelled.digest, "other")


def engine_answers() -> bool:
    try:
        return bool(docker.from_env().ping())
    except (docker.errors.DockerException, OSError):
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "app"
    found.mkdir()
    (found / "Dockerfile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
    (found / ".dockerignore").write_text("secret\nDockerfile\n.dockerignore\n", encoding="utf-8")
    (found / "app").write_text(str(uuid.uuid4()), encoding="utf-8")
    (found / "secret").touch()
    return found


def dockerfile(folder: Path) -> engine.Dockerfile:
    return engine.Dockerfile(folder, "Dockerfile", ".dockerignore", "linux/amd64", {"a": "b"})


@pytest.mark.docker
@pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers")
class TestThroughDocker:
    def test_the_engine_builds_and_pushes(self, store: Store, folder: Path, tmp_path: Path) -> None:
        log = tmp_path / "log"
        assert engine.missing_engine(dockerfile(folder)) == ""
        digest = engine.build_and_push(dockerfile(folder), store.registry, "src-1", log)
        docker.from_env().images.remove(f"{store.registry.host}/team/hello:src-1")
        manifest = json.loads(store.manifests["src-1"])
        config = json.loads(store.blobs[manifest["config"]["digest"]])
        assert digest == digest_of(store.manifests["src-1"])
        assert config["config"]["Labels"] == {"a": "b"}
        assert len(manifest["layers"]) == 1
        assert "COPY" in log.read_text(encoding="utf-8")
        assert "secret-password" not in log.read_text(encoding="utf-8")

    def test_a_failed_build_shows_the_end_of_its_log(self, store: Store, folder: Path, tmp_path: Path) -> None:
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n", encoding="utf-8")
        with pytest.raises(ImageError, match=r"(?s)The Docker build failed; nothing was pushed.*COPY nothing"):
            engine.build_and_push(dockerfile(folder), store.registry, "src-1", tmp_path / "log")
        assert store.calls == []

    def test_a_failed_push_is_an_error(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.fault = lambda method, _path: (403, {"code": "DENIED", "message": "no"}) if method == "POST" else None
        with pytest.raises(ImageError, match="The push through Docker failed"):
            engine.build_and_push(dockerfile(folder), store.registry, "src-1", tmp_path / "log")
        docker.from_env().images.remove(f"{store.registry.host}/team/hello:src-1")

    def test_a_base_image_that_cannot_be_had_is_an_obstacle(self, folder: Path) -> None:
        (folder / "Dockerfile").write_text("FROM gatehouse.invalid/none:1\n", encoding="utf-8")
        assert "base image gatehouse.invalid/none:1" in engine.missing_engine(dockerfile(folder))

    def test_a_changed_source_keeps_the_layer_of_the_dependencies(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        """The structure of the app's Dockerfile, with a small tool in place of its compiler."""
        (tmp_path / "tool.c").write_text('#include <stdio.h>\nint main(void) { return puts("compiled") < 0; }\n')
        subprocess.run(["gcc", "-static", "-o", folder / "tool", tmp_path / "tool.c"], check=True)
        (folder / ".dockerignore").write_text("secret\n", encoding="utf-8")
        recipe = ["FROM scratch AS build", "COPY tool /tool", "COPY lock /lock", 'RUN ["/tool", "dependencies"]']
        recipe += ["COPY app /app", 'RUN ["/tool", "app"]', "FROM scratch", "COPY --from=build /app /app"]
        (folder / "Dockerfile").write_text("\n".join(recipe), encoding="utf-8")
        (folder / "lock").write_text(str(uuid.uuid4()), encoding="utf-8")
        logs = []
        for turn in ("first", "second"):
            (folder / "app").write_text(turn, encoding="utf-8")
            os.utime(folder / "lock")
            engine.build_and_push(dockerfile(folder), store.registry, f"src-{turn}", log := tmp_path / turn)
            docker.from_env().images.remove(f"{store.registry.host}/team/hello:src-{turn}")
            logs.append(re.split("Step .*RUN", log.read_text(encoding="utf-8"))[1:])
        (dependencies, app), (dependencies_again, app_again) = logs
        assert ["compiled" in step for step in (dependencies, app, app_again)] == [True] * 3
        assert "Using cache" in dependencies_again
        assert "compiled" not in dependencies_again

    def test_an_image_over_the_limit_is_not_pushed(self, store: Store, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"MB before compression, more than size_limit allows"):
            engine.build_and_push(dockerfile(folder), store.registry, "src-1", tmp_path / "log", 1)
        docker.from_env().images.remove(f"{store.registry.host}/team/hello:src-1")
        assert store.calls == []

    def test_build_arguments_reach_the_dockerfile(self, store: Store, folder: Path, tmp_path: Path) -> None:
        (folder / "Dockerfile").write_text('FROM scratch\nARG colour\nLABEL x="$colour"\nCOPY app /\n')
        recipe = dataclasses.replace(dockerfile(folder), arguments={"colour": "blue"})
        engine.build_and_push(recipe, store.registry, "src-1", tmp_path / "log")
        docker.from_env().images.remove(f"{store.registry.host}/team/hello:src-1")
        assert subject.read_labels(store.registry, digest_of(store.manifests["src-1"])) == {"a": "b", "x": "blue"}
