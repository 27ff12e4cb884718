# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Further address ranges of a VPC, which ministack does not know."""

from __future__ import annotations

from typing import Any

from ..hooks import Params, Response, patch_action
from .api import add_text, backend, derived_id, error, find, find_all, first_missing, reply, text, viewing

STORE = "FurtherRanges"


def install() -> None:
    actions = backend._ACTION_MAP
    patch_action(actions, "AssociateVpcCidrBlock", lambda _original: _associate, new=True)
    patch_action(actions, "DisassociateVpcCidrBlock", lambda _original: _disassociate, new=True)
    patch_action(actions, "DescribeVpcs", viewing(_show))


def _associate(params: Params) -> Response:
    vpc_id, cidr = text(params, "VpcId"), text(params, "CidrBlock")
    missing = first_missing([vpc_id], backend._vpcs, "InvalidVpcID.NotFound", "vpc")
    if missing:
        return missing
    link = derived_id("vpc-cidr-assoc-", vpc_id, cidr)
    backend._vpcs[vpc_id].setdefault(STORE, {})[link] = cidr
    return reply("AssociateVpcCidrBlock", _link(vpc_id, link, cidr, "associating"))


def _disassociate(params: Params) -> Response:
    link = text(params, "AssociationId")
    for vpc_id, vpc in backend._vpcs.items():
        if link in vpc.get(STORE, {}):
            cidr = vpc[STORE].pop(link)
            return reply("DisassociateVpcCidrBlock", _link(vpc_id, link, cidr, "disassociating"))
    return error("InvalidVpcCidrBlockAssociationID.NotFound", f"The association ID '{link}' does not exist")


def _link(vpc_id: str, link: str, cidr: str, state: str) -> str:
    return (
        f"<vpcId>{vpc_id}</vpcId><cidrBlockAssociation><associationId>{link}</associationId>"
        f"<cidrBlock>{cidr}</cidrBlock><cidrBlockState><state>{state}</state></cidrBlockState></cidrBlockAssociation>"
    )


def _show(root: Any) -> None:
    for shown in find_all(root, "vpcSet/item"):
        for link, cidr in backend._vpcs[find(shown, "vpcId")].get(STORE, {}).items():
            for links in find_all(shown, "cidrBlockAssociationSet"):
                _show_link(links, link, cidr)


def _show_link(links: Any, link: str, cidr: str) -> None:
    item = type(links)(links.tag.replace("cidrBlockAssociationSet", "item"))
    add_text(item, "cidrBlock", cidr)
    add_text(item, "associationId", link)
    state = type(links)(links.tag.replace("cidrBlockAssociationSet", "cidrBlockState"))
    add_text(state, "state", "associated")
    item.append(state)
    links.append(item)
