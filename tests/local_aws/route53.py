# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Route 53: name servers of each zone, the calls that ministack lacks, and names in their stored form."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import route53 as backend

from . import provisioning
from .dns import PUBLISHED, find_alias_target, find_records, name_servers
from .hooks import Function, Response, patch
from .record_rules import problems

__all__ = ["find_alias_target", "find_records", "install"]

Record = dict[str, Any]
Request = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Response]]

DNSSEC_PATH = re.compile(rf"/{backend.API_VERSION}/hostedzone/([^/]+)/dnssec")
TAGS_PATH = re.compile(rf"/{backend.API_VERSION}/tags/(hostedzone|healthcheck)")


def install() -> None:
    patch(backend, "handle_request", _answering_more)
    patch(backend, "_create_hosted_zone", _naming_servers)
    patch(backend, "_delete_hosted_zone", _forgetting_tags)
    patch(backend, "_list_hosted_zones_by_name", _by_reversed_labels)
    patch(backend, "_build_delegation_set_el", lambda _original: _build_delegation_set)
    patch(backend, "_normalise_name", _lowering_names)
    patch(backend, "_parse_record_set", _lowering_alias)
    patch(backend, "_build_record_set_el", _escaping_wildcard)
    patch(backend, "_change_resource_record_sets", _checking_records)
    patch(backend, "_rs_values", _without_time)
    patch(backend, "_new_change", _noting_time)
    patch(backend, "_get_change", _spreading)


def _answering_more(original: Request) -> Request:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        dnssec, tags = DNSSEC_PATH.fullmatch(path), TAGS_PATH.fullmatch(path)
        if dnssec and method == "GET":
            return _get_dnssec(dnssec[1])
        if tags and method == "POST":
            return _list_tags(tags[1], body)
        return await original(method, path, headers, body, query_params)

    return handle


def _by_reversed_labels(_original: Function) -> Function:
    """AWS sorts zones by their labels from the right, so that a domain stands right before those below it."""

    def list_by_name(query: dict[str, Any]) -> Response:
        def given(name: str, default: str = "") -> str:
            value = query.get(name, default)
            return str((value[0] if isinstance(value, list) else value) or default)

        start = (backend._name_sort_key(given("dnsname")), given("hostedzoneid")) if given("dnsname") else ((), "")
        zones = sorted((backend._name_sort_key(zone["name"]), zone["id"], zone) for zone in backend._zones.values())
        rest = [zone for name, zone_id, zone in zones if (name, zone_id) >= start]
        size = min(int(given("maxitems", "100")), 100)
        return _page_of_zones(rest[:size], rest[size : size + 1], size)

    return list_by_name


def _page_of_zones(page: list[Record], following: list[Record], size: int) -> Response:
    def build(root: Element) -> None:
        listed = SubElement(root, "HostedZones")
        for zone in page:
            backend._build_hosted_zone_el(listed, zone)
        SubElement(root, "IsTruncated").text = str(bool(following)).lower()
        SubElement(root, "MaxItems").text = str(size)
        for zone in following:
            SubElement(root, "NextDNSName").text = zone["name"]
            SubElement(root, "NextHostedZoneId").text = zone["id"]

    return backend._xml_response("ListHostedZonesByNameResponse", build)


def _forgetting_tags(original: Function) -> Function:
    def delete(zone_id: str) -> Response:
        response: Response = original(zone_id)
        if zone_id not in backend._zones:
            backend._tags.pop(("hostedzone", zone_id), None)
        return response

    return delete


def _no_such_zone(zone_id: str) -> Response:
    return backend._error_response("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}", 404)


def _get_dnssec(zone_id: str) -> Response:
    if zone_id not in backend._zones:
        return _no_such_zone(zone_id)

    def build(root: Element) -> None:
        SubElement(SubElement(root, "Status"), "ServeSignature").text = "NOT_SIGNING"
        SubElement(root, "KeySigningKeys")

    return backend._xml_response("GetDNSSECResponse", build)


def _list_tags(kind: str, body: bytes) -> Response:
    wanted = backend._find(backend._parse_body(body), "ResourceIds")
    ids = [element.text for element in backend._findall(wanted, "ResourceId")]
    known = backend._zones if kind == "hostedzone" else backend._health_checks
    missing = [resource_id for resource_id in ids if resource_id not in known]
    if missing:
        return _no_such_zone(missing[0])

    def build(root: Element) -> None:
        sets = SubElement(root, "ResourceTagSets")
        for resource_id in ids:
            _add_tag_set(sets, kind, resource_id)

    return backend._xml_response("ListTagsForResourcesResponse", build)


