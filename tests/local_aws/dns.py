# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a resolver on the internet would find: records of every account's zones, reached through delegation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from ministack.services import route53

from . import provisioning

Record = dict[str, Any]

PUBLISHED = "_published"
NAME_SERVER_DOMAINS = ("com", "net", "org", "co.uk")


class Zone(NamedTuple):
    """A public hosted zone of any account."""

    zone_id: str
    name: str
    records: list[Record]


def name_servers(zone_id: str) -> list[str]:
    """The four name servers of a zone; each zone has its own set, so that a stale delegation shows."""
    digest = hashlib.sha256(zone_id.encode()).digest()
    servers = []
    for index, domain in enumerate(NAME_SERVER_DOMAINS):
        number = int.from_bytes(digest[2 * index : 2 * index + 2], "big") % 512
        servers.append(f"ns-{512 * index + number}.awsdns-{number // 8:02d}.{domain}")
    return servers


def find_records(name: str, kind: str) -> list[str]:
    """The values of the record set of this name and type, as stored; empty for an alias or an unknown name."""
    return [value for record in _answers(name) if record["Type"] == kind for value in record.get("ResourceRecords", [])]


def find_alias_target(name: str) -> str | None:
    """The DNS name that the address alias of this name points to, in lower case and without the final dot."""
    for record in _answers(name):
        if record["Type"] in ("A", "AAAA") and record.get("AliasTarget"):
            return normal(record["AliasTarget"]["DNSName"])
    return None


def find_all(name: str) -> list[Record]:
    """Every record set of the name, of any type."""
    return _answers(name)


def is_known(name: str) -> bool:
    """Whether any zone here holds the name."""
    return any(_within(normal(name), zone.name) for zone in _public_zones())


def normal(name: str) -> str:
    return name.lower().rstrip(".")


def _answers(name: str) -> list[Record]:
    """The records of a name in the zone that is asked for it, a wildcard standing in where there are none."""
    zones = _public_zones()
    enclosing = [zone for zone in zones if _within(normal(name), zone.name) and _is_delegated(zone, zones)]
    records = [record for zone in _most_specific(enclosing) for record in zone.records]
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(normal(record["Name"]), []).append(record)
    return next((by_name[known] for known in _candidates(normal(name)) if known in by_name), [])


def _candidates(name: str) -> Iterable[str]:
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield f"*.{name}"


def _public_zones() -> list[Zone]:
    records = route53._records.to_dict()
    return [
        Zone(zone["id"], normal(zone["name"]), [one for one in records.get(key, []) if _is_published(one)])
        for key, zone in route53._zones.to_dict().items()
        if not zone.get("private")
    ]


def _is_published(record: Record) -> bool:
    return provisioning.is_over("route53.change", record.get(PUBLISHED, 0.0))


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _most_specific(zones: list[Zone]) -> list[Zone]:
    longest = max((len(zone.name) for zone in zones), default=0)
    return [zone for zone in zones if len(zone.name) == longest]


def _is_delegated(zone: Zone, zones: list[Zone]) -> bool:
    """A zone whose parent lives here too is found only through the parent's NS records."""
    parents = _most_specific([other for other in zones if zone.name.endswith(f".{other.name}")])
    return not parents or any(_delegates(parent, zone) and _is_delegated(parent, zones) for parent in parents)


def _delegates(parent: Zone, zone: Zone) -> bool:
    records = [record for record in parent.records if record["Type"] == "NS" and normal(record["Name"]) == zone.name]
    servers = {normal(value) for record in records for value in record.get("ResourceRecords", [])}
    return not servers.isdisjoint(name_servers(zone.zone_id))
