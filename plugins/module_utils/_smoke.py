# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Looks at a web app the way its visitors do: a verdict on each answer.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

REQUEST_SECONDS = 10
AT_ONCE = 8
POLL_SECONDS = 2
PORTS = {"https": 443, "http": 80}
CONNECT_TO = re.compile(r"(?P<host>[^:]*):(?P<port>\d*):(?P<to_host>[^:]*|\[[^]]*\]):(?P<to_port>\d*)")
REDIRECTS = (301, 302, 303, 307, 308)


class ConnectToError(ValueError):
    """A mapping that cannot be read."""


@dataclass(frozen=True)
class Route:
    """Where to connect instead of to a host and port; an empty part stands for any, or for the one asked for."""

    host: str
    port: str
    to_host: str
    to_port: str

    @classmethod
    def parse(cls, text: str) -> Route:
        found = CONNECT_TO.fullmatch(text)
        if not found:
            raise ConnectToError(
                f"connect_to holds '{text}': write HOST1:PORT1:HOST2:PORT2, any part of it may be empty."
            )
        return cls(**found.groupdict())

    def fits(self, host: str, port: int) -> bool:
        return self.host in ("", host) and self.port in ("", str(port))

    def target(self, host: str, port: int) -> tuple[str, int]:
        return self.to_host.strip("[]") or host, int(self.to_port or port)


@dataclass(frozen=True)
class Answer:
    """What came back for one address."""

    status: int
    location: str = ""
    certificate_names: tuple[str, ...] = ()

    @property
    def leads_to(self) -> Any:
        return urlsplit(self.location)

    def __str__(self) -> str:
        return f"{self.status} to {self.location}" if self.location else str(self.status)


Fetch = Callable[[str], Answer]
Judge = Callable[[Answer], bool]


@dataclass(frozen=True)
class Check:
    """One address, what should come back and how to tell."""

    name: str
    url: str
    expected: str
    judge: Judge


@dataclass(frozen=True)
class Verdict:
    """How one check ended."""

    name: str
    url: str
    expected: str
    found: str
    passed: bool

    def __str__(self) -> str:
        if self.passed:
            return f"ok: {self.name}: {self.found}"
        return f"FAILED: {self.name}: expected {self.expected}, found {self.found} at {self.url}"


@dataclass(frozen=True)
class Visitor:
    """Sends requests without cookies and without following redirects."""

    routes: tuple[Route, ...] = ()
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def get(self, url: str) -> Answer:
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, parts.hostname or "")
        try:
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("GET", target, headers={"Accept": "text/html", "User-Agent": "gatehouse-smoke-test"})
            names = certificate_names(connection.sock)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheader("Location", ""), names)
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str) -> http.client.HTTPConnection:
        port = PORTS[scheme]
        route = next((route for route in self.routes if route.fits(host, port)), None)
        plain = socket.create_connection(route.target(host, port) if route else (host, port), REQUEST_SECONDS)
        connection = http.client.HTTPConnection(host, port, timeout=REQUEST_SECONDS)
        try:
            connection.sock = self.tls.wrap_socket(plain, server_hostname=host) if scheme == "https" else plain
        except (OSError, ValueError):
            plain.close()
            raise
        return connection


def certificate_names(connected: Any) -> tuple[str, ...]:
    if not isinstance(connected, ssl.SSLSocket):
        return ()
    names: Iterable[Any] = (connected.getpeercert() or {}).get("subjectAltName", ())
    return tuple(name for kind, name in names if kind == "DNS")


def covers(names: Iterable[str], host: str) -> bool:
    wildcard = f"*.{host.partition('.')[2]}"
    return any(name.lower() in (host, wildcard) for name in names)


