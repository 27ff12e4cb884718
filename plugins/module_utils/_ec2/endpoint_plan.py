# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans the VPC endpoints of a network, field by field; pure functions.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import (
    Call,
    Ref,
    Step,
    Wait,
    removal,
    tag_calls,
    tag_specification,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import is_owned, refuse_foreign
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    tag_differences,
    tags_after,
)

# What AWS gives an endpoint that is created without a policy.
FULL_ACCESS: Fields = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
BROKEN_STATES = ("failed", "rejected", "expired")
LEAVING_STATES = ("deleting", "deleted")
ID_LISTS = {
    "subnet_ids": "SubnetIds",
    "security_group_ids": "SecurityGroupIds",
    "route_table_ids": "RouteTableIds",
}
Key = tuple[str, str]


def plan(current: list[Fields], params: Fields, region: str) -> Plan:
    """``current`` holds every endpoint of the VPC, those that AWS is deleting included."""
    living = [endpoint for endpoint in current if endpoint["state"] not in LEAVING_STATES]
    wanted = [] if params["state"] == "absent" else wanted_endpoints(params, region)
    matched = {key_of(endpoint): endpoint for endpoint in living}
    changes = []
    result = []
    for endpoint in wanted:
        found = matched.get(key_of(endpoint))
        change = plan_endpoint(found, endpoint, current, params)
        changes += [change] if change else []
        result.append({**(found or {}), **(change.after if change else {})})
    leaving = undeclared(living, params, region) if params["purge"] or params["state"] == "absent" else []
    kept = [endpoint for endpoint in living if endpoint not in leaving and key_of(endpoint) not in map(key_of, wanted)]
    changes += [delete_endpoint(endpoint) for endpoint in leaving]
    return Plan(summarise([*result, *kept], params, region), tuple(changes))


def key_of(endpoint: Fields) -> Key:
    return endpoint["type"], endpoint["service"]


def summarise(endpoints: list[Fields], params: Fields, region: str) -> Fields:
    """Returns the declared endpoints by short name, and what could be purged."""
    declared = {key_of(endpoint): endpoint["name"] for endpoint in wanted_endpoints(params, region)}
    living = [endpoint for endpoint in endpoints if endpoint["state"] not in LEAVING_STATES]
    return {
        "endpoints": {declared[key_of(endpoint)]: endpoint for endpoint in living if key_of(endpoint) in declared},
        "undeclared": [short_name(endpoint["service"]) for endpoint in undeclared(living, params, region)],
    }


def undeclared(living: list[Fields], params: Fields, region: str) -> list[Fields]:
    """Returns endpoints that are ours and, unless all have to go, not declared."""
    declared = [] if params["state"] == "absent" else wanted_endpoints(params, region)
    keys = [key_of(endpoint) for endpoint in declared]
    return [
        endpoint for endpoint in living if is_owned(endpoint["tags"], params["tags"]) and key_of(endpoint) not in keys
    ]


def full_name(service: str, region: str) -> str:
    return service if service.startswith(("com.", "cn.", "aws.")) else f"com.amazonaws.{region}.{service}"


def short_name(service: str) -> str:
    """com.amazonaws.<region>.ecr.api is ecr.api for people."""
    return service.split(".", 3)[-1] if service.startswith("com.amazonaws.") else service


def wanted_endpoints(params: Fields, region: str) -> list[Fields]:
    interface, gateway = params["interface"] or {}, params["gateway"] or {}
    endpoints = [
        {
            **_common("Interface", service, interface, params, region),
            "subnet_ids": sorted(set(interface["subnet_ids"])),
            "security_group_ids": sorted(set(interface["security_group_ids"])),
            "private_dns": interface["private_dns"],
        }
        for service in interface.get("services") or []
    ]
    return endpoints + [
        {
            **_common("Gateway", service, gateway, params, region),
            "route_table_ids": sorted(set(gateway["route_table_ids"])),
        }
        for service in gateway.get("services") or []
    ]


def _common(kind: str, service: str, group: Fields, params: Fields, region: str) -> Fields:
    name = {"Name": f"{params['name']}-{service}"} if params["name"] else {}
    return {
        "name": service,
        "type": kind,
        "service": full_name(service, region),
        "policy": (group["policies"] or {}).get(service) or FULL_ACCESS,
        "tags": {**(params["tags"] or {}), **name},
    }


