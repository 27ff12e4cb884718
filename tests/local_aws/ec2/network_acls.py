# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network ACLs: every subnet has exactly one, entries have ports, numbers are used once."""

from __future__ import annotations

from typing import Any

from ..hooks import Function, Handler, Params, Response, guard, patch, patch_action
from .api import backend, derived_id, error, first_missing, id_in, text
from .vpcs import in_use

LAST = 32767


def install() -> None:
    actions = backend._ACTION_MAP
    patch(backend, "_network_acl_entry_xml", _with_ports)
    patch_action(actions, "CreateSubnet", _joining_default)
    patch_action(actions, "DeleteSubnet", _leaving)
    patch_action(actions, "CreateNetworkAcl", _with_last_rules)
    patch_action(actions, "ReplaceNetworkAclAssociation", lambda _original: _replace_association)
    for action in ("CreateNetworkAclEntry", "ReplaceNetworkAclEntry"):
        patch_action(actions, action, _keeping_ports)
    guard(actions, "CreateNetworkAclEntry", _check_new_entry)
    for action in ("ReplaceNetworkAclEntry", "DeleteNetworkAclEntry"):
        guard(actions, action, _check_old_entry)
    guard(actions, "DeleteNetworkAcl", _check_delete)


def _with_ports(original: Function) -> Function:
    def run(entry: dict[str, Any]) -> str:
        view = str(original(entry))
        if "PortRange" not in entry:
            return view
        first, last = entry["PortRange"]
        ports = f"<portRange><from>{first}</from><to>{last}</to></portRange>"
        return view.removesuffix("</item>") + ports + "</item>"

    return run


def _joining_default(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        subnet = id_in(response, "subnet-")
        if subnet:
            _associate(backend._vpcs[text(params, "VpcId")]["DefaultNetworkAclId"], subnet)
        return response

    return run


def _associate(acl_id: str, subnet: str) -> str:
    link = derived_id("aclassoc-", acl_id, subnet)
    backend._network_acls[acl_id]["Associations"].append({"NetworkAclAssociationId": link, "SubnetId": subnet})
    return link


def _leaving(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        if response[0] == 200:
            for acl in backend._network_acls.values():
                acl["Associations"] = [
                    one for one in acl["Associations"] if one["SubnetId"] != text(params, "SubnetId")
                ]
        return response

    return run


def _with_last_rules(original: Handler) -> Handler:
    """A new ACL denies everything, by rules that nobody can remove."""

    def run(params: Params) -> Response:
        response = original(params)
        acl_id = id_in(response, "acl-")
        if acl_id:
            last = {"RuleNumber": LAST, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
            backend._network_acls[acl_id]["Entries"] = [{**last, "Egress": egress} for egress in (False, True)]
        return response

    return run


def _replace_association(params: Params) -> Response:
    link, acl_id = text(params, "AssociationId"), text(params, "NetworkAclId")
    if acl_id not in backend._network_acls:
        return error("InvalidNetworkAclID.NotFound", f"The network ACL '{acl_id}' does not exist")
    for acl in backend._network_acls.values():
        for one in acl["Associations"]:
            if one["NetworkAclAssociationId"] == link:
                acl["Associations"].remove(one)
                new = _associate(acl_id, one["SubnetId"])
                answer = f"<newAssociationId>{new}</newAssociationId>"
                return backend._xml(200, "ReplaceNetworkAclAssociationResponse", answer)
    return error("InvalidAssociationID.NotFound", f"The association ID '{link}' does not exist")


def _keeping_ports(original: Handler) -> Handler:
    def run(params: Params) -> Response:
        response = original(params)
        first, last = text(params, "PortRange.From"), text(params, "PortRange.To")
        if response[0] == 200 and first:
            backend._network_acls[text(params, "NetworkAclId")]["Entries"][-1]["PortRange"] = (first, last)
        return response

    return run


def _entries(params: Params) -> list[dict[str, Any]]:
    acl = backend._network_acls.get(text(params, "NetworkAclId"), {})
    key = (int(text(params, "RuleNumber")), text(params, "Egress") == "true")
    return [one for one in acl.get("Entries", []) if (one["RuleNumber"], one["Egress"]) == key]


def _check_new_entry(params: Params) -> Response | None:
    if _entries(params):
        number = text(params, "RuleNumber")
        return error("NetworkAclEntryAlreadyExists", f"The network acl entry identified by {number} already exists.")
    return _check_ports(params)


def _check_old_entry(params: Params) -> Response | None:
    if not _entries(params):
        number = text(params, "RuleNumber")
        return error("InvalidNetworkAclEntry.NotFound", f"The network acl entry identified by {number} does not exist")
    return None


def _check_ports(params: Params) -> Response | None:
    if text(params, "Protocol") in ("6", "17") and not text(params, "PortRange.From"):
        return error("MissingParameter", "The request must contain the parameter portRange")
    return None


def _check_delete(params: Params) -> Response | None:
    acl_id = text(params, "NetworkAclId")
    missing = first_missing([acl_id], backend._network_acls, "InvalidNetworkAclID.NotFound", "network ACL")
    if missing:
        return missing
    return in_use("networkAcl", acl_id) if backend._network_acls[acl_id]["Associations"] else None
