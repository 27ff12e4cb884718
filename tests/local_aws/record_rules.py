# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes the records of a hosted zone invalid for Route 53, in Route 53's words."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]

CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"


def problems(zone: str, zone_id: str, before: list[Record], after: list[Record]) -> list[str]:
    """The reasons to refuse a change; records that the change left alone are not looked at again."""
    changed = [record for record in after if record not in before]
    found = [problem for record in changed for problem in _record_problems(record, zone, zone_id, after)]
    return found + list(_apex_problems(zone, after))


def _record_problems(record: Record, zone: str, zone_id: str, records: list[Record]) -> Iterator[str]:
    yield from _name_problems(record, zone)
    yield from _conflicts(record, zone, records)
    yield from _alias_problems(record, zone_id, records) if "AliasTarget" in record else _value_problems(record)


def _name_problems(record: Record, zone: str) -> Iterator[str]:
    name, kind = record["Name"], record["Type"]
    if name != zone and not name.endswith(f".{zone}"):
        yield f"RRSet with DNS name {name} is not permitted in zone {zone}"
    elif name == zone and kind == "CNAME":
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"


def _conflicts(record: Record, zone: str, records: list[Record]) -> Iterator[str]:
    name, kind = record["Name"], record["Type"]
    others = {other["Type"] for other in records if other["Name"] == name} - {kind}
    if others and (kind == "CNAME" or "CNAME" in others) and name != zone:
        yield (
            f"RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records "
            f"with the same DNS name in zone {zone}"
        )


def _alias_problems(record: Record, zone_id: str, records: list[Record]) -> Iterator[str]:
    target, kind = record["AliasTarget"], record["Type"]
    name, target_zone = target["DNSName"], target["HostedZoneId"]
    tried = f"Tried to create an alias that targets {name}, type {kind} in zone {target_zone}, but"
    if (target_zone == CLOUDFRONT_ZONE) != name.endswith(".cloudfront.net."):
        yield f"{tried} the alias target name does not lie within the target zone"
    elif target_zone == zone_id and not any((other["Name"], other["Type"]) == (name, kind) for other in records):
        yield f"{tried} that target was not found"


def _value_problems(record: Record) -> Iterator[str]:
    values = record.get("ResourceRecords", [])
    if not values or record.get("TTL") is None:
        yield (
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], "
            f"or TrafficPolicyInstanceId], but found none in Change with [Name={record['Name']}]"
        )
    if len(set(values)) < len(values):
        yield f"Duplicate Resource Record: '{record['Name']}'"
    if record["Type"] == "CNAME" and len(values) > 1:
        yield f"RRSet of type CNAME with DNS name {record['Name']} must have exactly one value"
    yield from (problem for value in values for problem in _bad_value(record["Type"], value))


def _bad_value(kind: str, value: str) -> Iterator[str]:
    check, complaint = CHECKS.get(kind, (lambda _value: True, ""))
    if not check(value):
        yield f"Invalid Resource Record: 'FATAL problem: {complaint} encountered with '{value}''"


def _is_ipv4(value: str) -> bool:
    return _parses(ipaddress.IPv4Address, value)


def _is_ipv6(value: str) -> bool:
    return _parses(ipaddress.IPv6Address, value)


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _is_quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] == '"'


def _is_name(value: str) -> bool:
    labels = value.rstrip(".").split(".")
    return bool(value) and not any(character.isspace() for character in value) and all(labels)


CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    "A": (_is_ipv4, "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
    "AAAA": (_is_ipv6, "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
    "CNAME": (_is_name, "DomainLabelEmpty (Domain label is empty)"),
    "NS": (_is_name, "DomainLabelEmpty (Domain label is empty)"),
    "TXT": (_is_quoted, "InvalidCharacterString (Value should be enclosed in quotation marks)"),
}


def _apex_problems(zone: str, records: list[Record]) -> Iterator[str]:
    kinds = {record["Type"] for record in records if record["Name"] == zone}
    if "SOA" not in kinds:
        yield "A HostedZone must contain exactly one SOA record."
    if "NS" not in kinds:
        yield "A HostedZone must contain at least one NS record for the zone itself."
