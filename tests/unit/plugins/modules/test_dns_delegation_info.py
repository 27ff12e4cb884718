# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._dns.delegation import (
    Server,
    ask,
    authoritative_servers,
    parse_server,
    verdict,
)
from ansible_collections.gatehouse.fargate.plugins.modules import dns_delegation_info as subject

DOMAIN = "hello.example.com"
OURS = ["ns-1.example.net", "ns-2.example.org"]
Answer = Callable[[dns.message.Message], dns.message.Message]


class FakeServer:
    """One name server on loopback that answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            wire, address = self._socket.recvfrom(4096)
            if not wire:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), address)

    def stop(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(timeout=5)
        self._socket.close()

    @property
    def server(self) -> Server:
        return Server("127.0.0.1", self.port)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], FakeServer]]:
    started: list[FakeServer] = []

    def start(answer: Answer) -> FakeServer:
        started.append(FakeServer(answer))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def ns_records(name: str, servers: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(f"{name}.", 60, "IN", "NS", [f"{server}." for server in servers])


def referring(servers: list[str], section: str = "authority", rcode: str = "NOERROR") -> Answer:
    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.from_text(rcode))
        if servers:
            getattr(response, section).append(ns_records(DOMAIN, servers))
        return response

    return answer


def params(servers: list[str] | None, **changed: Any) -> dict[str, Any]:
    given = {"domain": f"{DOMAIN}.", "name_servers": ["NS-2.example.org.", OURS[0]], "parent_domain": None}
    return {**given, "servers": servers, "ttl": 300, "required": True, "wait_timeout": 0, **changed}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (referring(OURS), frozenset(OURS)),
        (referring(OURS, section="answer"), frozenset(OURS)),
        (referring([]), frozenset()),
        (referring([], rcode="NXDOMAIN"), frozenset()),
        (referring([], rcode="REFUSED"), None),
        (referring([], rcode="SERVFAIL"), None),
    ],
    ids=["referral", "answer", "no-data", "no-name", "refused", "failed"],
)
def test_a_server_is_understood(
    serve: Callable[[Answer], FakeServer], answer: Answer, found: frozenset[str] | None
) -> None:
    assert ask(serve(answer).server, DOMAIN) == found


def test_a_server_that_is_not_there_gives_no_verdict() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        silent = Server("127.0.0.1", probe.getsockname()[1])
        assert ask(silent, DOMAIN) is None


def test_the_records_of_another_name_do_not_count(serve: Callable[[Answer], FakeServer]) -> None:
    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.authority.append(ns_records("example.com", OURS))
        return response

    assert ask(serve(answer).server, DOMAIN) == frozenset()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([frozenset(OURS)], True),
        ([frozenset(OURS[:1]), frozenset(OURS)], True),
        ([frozenset(OURS), None], True),
        ([frozenset(OURS), frozenset()], False),
        ([frozenset([*OURS, "ns.elsewhere.net"])], False),
        ([frozenset(["ns.elsewhere.net"])], False),
        ([None, None], None),
        ([], None),
    ],
)
def test_the_verdict(answers: list[frozenset[str] | None], expected: bool | None) -> None:
    assert verdict(answers, ["NS-1.example.net.", *OURS[1:]]) is expected


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("127.0.0.1:5300", Server("127.0.0.1", 5300)),
        ("2001:db8::1", Server("2001:db8::1", 53)),
        ("[2001:db8::1]:5300", Server("2001:db8::1", 5300)),
    ],
)
def test_servers_are_given_with_and_without_a_port(text: str, server: Server) -> None:
    assert parse_server(text) == server


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no address of a name server"):
        parse_server("127.0.0.1:domain")


def test_the_parents_name_servers_are_looked_up(serve: Callable[[Answer], FakeServer]) -> None:
    """The resolver knows the parent zone and its servers; those, and nobody else, are asked for the delegation."""

    def resolve(query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = str(question.name), dns.rdatatype.to_text(question.rdtype)
        known = {
            ("example.com.", "SOA"): "ns.parent.net. admin.example.com. 1 2 3 4 5",
            ("example.com.", "NS"): "ns.parent.net.",
            ("ns.parent.net.", "A"): "127.0.0.1",
        }
        response = dns.message.make_response(query, recursion_available=True)
        if (name, kind) in known:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, known[name, kind]))
        elif name != "sub.example.com.":
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    parent = serve(referring(OURS))
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], serve(resolve).port
    for domain in ("example.com", "sub.example.com"):
        servers = authoritative_servers(domain, resolver, parent.port)
        assert servers == [Server("127.0.0.1", parent.port, "ns.parent.net")]
        assert [ask(server, DOMAIN) for server in servers] == [frozenset(OURS)]


@pytest.mark.parametrize(
    ("servers", "delegated"), [(OURS, True), (OURS[:1], True), ([], False), (["ns.elsewhere.net"], False)]
)
def test_what_is_described(serve: Callable[[Answer], FakeServer], servers: list[str], delegated: bool) -> None:
    asked = f"127.0.0.1:{serve(referring(servers)).port}"
    found = subject.describe_until_delegated(params([asked]))
    assert found == {
        "delegated": delegated,
        "found": servers,
        "asked": [asked],
        "records": [f"{DOMAIN}. 300 IN NS {server}." for server in OURS],
    }


def test_a_delegation_that_comes_late_is_waited_for(
    serve: Callable[[Answer], FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "POLL_SECONDS", 0.01)
    later = iter([referring([]), referring(["ns.elsewhere.net"])])

    def answer(query: dns.message.Message) -> dns.message.Message:
        return next(later, referring(OURS))(query)

    asked = f"127.0.0.1:{serve(answer).port}"
    assert subject.describe_until_delegated(params([asked], wait_timeout=30))["delegated"] is True


@pytest.mark.parametrize(
    ("found", "words"),
    [([], "know no NS record for it"), (["ns.elsewhere.net"], "lead to ns.elsewhere.net instead of its own")],
)
def test_the_refusal_says_what_to_enter_and_where(found: list[str], words: str) -> None:
    records = subject.records(params(None))
    message = subject.refusal({"found": found, "asked": ["ns.parent.net"], "records": records}, params(None))
    assert message.startswith("delegation_missing: hello.example.com ")
    assert [text for text in (words, "ns.parent.net", "in the zone example.com", *records) if text not in message] == []
