# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Uploads one blob: small ones in one piece, large ones in chunks that a dropped connection cannot undo.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import IO
from urllib.parse import urlencode, urlsplit

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import (
    RETRIES,
    Answer,
    Registry,
    RegistryUnavailableError,
    patiently,
    require,
    require_digest,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.oci import Blob

# ECR takes parts from 5 to 10 MiB.
CHUNK_BYTES = 10 * 1024 * 1024
BINARY = {"Content-Type": "application/octet-stream"}
UNKNOWN_TO_REGISTRY = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


@patiently
def push_blob(registry: Registry, blob: Blob) -> None:
    """Uploads one blob, streamed from disk."""
    address = _start(registry)
    with blob.path.open("rb") as content:
        if blob.size > CHUNK_BYTES:
            chunked = _send_chunks(registry, address, blob, content)
            content.seek(0 if chunked is None else blob.size)
            address = chunked or _start(registry)
        rest = blob.size - content.tell()
        headers = {**BINARY, "Content-Length": str(rest)}
        done = registry.send("PUT", _with_digest(address, blob.digest), content if rest else b"", headers)
    require(done, HTTPStatus.CREATED, f"upload {blob.digest}", registry)
    require_digest(done, blob.digest, registry)


def _start(registry: Registry) -> str:
    started = registry.send("POST", "blobs/uploads/", b"")
    require(started, HTTPStatus.ACCEPTED, "start an upload", registry)
    location = started.headers.get("Location")
    if not location:
        raise ImageError(f"Registry {registry.url} gave no address to upload to.")
    return str(location)


def _with_digest(address: str, digest: str) -> str:
    separator = "&" if urlsplit(address).query else "?"
    return f"{address}{separator}{urlencode({'digest': digest})}"


def _send_chunks(registry: Registry, address: str, blob: Blob, content: IO[bytes]) -> str | None:
    """Returns where to close the upload, or nothing if the registry knows no chunks."""
    offset, drops = 0, 0
    while offset < blob.size:
        content.seek(offset)
        try:
            answer = _send_chunk(registry, address, offset, content.read(CHUNK_BYTES))
        except RegistryUnavailableError:
            drops += 1
            if drops > RETRIES:
                raise
            address, offset = _progress(registry, address)
            continue
        if answer.status in UNKNOWN_TO_REGISTRY:
            return None
        require(answer, HTTPStatus.ACCEPTED, f"upload a part of {blob.digest}", registry)
        address, offset, drops = *_after(answer, address), 0
    return address


def _send_chunk(registry: Registry, address: str, offset: int, chunk: bytes) -> Answer:
    headers = {**BINARY, "Content-Length": str(len(chunk)), "Content-Range": f"{offset}-{offset + len(chunk) - 1}"}
    answer = registry.send("PATCH", address, chunk, headers)
    unsure = answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    if unsure or (answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED):
        raise RegistryUnavailableError(f"Failed to upload to {registry.url}: {answer.status} {answer.reason}")
    return answer


@patiently
def _progress(registry: Registry, address: str) -> tuple[str, int]:
    """Asks how far an upload came; one that the registry has forgotten is started again by the caller's patience."""
    answer = registry.send("GET", address)
    if answer.status != HTTPStatus.NO_CONTENT:
        raise RegistryUnavailableError(f"Registry {registry.url} lost an upload: {answer.status} {answer.reason}")
    return _after(answer, address)


def _after(answer: Answer, address: str) -> tuple[str, int]:
    """Reads where to go on; an upload without a byte says the same as one of a single byte."""
    last = int(answer.headers.get("Range", "0-0").removeprefix("bytes=").rpartition("-")[2])
    return answer.headers.get("Location", address), last + 1 if last else 0
