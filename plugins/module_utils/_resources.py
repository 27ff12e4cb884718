# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names the resources that the result of a module holds, as its changes name them.

So a plan can tell what is as declared, and a resource has one name whatever happens to it.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

State = Any
Fields = dict[str, Any]
Resource = tuple[str, str]
Lister = Callable[[State, Fields], Iterator[Resource]]


def single(resource: str, *fields: str) -> Lister:
    """Returns the lister of a module whose result is one resource, named by these fields."""

    def lister(state: State, _params: Fields) -> Iterator[Resource]:
        if state:
            yield resource, ":".join(str(state[field]) for field in fields)

    return lister


def of_certificate(state: State, params: Fields) -> Iterator[Resource]:
    if not state:
        return
    yield "acm_certificate", params["domain_name"]
    if params["validation_zone_id"]:
        for record in state["validation_records"]:
            yield "acm_validation_record", record["domain_name"]


def of_zone(state: State, _params: Fields) -> Iterator[Resource]:
    if "id" in state:
        yield "route53_zone", state["name"]
    if state.get("delegation"):
        yield "route53_delegation", state["delegation"]["name"]


def of_records(state: State, params: Fields) -> Iterator[Resource]:
    if params["state"] == "present":
        for record in state:
            yield "route53_record", f"{record['name']} {record['type']}"


def of_domain(state: State, _params: Fields) -> Iterator[Resource]:
    if state:
        yield "cognito_user_pool_domain", state["domain"]
        for client_id in state["styled_client_ids"]:
            yield "cognito_managed_login_style", client_id


def of_roles(state: State, _params: Fields) -> Iterator[Resource]:
    for name, role in state.items():
        if role:
            yield "iam_role", name


def of_users(state: State, params: Fields) -> Iterator[Resource]:
    declared = {user["username"].lower() for user in params["users"]}
    for user in state:
        if user["username"].lower() in declared:
            yield "cognito_user", user["username"]


def of_live_images(state: State, _params: Fields) -> Iterator[Resource]:
    if state["tagged"]:
        yield "ecr_live_images", state["repository"]


def of_load_balancer(state: State, _params: Fields) -> Iterator[Resource]:
    if not state:
        return
    yield "elb_load_balancer", state["name"]
    for listener in state["listeners"]:
        yield "elb_listener", f"{state['name']}:{listener['port']}"
        for rule in listener["rules"]:
            yield "elb_listener_rule", f"{state['name']}:{listener['port']}/{rule['priority']}"


def of_scaling(state: State, params: Fields) -> Iterator[Resource]:
    if not state:
        return
    yield "scalable_target", state["resource_id"]
    for kind, parts in (("scaling_policy", "policies"), ("scheduled_action", "schedules")):
        for name in state[parts]:
            yield kind, f"{params['service']}:{name}"


NETWORK_LISTS = {
    "subnets": "subnet",
    "route_tables": "route_table",
    "nat_gateways": "nat_gateway",
    "addresses": "elastic_ip",
}


def of_network(state: State, params: Fields) -> Iterator[Resource]:
    single_parts = [(kind, state[kind]) for kind in ("vpc", "internet_gateway") if state[kind]]
    parts = [(kind, item) for name, kind in NETWORK_LISTS.items() for item in state[name]]
    for kind, item in [*single_parts, *parts]:
        name = item["tags"].get("Name", "")
        if name.startswith(f"{params['name']}-"):
            yield kind, name


def of_groups(state: State, params: Fields) -> Iterator[Resource]:
    if params["state"] == "present":
        for name in state["groups"]:
            yield "security_group", name


def of_endpoints(state: State, params: Fields) -> Iterator[Resource]:
    if params["state"] == "present":
        for name in state["endpoints"]:
            yield "vpc_endpoint", name


def of_alarms(state: State, _params: Fields) -> Iterator[Resource]:
    for name in state["own"]:
        yield "cloudwatch_alarm", name


LISTERS: dict[str, Lister] = {
    "alarms": of_alarms,
    "bucket": single("s3_log_bucket", "name"),
    "certificate": of_certificate,
    "client": single("cognito_user_pool_client", "name"),
    "cluster": single("ecs_cluster", "name"),
    "domain": of_domain,
    "image": single("ecr_image", "repository", "tag"),
    "live_images": of_live_images,
    "load_balancer": of_load_balancer,
    "log_group": single("cloudwatch_log_group", "name"),
    "network": of_network,
    "records": of_records,
    "repository": single("ecr_repository", "name"),
    "scalable_target": of_scaling,
    "roles": of_roles,
    "rollback": single("ecs_service", "service"),
    "security_groups": of_groups,
    "service": single("ecs_service", "name"),
    "target_group": single("elb_target_group", "name"),
    "task_definition": single("ecs_task_definition", "family"),
    "user_pool": single("cognito_user_pool", "name"),
    "users": of_users,
    "vpc_endpoints": of_endpoints,
    "zone": of_zone,
}


def resources(key: str, state: State, params: Fields) -> list[Resource]:
    """Returns kind and name of each resource under the result ``key``."""
    return list(dict.fromkeys(LISTERS[key](state, params))) if key in LISTERS else []
