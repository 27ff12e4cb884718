# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Route 53 record sets as plain data, read and written many at a time.

This module util is private to the collection. It can have breaking changes at any time.

A record is ``{"name", "type", "ttl", "values"}`` or ``{"name", "type", "alias"}``, in the spelling of ``normalised``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is

Record = dict[str, Any]
Key = tuple[str, str]

POLL_SECONDS = 2
# Values of these types are host names, which may be spelt with or without the trailing dot.
HOST_NAME_TYPES = ("CNAME", "NS")

ZoneErrors = missing_is("NoSuchHostedZone")


class WaiterFactory(BaseWaiterFactory):
    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        return {
            "change_insync": {
                "operation": "GetChange",
                "delay": POLL_SECONDS,
                "maxAttempts": 60,
                "acceptors": [
                    {"state": "success", "matcher": "path", "expected": "INSYNC", "argument": "ChangeInfo.Status"}
                ],
            }
        }


def host_name(name: str) -> str:
    """Returns a name the way it is compared: lower case, no trailing dot, no escaped wildcard."""
    return name.lower().rstrip(".").replace("\\052", "*")


def key_of(record: Record) -> Key:
    return host_name(record["name"]), record["type"]


def normalised(record: Record) -> Record:
    """Returns a record in the one spelling in which equal records are equal."""
    name, kind = key_of(record)
    if record.get("alias"):
        target = record["alias"]
        return {"name": name, "type": kind, "alias": {**target, "dns_name": host_name(target["dns_name"])}}
    values = [host_name(value) if kind in HOST_NAME_TYPES else value for value in record["values"]]
    return {"name": name, "type": kind, "ttl": record["ttl"], "values": sorted(values)}


@ZoneErrors.list_error_handler("read the records of the hosted zone", {})
def describe_records(client: Any, zone_id: str, keys: Iterable[Key]) -> dict[Key, Record]:
    """Returns those of the asked records that exist; one small request for each spares large zones."""
    found = {key: _describe_record(client, zone_id, *key) for key in dict.fromkeys(keys)}
    return {key: record for key, record in found.items() if record}


def _describe_record(client: Any, zone_id: str, name: str, kind: str) -> Record | None:
    page = client.list_resource_record_sets(
        HostedZoneId=zone_id, StartRecordName=name, StartRecordType=kind, MaxItems="1"
    )
    for item in page["ResourceRecordSets"]:
        record = _from_api(item)
        if key_of(record) == (name, kind):
            return normalised(record)
    return None


def _from_api(item: dict[str, Any]) -> Record:
    record: Record = {"name": item["Name"], "type": item["Type"]}
    if "AliasTarget" in item:
        target = item["AliasTarget"]
        record["alias"] = {
            "dns_name": target["DNSName"],
            "hosted_zone_id": target["HostedZoneId"],
            "evaluate_target_health": target["EvaluateTargetHealth"],
        }
    else:
        record.update(ttl=item.get("TTL"), values=[value["Value"] for value in item.get("ResourceRecords", [])])
    return record


def _to_api(record: Record) -> dict[str, Any]:
    item: dict[str, Any] = {"Name": record["name"], "Type": record["type"]}
    if "alias" in record:
        item["AliasTarget"] = {
            "DNSName": record["alias"]["dns_name"],
            "HostedZoneId": record["alias"]["hosted_zone_id"],
            "EvaluateTargetHealth": record["alias"]["evaluate_target_health"],
        }
    else:
        item.update(TTL=record["ttl"], ResourceRecords=[{"Value": value} for value in record["values"]])
    return item


@ZoneErrors.list_error_handler("read the records of the hosted zone", [])
def first_records(client: Any, zone_id: str) -> list[Record]:
    """Returns the records of a zone, of a large one the first few hundred, in one request."""
    page = client.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    # One of several records that share name and type tells nothing of the others.
    return [normalised(_from_api(item)) for item in page if "SetIdentifier" not in item]


def told_or_held(client: Any, zone_id: str, wanted: Iterable[Record], told: Iterable[Record]) -> dict[Key, Record]:
    """Returns the records under the keys of the wanted ones; asks AWS unless it was told that all are as wanted."""
    by_key, known = {key_of(one): one for one in wanted}, {key_of(one): one for one in told}
    if all(known.get(key) == record for key, record in by_key.items()):
        return by_key
    return describe_records(client, zone_id, by_key)


@ZoneErrors.common_error_handler("change the records of the hosted zone")
def change_records(client: Any, zone_id: str, upsert: Iterable[Record] = (), delete: Iterable[Record] = ()) -> str:
    """Makes all changes in one batch, which Route 53 carries out completely or not at all; returns its id."""
    changes = [{"Action": "DELETE", "ResourceRecordSet": _to_api(record)} for record in delete]
    changes += [{"Action": "UPSERT", "ResourceRecordSet": _to_api(record)} for record in upsert]
    answer = client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    return str(answer["ChangeInfo"]["Id"])


@ZoneErrors.common_error_handler("wait until the name servers answer with the changed records")
def wait_insync(client: Any, change_id: str, timeout: int) -> None:
    WaiterFactory().get_waiter(client, "change_insync").wait(
        Id=change_id, WaiterConfig=custom_waiter_config(timeout, default_pause=POLL_SECONDS)
    )
