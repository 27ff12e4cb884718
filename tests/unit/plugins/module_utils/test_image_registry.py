# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pushes to a registry that checks what a real one checks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import engine, oci
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def registry(self) -> subject.Registry:
        return subject.Registry(self.url, "team/hello", f"Basic {TOKEN}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def handle_request(self) -> None:
        body = self._body()
        path = urlsplit(self.path).path
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

    def _blobs_uploads(self, name: str, body: bytes) -> None:
        uploads = self.server.uploads
        name = name or str(uuid.uuid4())
        uploads[name] = uploads.get(name, b"") + body
        headers = {"Location": f"{self.server.upload_host}/v2/team/hello/blobs/uploads/{name}?state=1"}
        headers["Range"] = f"0-{max(0, len(uploads[name]) - 1)}"
        if self.command != "PUT":
            return self._answer(202, headers)
        (digest,) = parse_qs(urlsplit(self.path).query)["digest"]
        data = uploads.pop(name)
        if digest_of(data) != digest:
            return self._answer(400, body=b'{"errors":[{"code":"DIGEST_INVALID","message":"other content"}]}')
        self.server.blobs[digest] = data
        return self._answer(201, {"Docker-Content-Digest": digest})

    def _manifests(self, tag: str, body: bytes) -> None:
        if self.command != "PUT":
            return self._answer(404)
        manifest = json.loads(body)
        wanted = [layer["digest"] for layer in [*manifest["layers"], manifest["config"]]]
        if missing := [digest for digest in wanted if digest not in self.server.blobs]:
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
    assert len(store.calls) == subject.RETRIES + 1


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
    with pytest.raises(ImageError, match=r"put the manifest of tag src-1 .*TAG_INVALID: tag is immutable"):
        subject.push(store.registry, other, "src-1")


def test_a_blob_that_changed_on_the_way_is_refused(store: Store, image: oci.Image) -> None:
    damaged = image.blobs[0]
    damaged.path.write_bytes(b"x" * damaged.size)
    with pytest.raises(ImageError, match="DIGEST_INVALID: other content"):
        subject.push(store.registry, image, "src-1")


def test_a_registry_that_stores_something_else_is_caught(store: Store, image: oci.Image) -> None:
    answer = subject.Answer(201, {"Docker-Content-Digest": "sha256:0"}, b"")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="stored sha256:0 instead of"):
        subject._require_digest(answer, image.digest, store.registry)


def test_the_password_does_not_follow_an_upload_to_another_host(store: Store, image: oci.Image) -> None:
    store.upload_host = store.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ImageError, match="401"):
        subject.push(store.registry, image, "src-1")
    assert store.authorizations[-1] is None


def test_an_address_that_nobody_answers(image: oci.Image) -> None:
    nobody = subject.Registry("http://127.0.0.1:9", "hello", "")
    with pytest.raises(ImageError, match=r"Registry http://127.0.0.1:9 does not answer"):
        subject.push(nobody, image, "src-1")


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
