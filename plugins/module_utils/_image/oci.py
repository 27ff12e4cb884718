# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Puts an OCI image together: the program and the few files it needs, byte for byte the same every time.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.platforms import PLATFORMS

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
EPOCH = "1970-01-01T00:00:00Z"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
COMPRESSION = 9


@dataclass(frozen=True)
class Blob:
    """Content by digest, on disk."""

    path: Path
    media_type: str
    digest: str
    size: int

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Image:
    """The blobs to push first, and the manifest that makes an image of them."""

    blobs: tuple[Blob, ...]
    manifest: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"


@dataclass(frozen=True)
class Contents:
    """What the image is to hold and to say."""

    program: Path
    platform: str
    user: int
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    certificates: Path | None = None


class DigestWriter(io.RawIOBase):
    """Passes everything on and keeps count."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._target.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def write_layer(path: Path, fill: Callable[[tarfile.TarFile], None]) -> tuple[Blob, str]:
    """Returns the layer and the digest of its content before compression."""
    with path.open("wb") as file:
        packed = DigestWriter(file)
        # A name or a time in the gzip header would make two equal layers differ.
        with gzip.GzipFile("", "wb", COMPRESSION, packed, mtime=0) as compressor:
            plain = DigestWriter(compressor)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
                fill(archive)
    return Blob(path, LAYER_TYPE, packed.digest, packed.size), plain.digest


def _folder(archive: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    archive.addfile(_entry(name, mode, tarfile.DIRTYPE))


def _text(archive: tarfile.TarFile, name: str, content: str) -> None:
    archive.addfile(_entry(name, 0o644, size=len(content)), io.BytesIO(content.encode("ascii")))


def _file(archive: tarfile.TarFile, name: str, source: Path, mode: int) -> None:
    with source.open("rb") as content:
        archive.addfile(_entry(name, mode, size=source.stat().st_size), content)


def _entry(name: str, mode: int, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    """Makes an entry that belongs to root and has no time of its own."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry


def assemble(contents: Contents, folder: Path) -> Image:
    """Writes the image's blobs into the folder.

    The program is a layer of its own, so that a new version pushes nothing else.
    """
    base, plain_base = write_layer(folder / "base", lambda archive: _add_base(archive, contents))
    program, plain_program = write_layer(folder / "program", lambda archive: _add_program(archive, contents))
    config = _blob(folder / "config", CONFIG_TYPE, _config(contents, (plain_base, plain_program)))
    return Image((base, program, config), _json(_manifest(config, (base, program))))


def _add_base(archive: tarfile.TarFile, contents: Contents) -> None:
    user = contents.user
    _folder(archive, "etc")
    _text(archive, "etc/group", f"root:x:0:\napp:x:{user}:\n")
    _text(archive, "etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\napp:x:{user}:{user}:app:/:/sbin/nologin\n")
    if contents.certificates:
        _folder(archive, "etc/ssl")
        _folder(archive, "etc/ssl/certs")
        _file(archive, CERTIFICATES, contents.certificates, 0o644)
    _folder(archive, "tmp", 0o1777)


def _add_program(archive: tarfile.TarFile, contents: Contents) -> None:
    _file(archive, "app", contents.program, 0o755)


def _config(contents: Contents, layers: Sequence[str]) -> dict[str, Any]:
    environment = [f"PORT={contents.port}"]
    if contents.certificates:
        environment.append(f"SSL_CERT_FILE=/{CERTIFICATES}")
    return {
        "architecture": PLATFORMS[contents.platform].architecture,
        "os": "linux",
        "created": EPOCH,
        "config": {
            "User": f"{contents.user}:{contents.user}",
            "WorkingDir": "/",
            "Entrypoint": ["/app"],
            "ExposedPorts": {f"{contents.port}/tcp": {}},
            "Env": environment,
            "Labels": dict(contents.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
        "history": [{"created": EPOCH, "created_by": f"gatehouse.fargate: {part}"} for part in ("base", "program")],
    }


def _manifest(config: Blob, layers: Sequence[Blob]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }


def _blob(path: Path, media_type: str, content: dict[str, Any]) -> Blob:
    data = _json(content)
    path.write_bytes(data)
    return Blob(path, media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