def plan_endpoint(found: Fields | None, wanted: Fields, current: list[Fields], params: Fields) -> Change | None:
    # AWS refuses private DNS while an endpoint for the same service is still on its way out.
    going = [end["id"] for end in current if key_of(end) == key_of(wanted) and end["state"] in LEAVING_STATES]
    if found is None:
        return create_endpoint(wanted, going, params)
    refuse_foreign(f"VPC endpoint {found['id']} for {wanted['name']}", found["tags"], params)
    if found["state"] in BROKEN_STATES:
        return replace_endpoint(found, wanted, going, params)
    return update_endpoint(found, wanted, params)


def create_endpoint(wanted: Fields, going: list[str], params: Fields) -> Change:
    call = Call(
        "create_vpc_endpoint", creation_request(wanted, params), wanted["name"], ("VpcEndpoint", "VpcEndpointId")
    )
    return Change(Action.CREATE, "vpc_endpoint", wanted["name"], after=shown_new(wanted), call=(*waits(going), call))


def replace_endpoint(found: Fields, wanted: Fields, going: list[str], params: Fields) -> Change:
    delete = removal("delete_vpc_endpoints", VpcEndpointIds=[found["id"]])
    create = create_endpoint(wanted, [*going, found["id"]], params)
    steps = (delete, *create.call)
    return Change(Action.REPLACE, "vpc_endpoint", wanted["name"], before=found, after=create.after, call=steps)


def waits(ids: list[str]) -> list[Step]:
    return [Wait("vpc_endpoints_deleted", {"VpcEndpointIds": ids})] if ids else []


def shown_new(wanted: Fields) -> Fields:
    fields = {key: value for key, value in wanted.items() if key != "name"}
    return {"id": KNOWN_AFTER_APPLY, "state": "pending", **fields}


def creation_request(wanted: Fields, params: Fields) -> Fields:
    lists = {key: wanted[name] for name, key in ID_LISTS.items() if name in wanted}
    policy = {} if wanted["policy"] == FULL_ACCESS else {"PolicyDocument": json.dumps(wanted["policy"])}
    dns = {"PrivateDnsEnabled": wanted["private_dns"]} if wanted["type"] == "Interface" else {}
    return {
        "VpcId": params["vpc_id"],
        "VpcEndpointType": wanted["type"],
        "ServiceName": wanted["service"],
        "ClientToken": Ref(token_key(wanted["name"])),
        **lists,
        **dns,
        **policy,
        "TagSpecifications": tag_specification("vpc-endpoint", wanted["tags"]),
    }


def token_key(service: str) -> str:
    """A token makes a repeated request harmless; it is drawn when the plan is carried out."""
    return f"token of {service}"


def update_endpoint(found: Fields, wanted: Fields, params: Fields) -> Change | None:
    fields = [*(name for name in ID_LISTS if name in wanted), *(["private_dns"] if "private_dns" in wanted else [])]
    before = {name: found[name] for name in fields if found[name] != wanted[name]}
    after = {name: wanted[name] for name in before}
    if compare_policies(found["policy"], wanted["policy"]):
        before["policy"], after["policy"] = found["policy"], wanted["policy"]
    steps: list[Step] = []
    if after:
        steps.append(Call("modify_vpc_endpoint", modification_request(found, after)))
    purge_tags = params["purge_tags"] and params["tags"] is not None
    to_set, to_remove = tag_differences(found["tags"], wanted["tags"], purge_tags)
    if to_set or to_remove:
        before["tags"], after["tags"] = found["tags"], tags_after(found["tags"], to_set, to_remove)
        steps += tag_calls(found["id"], to_set, to_remove)
    if not after:
        return None
    return Change(Action.UPDATE, "vpc_endpoint", wanted["name"], before, after, tuple(steps))


def modification_request(found: Fields, after: Fields) -> Fields:
    request: Fields = {"VpcEndpointId": found["id"]}
    for name, key in ID_LISTS.items():
        if name in after:
            request |= _list_change(key, found[name], after[name])
    if "private_dns" in after:
        request["PrivateDnsEnabled"] = after["private_dns"]
    if after.get("policy") == FULL_ACCESS:
        request["ResetPolicy"] = True
    elif "policy" in after:
        request["PolicyDocument"] = json.dumps(after["policy"])
    return request


def _list_change(key: str, current: list[str], wanted: list[str]) -> dict[str, Any]:
    added = [item for item in wanted if item not in current]
    removed = [item for item in current if item not in wanted]
    return {**({f"Add{key}": added} if added else {}), **({f"Remove{key}": removed} if removed else {})}


def delete_endpoint(endpoint: Fields) -> Change:
    delete = removal("delete_vpc_endpoints", VpcEndpointIds=[endpoint["id"]])
    return Change(Action.DELETE, "vpc_endpoint", short_name(endpoint["service"]), before=endpoint, call=(delete,))