def _add_tag_set(parent: Element, kind: str, resource_id: str) -> None:
    tag_set = SubElement(parent, "ResourceTagSet")
    SubElement(tag_set, "ResourceType").text = kind
    SubElement(tag_set, "ResourceId").text = resource_id
    tags = SubElement(tag_set, "Tags")
    for key, value in backend._tags.get((kind, resource_id), {}).items():
        tag = SubElement(tags, "Tag")
        SubElement(tag, "Key").text = key
        SubElement(tag, "Value").text = value


def _naming_servers(original: Function) -> Function:
    def create(body: bytes, query_params: dict[str, Any]) -> Response:
        root = backend._parse_body(body)
        reference = backend._text(root, "CallerReference") if root is not None else ""
        if reference in backend._caller_refs:
            message = f"A hosted zone has already been created with the specified caller reference: {reference}"
            return backend._error_response("HostedZoneAlreadyExists", message, 409)
        response: Response = original(body, query_params)
        if reference in backend._caller_refs:
            _set_name_servers(backend._caller_refs[reference])
        return response

    return create


def _set_name_servers(zone_id: str) -> None:
    servers = [f"{server}." for server in name_servers(zone_id)]
    for record in backend._records[zone_id]:
        if record["Type"] == "NS":
            record["ResourceRecords"] = servers
        else:
            _primary, _space, rest = record["ResourceRecords"][0].partition(" ")
            record["ResourceRecords"] = [f"{servers[0]} {rest}"]


def _build_delegation_set(parent: Element, _zone_name: str) -> None:
    """The zone is the one that the answer already describes; ministack passes only its name."""
    zone_id = backend._text(backend._find(parent, "HostedZone"), "Id").removeprefix("/hostedzone/")
    servers = SubElement(SubElement(parent, "DelegationSet"), "NameServers")
    for server in name_servers(zone_id):
        SubElement(servers, "NameServer").text = server


def _lowering_names(original: Function) -> Function:
    return lambda name: str(original(name)).lower().replace("\\052", "*")


def _lowering_alias(original: Function) -> Function:
    def parse(element: Element) -> Record:
        record: Record = original(element)
        if "AliasTarget" in record:
            record["AliasTarget"]["DNSName"] = record["AliasTarget"]["DNSName"].lower()
        return record

    return parse


def _escaping_wildcard(original: Function) -> Function:
    def build(parent: Element, record: Record) -> None:
        original(parent, {**record, "Name": record["Name"].replace("*", "\\052")})

    return build


def _checking_records(original: Function) -> Function:
    """A batch is applied, looked at as a whole, and taken back when the zone would then be invalid."""

    def change(zone_id: str, body: bytes) -> Response:
        before = backend._records.get(zone_id)
        response: Response = original(zone_id, body)
        if response[0] != 200:
            return response
        after = backend._records[zone_id]
        found = problems(backend._zones[zone_id]["name"], zone_id, before, after)
        if not found:
            _publish(before, after)
            return response
        backend._records[zone_id] = before
        return backend._error_response("InvalidChangeBatch", f"[{', '.join(found)}]")

    return change


def _publish(before: list[Record], after: list[Record]) -> None:
    """Note since when the name servers learn of a record set; a changed one stays known."""
    known = {backend._rs_key(record): record.get(PUBLISHED) for record in before}
    now = time.time()
    for record in after:
        published = known.get(backend._rs_key(record), now)
        if published:
            record[PUBLISHED] = published


def _without_time(original: Function) -> Function:
    """Who deletes a record names its values, and knows nothing of when it was published."""
    return lambda record: original({key: value for key, value in record.items() if key != PUBLISHED})


def _noting_time(original: Function) -> Function:
    def new_change(comment: str = "") -> Record:
        change: Record = original(comment)
        change["_submitted"] = time.time()
        return change

    return new_change


def _spreading(original: Function) -> Function:
    """ministack's changes are in sync at the second look; with AWS's times they take theirs."""

    def get_change(change_id: str) -> Response:
        change = backend._changes.get(change_id)
        if change and not provisioning.is_over("route53.change", change["_submitted"]):
            change["status"] = "PENDING"
        response: Response = original(change_id)
        return response

    return get_change
