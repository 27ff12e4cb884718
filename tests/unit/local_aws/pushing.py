# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of one static program, made and pushed without a Docker engine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """The few calls of the registry protocol that a push takes."""

    def __init__(self, account: Account, repository: str) -> None:
        token = account.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self._headers = {"Authorization": f"Basic {token}"}
        self._address = f"{account.endpoint}/v2/{repository}"
        self._root = account.endpoint

    def push(self, layer: bytes, config: dict[str, Any]) -> str:
        config["rootfs"] = {"type": "layers", "diff_ids": [digest(layer)]}
        packed, described = gzip.compress(layer, mtime=0), json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(described, "application/vnd.oci.image.config.v1+json"),
            "layers": [self._blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        body = json.dumps(manifest).encode()
        self._call("PUT", f"{self._address}/manifests/{digest(body)}", body, MANIFEST)
        return digest(body)

    def _blob(self, content: bytes, kind: str) -> dict[str, Any]:
        place = self._call("POST", f"{self._address}/blobs/uploads/", b"")["Location"]
        place = place if place.startswith("http") else self._root + place
        self._call("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest(content)}", content)
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    def _call(self, method: str, url: str, body: bytes, kind: str = "application/octet-stream") -> Any:
        headers = {**self._headers, "Content-Type": kind}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as response:
            return response.headers


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def compile_app(compiler: str, source: Path, folder: Path) -> bytes:
    program = folder / source.stem
    subprocess.run([compiler, "-static", "-O2", "-o", str(program), str(source)], check=True)
    return program.read_bytes()


def push_app(account: Account, program: bytes, repository: str) -> str:
    """Creates a repository with one image in it, and returns the name of the image with its digest."""
    account.client("ecr").create_repository(repositoryName=repository)
    entry = tarfile.TarInfo("web")
    entry.size, entry.mode = len(program), 0o755
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(program))
    config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/web"]}}
    pushed = Registry(account, repository).push(packed.getvalue(), config)
    return f"{account.number}.dkr.ecr.{REGION}.amazonaws.com/{repository}@{pushed}"
