# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A visitor of the deployed app: follows redirects, keeps cookies, fills in the login's forms.

Every name is looked up on loopback, where the local AWS's front door listens.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT_SECONDS = 30


class LoginRefusedError(Exception):
    """The login pages did not let the visitor in."""


@dataclass(frozen=True)
class Page:
    """One answer: its final address, status, headers and text."""

    url: str
    status: int
    headers: Message
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass
class Form:
    """The first form of a page that asks for a password."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""))
            self.forms.append(self._open)
        elif tag == "input" and self._open and given.get("name"):
            self._read_input(self._open, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None

    @staticmethod
    def _read_input(form: Form, given: Mapping[str, str]) -> None:
        name, kind = given["name"], given.get("type", "text")
        form.fields[name] = given.get("value", "")
        if kind == "password":
            form.passwords.append(name)
        elif kind in ("text", "email"):
            form.texts.append(name)


class Visitor:
    """A browser session without pictures: one cookie jar, the local AWS's certificate authority."""

    def __init__(self, ca_file: Path, https_port: int, http_port: int) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        handlers = [urllib.request.HTTPCookieProcessor(), http_handler(http_port), https_handler(https_port, context)]
        self._following = urllib.request.build_opener(*handlers)
        self._staying = urllib.request.build_opener(*handlers, NoRedirect())

    def get(self, url: str, *, follow: bool = True) -> Page:
        return self._open(urllib.request.Request(url), follow)

    def post(self, url: str, fields: Mapping[str, str]) -> Page:
        return self._open(urllib.request.Request(url, data=urlencode(fields).encode()), True)

    def sign_in(self, url: str, username: str, password: str, new_password: str) -> Page:
        """Opens ``url``, logs in, chooses ``new_password`` when asked to, and returns the page first asked for."""
        page = self.fill(self.get(url), username, password)
        form = form_of(page)
        if form and len(form.passwords) > 1:
            page = self.fill(page, username, new_password)
        elif form:
            page = self.fill(self.get(url), username, new_password)
        if form_of(page) or urlsplit(page.url).hostname != urlsplit(url).hostname:
            raise LoginRefusedError(f"{username} was not let in: {page.status} at {page.url}")
        return page

    def fill(self, page: Page, username: str, password: str) -> Page:
        form = form_of(page)
        if form is None:
            raise LoginRefusedError(f"there is no login form at {page.url} ({page.status})")
        fields = {**form.fields, **dict.fromkeys(form.passwords, password)}
        fields.update({name: username for name in form.texts if name in ("username", "email")})
        return self.post(urljoin(page.url, form.action or page.url), fields)

    def _open(self, request: urllib.request.Request, follow: bool) -> Page:
        opener = self._following if follow else self._staying
        try:
            response = opener.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read().decode("utf-8", errors="replace")
            return Page(response.geturl(), response.status, response.headers, text)


def form_of(page: Page) -> Form | None:
    reader = FormReader()
    reader.feed(page.text)
    return next((form for form in reader.forms if form.passwords), None)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def http_handler(port: int) -> urllib.request.HTTPHandler:
    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.create_connection(("127.0.0.1", port), self.timeout)

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    return Handler()


def https_handler(port: int, context: ssl.SSLContext) -> urllib.request.HTTPSHandler:
    class Connection(http.client.HTTPSConnection):
        def connect(self) -> None:
            plain = socket.create_connection(("127.0.0.1", port), self.timeout)
            self.sock = context.wrap_socket(plain, server_hostname=self.host)

    class Handler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    return Handler(context=context)
