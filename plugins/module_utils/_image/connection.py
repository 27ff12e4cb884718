# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One repository of one registry: requests to it, and what its answers mean.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin, urlsplit

from ansible.module_utils.api import generate_jittered_backoff, retry_with_delays_and_condition
from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

TIMEOUT_SECONDS = 60
RETRIES = 4
DELAY_BASE_SECONDS = 2
REDIRECTS = 5


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
    mount_from: tuple[str, ...] = ()

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
            with self._open(method, url, data, headers) as response:
                return Answer(response.status, response.headers, response.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def _open(self, method: str, url: str, data: IO[bytes] | bytes | None, headers: dict[str, str]) -> Any:
        return open_url(
            url,
            data=data,
            headers=headers,
            method=method,
            timeout=TIMEOUT_SECONDS,
            validate_certs=self.validate_certs,
            ca_path=self.ca_path,
            follow_redirects="none",
            use_netrc=False,
        )

    def stream(self, address: str, target: IO[bytes], what: str) -> None:
        """Reads an answer of any size into a file; ECR keeps its blobs elsewhere and answers with where."""
        url = urljoin(self.base, address)
        for _hop in range(REDIRECTS):
            answer = self._streamed(url, target)
            if answer is None:
                return
            if not HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
                require(answer, HTTPStatus.OK, what, self)
            url = urljoin(url, answer.headers.get("Location", ""))
        raise ImageError(f"Registry {self.url} sends in circles instead of letting {what}.")

    def _streamed(self, url: str, target: IO[bytes]) -> Answer | None:
        """Returns what stood in the way, or nothing once the file is complete."""
        try:
            with self._open("GET", url, None, self._authorization_for(url)) as response:
                shutil.copyfileobj(response, target)
                return None
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())
        except (OSError, HTTPException, AnsibleConnectionError) as error:
            raise RegistryUnavailableError(f"Registry {self.url} broke off: {error}.") from error


def _is_transient(error: Exception) -> bool:
    return isinstance(error, RegistryUnavailableError)


patiently = retry_with_delays_and_condition(
    list(generate_jittered_backoff(RETRIES, DELAY_BASE_SECONDS)), should_retry_error=_is_transient
)


def require(answer: Answer, status: int, what: str, registry: Registry) -> None:
    if answer.status == status:
        return
    message = f"Failed to {what} in {registry.host}/{registry.repository}: {answer.status} {answer.reason}"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RegistryUnavailableError(message)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        message += " (the credentials need the ECR actions of a push: see the documentation of ecr_image)"
    raise ImageError(message)


def require_digest(answer: Answer, digest: str, registry: Registry) -> None:
    stored = answer.headers.get("Docker-Content-Digest")
    if stored and stored != digest:
        raise ImageError(f"Registry {registry.url} stored {stored} instead of {digest}: push again.")
