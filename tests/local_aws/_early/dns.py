"""Lookups over every account's zones."""

from __future__ import annotations

from typing import Any

from ministack.services import route53


def _records() -> list[dict[str, Any]]:
    return [record for records in route53._records._data.values() for record in records]


def find_records(name: str, kind: str) -> list[str]:
    """Values of the records of a name and type."""
    wanted = name.rstrip(".").lower()
    found = [one for one in _records() if one["Name"].rstrip(".").lower() == wanted and one["Type"] == kind]
    return [str(value["Value"] if isinstance(value, dict) else value) for one in found for value in one["ResourceRecords"]]


def find_alias_target(name: str) -> str | None:
    """The target of the alias record of a name."""
    wanted = name.rstrip(".").lower()
    found = [one for one in _records() if one["Name"].rstrip(".").lower() == wanted and one.get("AliasTarget")]
    return str(found[0]["AliasTarget"]["DNSName"]) if found else None
