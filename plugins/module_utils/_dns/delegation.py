# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asks the name servers of a parent domain where they send the world for one of its sub domains.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

try:
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.resolver
except ImportError:  # The module reports a missing dnspython.
    dns = None  # type: ignore[assignment]

DNS_PORT = 53
QUERY_SECONDS = 2.0
DISCOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """A name server: where it is asked, and the name people know it by."""

    address: str
    port: int = DNS_PORT
    name: str = ""

    def __str__(self) -> str:
        return self.name or (self.address if self.port == DNS_PORT else f"{self.address}:{self.port}")


def host_name(name: Any) -> str:
    return str(name).lower().rstrip(".")


def parse_server(text: str) -> Server:
    """Reads an address or address:port; an IPv6 address with a port stands in brackets."""
    if text.startswith("["):
        address, _bracket, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        address, _colon, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    if port and not port.isdigit():
        raise ValueError(f"{text!r} is no address of a name server: give one like 192.0.2.1 or 192.0.2.1:5300")
    return Server(address, int(port or DNS_PORT))


def authoritative_servers(domain: str, resolver: Any = None, port: int = DNS_PORT) -> list[Server]:
    """Returns the name servers of the zone that holds the domain; none when DNS cannot be reached."""
    asked = resolver or dns.resolver.Resolver()
    asked.lifetime = DISCOVERY_SECONDS
    try:
        zone = dns.resolver.zone_for_name(domain, resolver=asked)
        names = sorted(host_name(record.target) for record in asked.resolve(zone, "NS"))
    except dns.exception.DNSException:
        return []
    return [Server(address, port, name) for name in names for address in _addresses(asked, name)]


def _addresses(resolver: Any, name: str) -> list[str]:
    try:
        return [record.address for record in resolver.resolve(name, "A")][:1]
    except dns.exception.DNSException:
        return []


def system_resolvers() -> list[Server]:
    try:
        return [Server(str(address)) for address in dns.resolver.Resolver().nameservers]
    except dns.exception.DNSException:
        return []


def ask(server: Server, domain: str) -> frozenset[str] | None:
    """Returns the name servers that this one knows for the domain, None when it gives no verdict."""
    query = dns.message.make_query(domain, dns.rdatatype.NS)
    try:
        answer, _tcp = dns.query.udp_with_fallback(query, server.address, timeout=QUERY_SECONDS, port=server.port)
    except (dns.exception.DNSException, OSError):
        return None
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None
    # A parent refers in the authority section; a server that holds both zones, or a resolver, answers.
    rrsets = [*answer.answer, *answer.authority]
    return frozenset(
        host_name(record.target)
        for rrset in rrsets
        if rrset.rdtype == dns.rdatatype.NS and host_name(rrset.name) == host_name(domain)
        for record in rrset
    )


def verdict(answers: Iterable[frozenset[str] | None], wanted: Iterable[str]) -> bool | None:
    """Tells whether every server that answered leads to the wanted name servers and no others."""
    given = [answer for answer in answers if answer is not None]
    if not given:
        return None
    expected = {host_name(name) for name in wanted}
    return all(answer and answer <= expected for answer in given)
