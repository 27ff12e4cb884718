# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pushes and copies by the OCI distribution protocol.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import (
    Registry,
    patiently,
    require,
    require_digest,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.oci import MANIFEST_TYPE, Blob, Image
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.upload import push_blob

LIST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPTED_TYPES = (MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json", *LIST_TYPES)


def push(registry: Registry, image: Image, tag: str) -> None:
    """Pushes what the registry lacks, and the manifest last: an interrupted push leaves no image behind."""
    for blob in image.blobs:
        if not is_there(registry, blob.digest):
            push_blob(registry, blob)
    push_manifest(registry, image.manifest, MANIFEST_TYPE, tag)


def is_there(registry: Registry, digest: str) -> bool:
    """Tells whether the repository holds the blob, or could take it over from a neighbour."""
    return has_blob(registry, digest) or any(mounted(registry, digest, name) for name in registry.mount_from)


@patiently
def has_blob(registry: Registry, digest: str) -> bool:
    """Tells whether the repository holds the blob already."""
    answer = registry.send("HEAD", f"blobs/{digest}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return False
    # A registry that keeps its blobs elsewhere answers with where they are.
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return True
    require(answer, HTTPStatus.OK, f"look for {digest}", registry)
    return True


@patiently
def mounted(registry: Registry, digest: str, neighbour: str) -> bool:
    """Takes a blob over from another repository of the registry; one that cannot do this starts an upload instead."""
    answer = registry.send("POST", f"blobs/uploads/?{urlencode({'mount': digest, 'from': neighbour})}", b"")
    if answer.status == HTTPStatus.ACCEPTED:
        return False
    require(answer, HTTPStatus.CREATED, f"mount {digest} from {neighbour}", registry)
    require_digest(answer, digest, registry)
    return True


@patiently
def push_manifest(registry: Registry, manifest: bytes, media_type: str, reference: str) -> None:
    """Makes the pushed blobs an image with a tag, or a part of one that is named by its digest."""
    done = registry.send("PUT", f"manifests/{reference}", manifest, {"Content-Type": media_type})
    require(done, HTTPStatus.CREATED, f"put the manifest of {reference}", registry)
    require_digest(done, digest_of(manifest), registry)


@patiently
def read_manifest(registry: Registry, digest: str) -> bytes:
    """Returns a manifest whose content is what its digest says."""
    answer = registry.send("GET", f"manifests/{digest}", headers={"Accept": ", ".join(ACCEPTED_TYPES)})
    require(answer, HTTPStatus.OK, f"read manifest {digest}", registry)
    require_content(registry, digest, digest_of(answer.body))
    return answer.body


@patiently
def read_blob(registry: Registry, descriptor: dict[str, Any], folder: Path) -> Blob:
    """Brings one blob to this machine and makes sure that it is what its digest says."""
    digest = descriptor["digest"]
    path = folder / digest.partition(":")[2]
    with path.open("w+b") as target:
        registry.stream(f"blobs/{digest}", target, f"read {digest}")
        target.seek(0)
        found = f"sha256:{hashlib.file_digest(target, 'sha256').hexdigest()}"
    require_content(registry, digest, found)
    return Blob(path, descriptor.get("mediaType", ""), digest, path.stat().st_size)


def copy(source: Registry, target: Registry, digest: str, tag: str) -> str:
    """Copies an image, byte for byte, and returns the digest that the target then gives out under the tag's content.

    Children of a list come first and the tag last: an interrupted copy leaves nothing that looks finished.
    """
    manifest = read_manifest(source, digest)
    content = json.loads(manifest)
    for child in content.get("manifests", []):
        copy(source, target, child["digest"], child["digest"])
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        for descriptor in blobs_of(content):
            if not is_there(target, descriptor["digest"]):
                blob = read_blob(source, descriptor, Path(folder))
                push_blob(target, blob)
                blob.path.unlink()
    push_manifest(target, manifest, content.get("mediaType", MANIFEST_TYPE), tag)
    return digest_of(read_manifest(target, digest))


def blobs_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the descriptors of what has to be there before the manifest, each once."""
    descriptors = [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]
    return list({descriptor["digest"]: descriptor for descriptor in descriptors}.values())


def read_labels(registry: Registry, digest: str) -> dict[str, str]:
    """Returns the labels of an image; a list of images has none of its own."""
    config = json.loads(read_manifest(registry, digest)).get("config")
    if not config:
        return {}
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        content = json.loads(read_blob(registry, config, Path(folder)).path.read_bytes())
    return dict(content.get("config", {}).get("Labels") or {})


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def require_content(registry: Registry, wanted: str, found: str) -> None:
    if found != wanted:
        raise ImageError(f"Registry {registry.url} gave {found} when asked for {wanted}: the copy there is damaged.")
