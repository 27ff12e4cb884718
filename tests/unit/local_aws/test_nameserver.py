# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public DNS of the stand-in: what its zones hold, seen through delegation, over both protocols."""

from __future__ import annotations

import itertools
import json
import urllib.request
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account

_numbers = itertools.count(1)


@pytest.fixture
def domain() -> str:
    """A domain of its own for each test, since zones of all accounts are searched."""
    return f"nameserver{next(_numbers)}.example"


def ask(account: Account, name: str, kind: str, tcp: bool = False) -> tuple[str, list[str]]:
    with urllib.request.urlopen(f"{account.endpoint}/_local_aws/status") as answer:
        port = json.load(answer)["dns_port"]
    query = dns.message.make_query(name, kind)
    send: Any = dns.query.tcp if tcp else dns.query.udp
    response = send(query, "127.0.0.1", port=port, timeout=10)
    return dns.rcode.to_text(response.rcode()), sorted(str(record) for rrset in response.answer for record in rrset)


def create_zone(account: Account, name: str) -> tuple[str, list[str]]:
    created = account.client("route53").create_hosted_zone(Name=name, CallerReference=name)
    return created["HostedZone"]["Id"], sorted(f"{name}." for name in created["DelegationSet"]["NameServers"])


def put(account: Account, zone: str, name: str, kind: str, *values: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    account.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_records_are_answered(account: Account, domain: str, tcp: bool) -> None:
    zone, servers = create_zone(account, domain)
    put(account, zone, f"www.{domain}", "A", "192.0.2.1", "192.0.2.2")
    put(account, zone, f"old.{domain}", "CNAME", f"www.{domain}.")
    assert ask(account, domain, "NS", tcp) == ("NOERROR", servers)
    assert ask(account, f"WWW.{domain}.", "A", tcp) == ("NOERROR", ["192.0.2.1", "192.0.2.2"])
    assert ask(account, f"old.{domain}", "A", tcp) == ("NOERROR", [f"www.{domain}."])
    assert ask(account, f"www.{domain}", "TXT", tcp) == ("NOERROR", [])
    assert ask(account, f"nobody.{domain}", "A", tcp) == ("NXDOMAIN", [])


def test_a_name_of_no_zone_is_refused(account: Account) -> None:
    assert ask(account, "nowhere.invalid", "A") == ("REFUSED", [])


def test_a_zone_is_found_through_its_parent_alone(account: Account, domain: str) -> None:
    parent, _servers = create_zone(account, domain)
    _zone, servers = create_zone(account, f"app.{domain}")
    assert ask(account, f"app.{domain}", "NS") == ("NXDOMAIN", [])
    put(account, parent, f"app.{domain}", "NS", "ns.elsewhere.example.")
    assert ask(account, f"app.{domain}", "NS") == ("NOERROR", ["ns.elsewhere.example."])
    put(account, parent, f"app.{domain}", "NS", *servers)
    assert ask(account, f"app.{domain}", "NS") == ("NOERROR", servers)
