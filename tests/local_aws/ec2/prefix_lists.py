# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Customer-managed prefix lists: tags, versions, size, and who uses them."""

from __future__ import annotations

from typing import Any

from ..hooks import Handler, Params, Response, guard, patch_action
from .api import backend, error, get_account_id, id_in, members, reply, text


def install() -> None:
    actions = backend._ACTION_MAP
    patch_action(actions, "CreateManagedPrefixList", _storing_tags)
    patch_action(actions, "GetManagedPrefixListAssociations", lambda _original: _describe_associations, new=True)
    guard(actions, "DescribeManagedPrefixLists", _missing)
    guard(actions, "ModifyManagedPrefixList", _check_modify)
    guard(actions, "DeleteManagedPrefixList", _check_delete)


def _storing_tags(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        entries = _count(params, "Entry")
        if entries > int(text(params, "MaxEntries", "0")):
            return error("PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries.")
        response = original(params)
        list_id = id_in(response, "pl-")
        if list_id is None:
            return response
        backend._parse_tag_specs(params, "prefix-list", list_id)
        view = backend._prefix_list_xml(backend._prefix_lists[list_id], tag="prefixList")
        return reply("CreateManagedPrefixList", view)

    return run


def _count(params: Params, prefix: str) -> int:
    number = 0
    while text(params, f"{prefix}.{number + 1}.Cidr"):
        number += 1
    return number


def _missing(params: Params) -> Response | None:
    for list_id in members(params, "PrefixListId"):
        if list_id not in backend._prefix_lists and not backend._resolve_aws_pl_by_id(list_id):
            return error("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
    return None


def _check_modify(params: Params) -> Response | None:
    stored = backend._prefix_lists.get(text(params, "PrefixListId"))
    if stored is None:
        return None
    version = text(params, "CurrentVersion")
    if version and int(version) != stored.get("Version", 1):
        return error("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")
    size = len(stored["Entries"]) + _count(params, "AddEntry") - _count(params, "RemoveEntry")
    if size > int(text(params, "MaxEntries") or stored["MaxEntries"]):
        return error("PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries.")
    return None


def _check_delete(params: Params) -> Response | None:
    used = _groups_with(text(params, "PrefixListId"))
    return error("DependencyViolation", f"The prefix list is in use by {', '.join(used)}") if used else None


def _groups_with(list_id: str) -> list[str]:
    return [group["GroupId"] for group in backend._security_groups.values() if _refers_to(group, list_id)]


def _refers_to(group: dict[str, Any], list_id: str) -> bool:
    rules = group["IpPermissions"] + group["IpPermissionsEgress"]
    return any(peer.get("PrefixListId") == list_id for rule in rules for peer in rule.get("PrefixListIds", []))


def _describe_associations(params: Params) -> Response:
    owner = f"<resourceOwner>{get_account_id()}</resourceOwner>"
    users = _groups_with(text(params, "PrefixListId"))
    listed = "".join(f"<item><resourceId>{group}</resourceId>{owner}</item>" for group in users)
    return reply("GetManagedPrefixListAssociations", f"<prefixListAssociationSet>{listed}</prefixListAssociationSet>")
