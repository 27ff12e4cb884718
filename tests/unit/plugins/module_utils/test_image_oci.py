# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import oci as subject


@pytest.fixture
def contents(tmp_path: Path) -> subject.Contents:
    program, certificates = tmp_path / "program", tmp_path / "certificates"
    program.write_bytes(b"\x7fELF" + bytes(range(256)) * 500)
    certificates.write_text("PEM", encoding="utf-8")
    return subject.Contents(program, "linux/amd64", 65532, 3000, {"a": "b"}, certificates)


def assemble(contents: subject.Contents, folder: Path) -> subject.Image:
    folder.mkdir()
    return subject.assemble(contents, folder)


def layers(image: subject.Image) -> list[bytes]:
    return [gzip.decompress(blob.path.read_bytes()) for blob in image.blobs if blob.media_type == subject.LAYER_TYPE]


def config(image: subject.Image) -> Any:
    return json.loads(image.blobs[-1].path.read_bytes())


def members(image: subject.Image) -> list[tarfile.TarInfo]:
    return [member for layer in layers(image) for member in tarfile.open(fileobj=io.BytesIO(layer))]


def test_the_image_holds_the_program_and_little_else(contents: subject.Contents, tmp_path: Path) -> None:
    image = assemble(contents, tmp_path / "out")
    modes = {member.name: member.mode for member in members(image)}
    assert modes == {
        "etc": 0o755,
        "etc/group": 0o644,
        "etc/passwd": 0o644,
        "etc/ssl": 0o755,
        "etc/ssl/certs": 0o755,
        "etc/ssl/certs/ca-certificates.crt": 0o644,
        "tmp": 0o1777,
        "app": 0o755,
    }
    assert {(member.uid, member.gid, member.mtime, member.uname) for member in members(image)} == {(0, 0, 0, "")}


def test_the_program_arrives_whole_in_a_layer_of_its_own(contents: subject.Contents, tmp_path: Path) -> None:
    program = layers(assemble(contents, tmp_path / "out"))[1]
    with tarfile.open(fileobj=io.BytesIO(program)) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content
        assert content.read() == contents.program.read_bytes()


def test_the_user_has_a_name_and_no_shell(contents: subject.Contents, tmp_path: Path) -> None:
    base = layers(assemble(contents, tmp_path / "out"))[0]
    with tarfile.open(fileobj=io.BytesIO(base)) as archive:
        passwd = archive.extractfile("etc/passwd")
        assert passwd
        assert passwd.read().decode().splitlines() == [
            "root:x:0:0:root:/:/sbin/nologin",
            "app:x:65532:65532:app:/:/sbin/nologin",
        ]


def test_the_config_says_how_to_run_it(contents: subject.Contents, tmp_path: Path) -> None:
    image = assemble(contents, tmp_path / "out")
    found = config(image)
    assert (found["architecture"], found["os"]) == ("amd64", "linux")
    assert found["config"] == {
        "User": "65532:65532",
        "WorkingDir": "/",
        "Entrypoint": ["/app"],
        "ExposedPorts": {"3000/tcp": {}},
        "Env": ["PORT=3000", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
        "Labels": {"a": "b"},
    }
    plain = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers(image)]
    assert found["rootfs"] == {"type": "layers", "diff_ids": plain}
    assert len(found["history"]) == len(plain)


def test_the_manifest_names_every_blob_by_its_digest(contents: subject.Contents, tmp_path: Path) -> None:
    image = assemble(contents, tmp_path / "out")
    manifest = json.loads(image.manifest)
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert [*manifest["layers"], manifest["config"]] == [blob.descriptor for blob in image.blobs]
    for blob in image.blobs:
        data = blob.path.read_bytes()
        assert (blob.digest, blob.size) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert image.digest == f"sha256:{hashlib.sha256(image.manifest).hexdigest()}"


def test_another_time_another_file_time_another_folder_same_digest(
    contents: subject.Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = assemble(contents, tmp_path / "first").digest
    os.utime(contents.program, (1, 1))
    contents.program.chmod(0o700)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86400)
    assert assemble(contents, tmp_path / "second").digest == first


def test_without_certificates_nothing_points_to_them(contents: subject.Contents, tmp_path: Path) -> None:
    image = assemble(dataclasses.replace(contents, certificates=None), tmp_path / "out")
    assert not [member.name for member in members(image) if "ssl" in member.name]
    assert config(image)["config"]["Env"] == ["PORT=3000"]


def test_a_new_program_keeps_the_base_layer(contents: subject.Contents, tmp_path: Path) -> None:
    before = assemble(contents, tmp_path / "first").blobs
    contents.program.write_bytes(b"\x7fELF other")
    after = assemble(contents, tmp_path / "second").blobs
    assert before[0].digest == after[0].digest
    assert before[1].digest != after[1].digest


def test_arm(contents: subject.Contents, tmp_path: Path) -> None:
    image = assemble(dataclasses.replace(contents, platform="linux/arm64"), tmp_path / "out")
    assert config(image)["architecture"] == "arm64"