def checks(params: dict[str, Any]) -> list[Check]:
    """Returns everything to look at, in the order in which visitors would meet it."""
    base, login = f"https://{params['domain']}", params["login"]
    found = [http_check(params["domain"]), certificate_check("certificate of the app", base, params["domain"])]
    if login:
        found += [front_check(base, login), login_page_check(login)]
        found.append(certificate_check("certificate of the login", f"https://{login['domain']}", login["domain"]))
    elif params["app"]:
        found.append(Check("front page", f"{base}/", "an answer of the app", is_answered))
    if params["app"]:
        found += [public_check(base, path) for path in params["public_paths"]]
    return found + [refused_check(base, path) for path in params["refused_paths"]]


def http_check(domain: str) -> Check:
    def judge(answer: Answer) -> bool:
        to = answer.leads_to
        return answer.status == 301 and (to.scheme, to.hostname) == ("https", domain)

    return Check("HTTP", f"http://{domain}/", f"301 to https://{domain}/", judge)


def certificate_check(name: str, base: str, host: str) -> Check:
    return Check(name, f"{base}/", f"one for {host}", lambda answer: covers(answer.certificate_names, host))


def front_check(base: str, login: dict[str, str]) -> Check:
    wanted = {"client_id": login["client_id"], "redirect_uri": login["callback_url"], "response_type": "code"}

    def judge(answer: Answer) -> bool:
        given = {name: values[0] for name, values in parse_qs(answer.leads_to.query).items()}
        asked = {name: given.get(name) for name in wanted}
        return answer.status == 302 and answer.leads_to.hostname == login["domain"] and asked == wanted

    expected = f"302 to {login['domain']} with client {login['client_id']} and callback {login['callback_url']}"
    return Check("front page without a session", f"{base}/", expected, judge)


def login_page_check(login: dict[str, str]) -> Check:
    """The page itself: with managed login it stays away until the client has a style."""

    def judge(answer: Answer) -> bool:
        return answer.status == 200 or (answer.status in REDIRECTS and answer.leads_to.path.startswith("/login"))

    query = f"client_id={login['client_id']}&response_type=code&scope=openid&redirect_uri={login['callback_url']}"
    return Check("login page", f"https://{login['domain']}/login?{query}", "a page", judge)


def public_check(base: str, path: str) -> Check:
    def judge(answer: Answer) -> bool:
        return answer.status < 500 and answer.status != 401 and "/oauth2/authorize" not in answer.location

    return Check(f"public path {path}", base + path, "an answer of the app, no login", judge)


def refused_check(base: str, path: str) -> Check:
    return Check(f"path {path} without a session", base + path, "401", lambda answer: answer.status == 401)


def is_answered(answer: Answer) -> bool:
    return answer.status < 500


def run(wanted: Iterable[Check], fetch: Fetch, timeout: float) -> list[Verdict]:
    """Returns a verdict on every check, in order; what is not as it should be is looked at again until time is over."""
    deadline = time.monotonic() + timeout
    with ThreadPoolExecutor(AT_ONCE) as visitors:
        return list(visitors.map(lambda check: persist(check, fetch, deadline), wanted))


def persist(check: Check, fetch: Fetch, deadline: float) -> Verdict:
    verdict = look(check, fetch)
    while not verdict.passed and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        verdict = look(check, fetch)
    return verdict


def look(check: Check, fetch: Fetch) -> Verdict:
    try:
        answer = fetch(check.url)
    except (OSError, http.client.HTTPException) as error:
        return Verdict(check.name, check.url, check.expected, str(error) or type(error).__name__, False)
    found = str(answer)
    if check.name.startswith("certificate"):
        found = f"one for {', '.join(answer.certificate_names) or 'no name'}"
    return Verdict(check.name, check.url, check.expected, found, check.judge(answer))


def summary(domain: str, verdicts: list[Verdict]) -> dict[str, Any]:
    passed = sum(verdict.passed for verdict in verdicts)
    return {
        "domain": domain,
        "passed": passed == len(verdicts),
        "checks": [asdict(verdict) for verdict in verdicts],
        "report": [f"{domain}: {passed} of {len(verdicts)} checks passed", *map(str, verdicts)],
    }
