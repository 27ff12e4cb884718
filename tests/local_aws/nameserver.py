# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public DNS on loopback, over UDP and TCP: what a resolver on the internet would find in Route 53's zones."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from local_aws.dns import find_all, is_known

LOOPBACK = "127.0.0.1"
PORT_VARIABLE = "LOCAL_AWS_DNS_PORT"
ATTEMPTS = 20
DEFAULT_TTL = 60

Record = dict[str, Any]


def answer(wire: bytes) -> bytes | None:
    """The answer to one question; None for what is no question."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if not query.question:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name = str(question.name).lower().rstrip(".")
    if not is_known(name):
        response.set_rcode(dns.rcode.REFUSED)
        return bytes(response.to_wire())
    response.flags |= dns.flags.AA
    records = find_all(name)
    response.answer = _rrsets(question.name, dns.rdatatype.to_text(question.rdtype), records)
    if not records:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return bytes(response.to_wire())


def _rrsets(name: dns.name.Name, kind: str, records: list[Record]) -> list[dns.rrset.RRset]:
    found = [record for record in records if record["Type"] in (kind, "CNAME")]
    return [
        # Every load balancer and every login page is behind the front door, which is on loopback.
        dns.rrset.from_text(name, DEFAULT_TTL, dns.rdataclass.IN, record["Type"], LOOPBACK)
        if record.get("AliasTarget")
        else dns.rrset.from_text_list(
            name, int(record.get("TTL") or DEFAULT_TTL), dns.rdataclass.IN, record["Type"], record["ResourceRecords"]
        )
        for record in found
        if not (record.get("AliasTarget") and kind != "A")
    ]


class _Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = answer(data)
        if reply:
            self._transport.sendto(reply, addr)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One question and its answer, each behind its length in two bytes."""
    try:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = answer(await reader.readexactly(length)) or b""
        writer.write(len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


class NameServer:
    """Answers on one port number of both protocols while the server runs."""

    def __init__(self) -> None:
        stream, datagram = _bind()
        self.port: int = stream.getsockname()[1]
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._serve(stream, datagram))

    async def close(self) -> None:
        """Stop answering."""
        self._closing.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self, stream: socket.socket, datagram: socket.socket) -> None:
        server = await asyncio.start_server(_converse, sock=stream)
        transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(_Datagrams, sock=datagram)
        await self._closing.wait()
        server.close()
        transport.close()


def _bind() -> tuple[socket.socket, socket.socket]:
    wanted = int(os.environ.get(PORT_VARIABLE, "0"))
    for _attempt in range(ATTEMPTS):
        stream = socket.create_server((LOOPBACK, wanted))
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagram.bind((LOOPBACK, stream.getsockname()[1]))
        except OSError:
            stream.close()
            datagram.close()
            continue
        datagram.setblocking(False)
        return stream, datagram
    raise OSError(f"no port of both protocols could be bound on {LOOPBACK}; choose another {PORT_VARIABLE}")


_open: list[NameServer] = []


def open_server() -> None:
    """Start answering; needs the running event loop."""
    _open.append(NameServer())


async def close_server() -> None:
    """Stop answering."""
    while _open:
        await _open.pop().close()


def status() -> dict[str, int]:
    """Where the name server is."""
    return {"dns_port": _open[0].port}
