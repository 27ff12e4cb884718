# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A push by the OCI distribution protocol.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ansible.module_utils.api import generate_jittered_backoff, retry_with_delays_and_condition
from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.oci import MANIFEST_TYPE, Blob, Image

TIMEOUT_SECONDS = 60
RETRIES = 4
DELAY_BASE_SECONDS = 2


class RegistryUnavailableError(ImageError):
    """The registry did not answer, or asked to try again."""


@dataclass(frozen=True)
class Answer:
    """What a registry said."""

    status: int
    headers: Message
    body: bytes

    @property
    def reason(self) -> str:
        """Returns the registry's own words, as far as it found any."""
        try:
            errors = json.loads(self.body)["errors"]
            return "; ".join(f"{error.get('code')}: {error.get('message')}" for error in errors)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.body[:200].decode(errors="replace") or HTTPStatus(self.status).phrase


@dataclass(frozen=True)
class Registry:
    """One repository of one registry, and how to reach it."""

    url: str
    repository: str
    authorization: str = field(repr=False)
    validate_certs: bool = True
    ca_path: str | None = None

    @property
    def base(self) -> str:
        return f"{self.url.rstrip('/')}/v2/{quote(self.repository)}/"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def send(
        self, method: str, address: str, data: IO[bytes] | bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Makes one request; ``address`` may be relative to the repository."""
        url = urljoin(self.base, address)
        try:
            return self._answer(method, url, data, {**(headers or {}), **self._authorization_for(url)})
        except (OSError, HTTPException, AnsibleConnectionError) as error:
            raise RegistryUnavailableError(f"Registry {self.url} does not answer: {error}.") from error

    def _authorization_for(self, url: str) -> dict[str, str]:
        # A registry may hand uploads to a storage service, which must not learn the password.
        own = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        return {"Authorization": self.authorization} if self.authorization and own else {}

    def _answer(self, method: str, url: str, data: IO[bytes] | bytes | None, headers: dict[str, str]) -> Answer:
        try:
            with open_url(
                url,
                data=data,
                headers=headers,
                method=method,
                timeout=TIMEOUT_SECONDS,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                follow_redirects="none",
                use_netrc=False,
            ) as response:
                return Answer(response.status, response.headers, response.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def push(registry: Registry, image: Image, tag: str) -> None:
    """Pushes what the registry lacks, and the manifest last: an interrupted push leaves no image behind."""
    for blob in image.blobs:
        if not has_blob(registry, blob.digest):
            push_blob(registry, blob)
    push_manifest(registry, image, tag)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, RegistryUnavailableError)


patiently = retry_with_delays_and_condition(
    list(generate_jittered_backoff(RETRIES, DELAY_BASE_SECONDS)), should_retry_error=_is_transient
)


@patiently
def has_blob(registry: Registry, digest: str) -> bool:
    """Tells whether the registry holds the blob already."""
    answer = registry.send("HEAD", f"blobs/{digest}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return False
    # A registry that keeps its blobs elsewhere answers with where they are.
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return True
    _require(answer, HTTPStatus.OK, f"look for {digest}", registry)
    return True


@patiently
def push_blob(registry: Registry, blob: Blob) -> None:
    """Uploads one blob, streamed from disk."""
    started = registry.send("POST", "blobs/uploads/", b"")
    _require(started, HTTPStatus.ACCEPTED, "start an upload", registry)
    with blob.path.open("rb") as content:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        done = registry.send("PUT", _upload_address(registry, started, blob.digest), content, headers)
    _require(done, HTTPStatus.CREATED, f"upload {blob.digest}", registry)
    _require_digest(done, blob.digest, registry)


def _upload_address(registry: Registry, started: Answer, digest: str) -> str:
    location = started.headers.get("Location")
    if not location:
        raise ImageError(f"Registry {registry.url} gave no address to upload to.")
    separator = "&" if urlsplit(location).query else "?"
    return f"{location}{separator}{urlencode({'digest': digest})}"


@patiently
def push_manifest(registry: Registry, image: Image, tag: str) -> None:
    """Makes the pushed blobs an image with a tag."""
    done = registry.send("PUT", f"manifests/{tag}", image.manifest, {"Content-Type": MANIFEST_TYPE})
    _require(done, HTTPStatus.CREATED, f"put the manifest of tag {tag}", registry)
    _require_digest(done, image.digest, registry)


def _require(answer: Answer, status: int, what: str, registry: Registry) -> None:
    if answer.status == status:
        return
    message = f"Failed to {what} in {registry.host}/{registry.repository}: {answer.status} {answer.reason}"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RegistryUnavailableError(message)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        message += " (the credentials need the ECR actions of a push: see the documentation of ecr_image)"
    raise ImageError(message)


def _require_digest(answer: Answer, digest: str, registry: Registry) -> None:
    stored = answer.headers.get("Docker-Content-Digest")
    if stored and stored != digest:
        raise ImageError(f"Registry {registry.url} stored {stored} instead of {digest}: push again.")
