# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tags: they need a resource, leave with it, and are removed only when the given value matches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..hooks import Handler, Params, Response, guard, patch_action
from .api import backend, error, members, reply, text

OWNERS: dict[str, tuple[str, Any]] = {
    "vpc": ("InvalidVpcID.NotFound", backend._vpcs),
    "subnet": ("InvalidSubnetID.NotFound", backend._subnets),
    "sg": ("InvalidGroup.NotFound", backend._security_groups),
    "rtb": ("InvalidRouteTableID.NotFound", backend._route_tables),
    "igw": ("InvalidInternetGatewayID.NotFound", backend._internet_gateways),
    "eipalloc": ("InvalidAllocationID.NotFound", backend._addresses),
    "nat": ("NatGatewayNotFound", backend._nat_gateways),
    "vpce": ("InvalidVpcEndpointId.NotFound", backend._vpc_endpoints),
}
DELETES = {
    "DeleteVpc": "VpcId",
    "DeleteSubnet": "SubnetId",
    "DeleteSecurityGroup": "GroupId",
    "DeleteRouteTable": "RouteTableId",
    "DeleteInternetGateway": "InternetGatewayId",
    "DeleteManagedPrefixList": "PrefixListId",
}


def install() -> None:
    guard(backend._ACTION_MAP, "CreateTags", _check_create_tags)
    patch_action(backend._ACTION_MAP, "DeleteTags", lambda _original: _delete_tags)
    for action, parameter in DELETES.items():
        patch_action(backend._ACTION_MAP, action, _forgetting_tags(parameter))


def _check_create_tags(params: Params) -> Response | None:
    for resource_id in members(params, "ResourceId"):
        code, store = OWNERS.get(resource_id.split("-")[0], ("", {resource_id}))
        if resource_id not in store:
            return error(code, f"The ID '{resource_id}' does not exist")
    return None


def _delete_tags(params: Params) -> Response:
    unwanted = {tag["Key"]: tag["Value"] for tag in backend._parse_tags(params)}
    for resource_id in members(params, "ResourceId"):
        kept = [tag for tag in backend._tags.get(resource_id, []) if not _is_unwanted(tag, unwanted)]
        backend._tags[resource_id] = kept if unwanted else []
    return reply("DeleteTags")


def _is_unwanted(tag: dict[str, str], unwanted: dict[str, str]) -> bool:
    return tag["Key"] in unwanted and unwanted[tag["Key"]] in ("", tag["Value"])


def _forgetting_tags(parameter: str) -> Callable[[Handler], Handler]:
    def wrap(original: Handler) -> Handler:
        def run(params: Params) -> Response:
            response = original(params)
            if response[0] == 200:
                backend._tags.pop(text(params, parameter), None)
            return response

        return run

    return wrap
