# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Links from the load balancer to the tasks, and from the tasks to the services of AWS.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.entrance import INTERNET, to_internet
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.oracle import ALLOWED, EVERYBODY, Oracle
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import (
    EPHEMERAL,
    EVERYWHERE,
    Break,
    End,
    acl_breaks,
    connection,
    route_break,
    route_to,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.permissions import Need, all_needs, who_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import (
    HTTPS,
    SITE,
    BrokenError,
    NotCheckedError,
    State,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.shifts import target_groups
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.shared_traffic import weights_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

TRAFFIC_PORT = "traffic-port"
FILTERED = "mend the link from the load balancer to the tasks, or let the app listen at that port on all addresses"
TARGET_REMEDIES = {
    "Target.Timeout": FILTERED,
    "Target.FailedHealthChecks": FILTERED,
    "Target.ResponseCodeMismatch": "let the app answer the health check's path with the expected code, or set "
    "alb_https_health_check_path and alb_https_health_check_matcher to what it answers",
}
WAITING = ("initial", "draining")


def binding(state: State) -> Fields:
    """Returns how the service is tied to a target group."""
    found: list[Fields] = state.service["load_balancers"]
    if not found:
        raise BrokenError(f"service {state.declared.name} is tied to no target group", SITE)
    return found[0]


def ports(state: State) -> list[int]:
    """Returns the ports that the load balancer connects to: the app's, and that of the health check."""
    tie, group = binding(state), target_group(state)
    check = group.get("HealthCheckPort", TRAFFIC_PORT)
    return sorted({tie["container_port"], *([] if check == TRAFFIC_PORT else [int(check)])})


def target_group(state: State) -> Fields:
    arn = group_in_use(state)
    return next((one for one in state.fact("target_groups") or [] if one["TargetGroupArn"] == arn), {})


def group_in_use(state: State) -> str:
    """Returns the target group of the service that gets the traffic, of two the one with the greater weight."""
    traffic = forwarded(state)
    return max(target_groups([binding(state)]), key=lambda arn: traffic.get(arn, -1))


def forwarded(state: State) -> dict[str, int]:
    """Returns what the rules for HTTPS forward to, with the greatest weight that each target group has."""
    rules = state.listener(HTTPS).get("rules", [])
    found: dict[str, int] = {}
    for action in (one for rule in rules for one in rule["actions"] if one["type"] == "forward"):
        for arn, weight in weights_of(action).items():
            found[arn] = max(weight, found.get(arn, 0))
    return found


def to_tasks(state: State) -> Iterator[Break]:
    """Yields what stops packets between the load balancer and the tasks."""
    tasks = state.tasks
    for port in ports(state):
        for node in state.nodes:
            for task in tasks:
                yield from connection(state.fabric, node, task, port)


def forwards(state: State) -> Iterator[Break]:
    """Yields where listener, target group and container do not fit together."""
    balancer, tie = state.balancer, binding(state)
    group, port, container = target_group(state), tie["container_port"], container_of(state, tie["container_name"])
    if not forwarded(state).get(group_in_use(state)):
        yield Break(
            f"no rule at port {HTTPS} of load balancer {balancer['name']} forwards to {tie['target_group_arn']}",
            f"add a rule that forwards to it: {SITE}",
        )
    elif group["TargetType"] != "ip":
        yield Break(f"target group {group['TargetGroupName']} has targets of type {group['TargetType']}", SITE)
    if port not in [one["containerPort"] for one in container.get("portMappings", [])]:
        yield Break(
            f"the service registers port {port}, which container {tie['container_name']} does not open",
            f"open port {port} in the task definition, or set stack_app_port, and {SITE}",
        )


def container_of(state: State, name: str) -> Fields:
    return next((one for one in state.task["containerDefinitions"] if one["name"] == name), {})


def healthy(state: State) -> Iterator[Break]:
    """Yields the targets that the load balancer takes for ill, and a service that has none."""
    service, group = state.service, target_group(state)
    if not group:
        raise NotCheckedError("the load balancer does not use the service's target group")
    if service["running_count"] < service["desired_count"]:
        reason = state.fact("stopped") or next(iter(service["events"]), "ECS gives no reason")
        yield Break(
            f"{service['running_count']} of {service['desired_count']} tasks run: {reason}",
            f"mend the other broken links of the tasks, or the app, and {SITE}",
        )
    states = [one["TargetHealth"]["State"] for one in group["health"]]
    for target in group["health"]:
        if target["TargetHealth"]["State"] not in ("healthy", *WAITING):
            yield ill(group, target)
    if states and "healthy" not in states and set(states) <= set(WAITING):
        raise NotCheckedError("the first health checks are not done", "run the doctor again in a minute")


def ill(group: Fields, target: Fields) -> Break:
    health, port = target["TargetHealth"], target["Target"].get("Port", "")
    check = f"{group['HealthCheckPath']} expecting {group.get('Matcher', {}).get('HttpCode', '200')}"
    why = health.get("Description") or health.get("Reason", "")
    name = f"target {target['Target']['Id']}:{port} of {group['TargetGroupName']}"
    return Break(
        f"{name} is {health['State']}, checked at {check}: {why}",
        TARGET_REMEDIES.get(health.get("Reason", ""), SITE),
    )


def resolves(state: State) -> Iterator[Break]:
    """Yields why names of AWS do not resolve in the VPC; private names of endpoints need both attributes."""
    vpc = state.vpc
    needed = ("dns_support",) if state.declared.nat else ("dns_support", "dns_hostnames")
    for fact, name in (("dns_support", "enableDnsSupport"), ("dns_hostnames", "enableDnsHostnames")):
        if fact in needed and not state.fact(fact):
            yield Break(f"attribute {name} of {vpc} is false", f"set attribute {name} of {vpc} to true: {SITE}")


def endpoint_of(state: State, service: str) -> Fields:
    """Returns the endpoint that requests to a service take: private names lead there even where there is a NAT."""
    suffix = f"{state.declared.region}.{service}"
    named = [one for one in state.fact("endpoints") or [] if one["ServiceName"].endswith(f".amazonaws.{suffix}")]
    return next(
        (one for one in named if one["VpcEndpointType"] != "Interface" or one.get("PrivateDnsEnabled")), {}
    ) or (named[0] if named else {})


def to_service(state: State, oracle: Oracle, service: str) -> Iterator[Break]:
    """Yields why the tasks do not get to a service, by its interface endpoint or through NAT."""
    tasks, endpoint = state.tasks, endpoint_of(state, service)
    if state.declared.nat and not (endpoint and endpoint.get("PrivateDnsEnabled")):
        yield from through_nat(state, tasks)
        return
    name = f"com.amazonaws.{state.declared.region}.{service}"
    if not endpoint:
        raise BrokenError(f"{state.vpc} has no endpoint for {name}", f"create an interface endpoint for {name}: {SITE}")
    identifier = endpoint["VpcEndpointId"]
    yield from usable(endpoint, f"endpoint {identifier} of {name}")
    if not endpoint.get("PrivateDnsEnabled"):
        yield Break(
            f"endpoint {identifier} of {name} has no private DNS", f"enable private DNS of {identifier}: {SITE}"
        )
    doors = state.ends(
        "endpoint", endpoint.get("SubnetIds", []), [one["GroupId"] for one in endpoint.get("Groups", [])]
    )
    if not doors:
        yield Break(
            f"endpoint {identifier} of {name} is in no subnet", f"add the tasks' subnets to {identifier}: {SITE}"
        )
    for task in tasks:
        for door in doors:
            yield from connection(state.fabric, task, door, HTTPS)
    for need in all_needs(state):
        if need.service == service or (
            service == "ecr.dkr" and need.service == "ecr.api" and need.resource != EVERYBODY
        ):
            yield from let_through(state, oracle, endpoint, need)


def usable(endpoint: Fields, name: str) -> Iterator[Break]:
    if endpoint["State"].lower() != "available":
        yield Break(f"{name} is {endpoint['State']}", "wait until it is available, or " + SITE)


def let_through(state: State, oracle: Oracle, endpoint: Fields, need: Need) -> Iterator[Break]:
    """Yields what the policy of an endpoint does not let a role do through it."""
    document: Any = endpoint.get("PolicyDocument")
    if not document:
        return
    identifier, who = endpoint["VpcEndpointId"], who_is(state, need.role, delegated=True)
    for answer in oracle.document(document, who, need.actions, need.resource):
        if answer.decision != ALLOWED:
            yield Break(
                f"the policy of endpoint {identifier} does not allow {answer.action} on {need.resource}",
                f"let the policy of {identifier} allow {answer.action} on {need.resource} to {need.role or '*'}",
            )


def to_layers(state: State, oracle: Oracle) -> Iterator[Break]:
    """Yields why the tasks do not get at the layers of images, which ECR keeps in a bucket of its own in S3."""
    tasks = state.tasks
    s3 = s3_end(state)
    gateways = [one for one in state.fact("endpoints") or [] if is_s3_gateway(state, one)]
    on_tables = {table for one in gateways for table in one.get("RouteTableIds", [])}
    closed = [task for task in tasks if state.fabric.tables[task.subnet].id not in on_tables]
    if closed and state.declared.nat:
        yield from through_nat(state, closed)
    elif closed:
        yield from without_gateway(state, gateways, closed)
    for task in tasks:
        yield from connection(state.fabric, task, s3, HTTPS)
    region = state.declared.region
    layers = f"arn:{state.declared.partition}:s3:::prod-{region}-starport-layer-bucket/layer"
    for gateway in gateways:
        yield from usable(gateway, f"gateway endpoint {gateway['VpcEndpointId']} of S3")
        # Layers are fetched with addresses that ECR has signed, so the policy sees no role of ours.
        yield from let_through(state, oracle, gateway, Need("s3", "", ("s3:GetObject",), layers))


def s3_end(state: State) -> End:
    lists = state.some("prefix_lists", "prefix list of S3 in this region")
    return End("S3", tuple(state.fabric.prefix_lists.get(lists[0], ())), prefix_list=lists[0])


def is_s3_gateway(state: State, endpoint: Fields) -> bool:
    suffix = f".amazonaws.{state.declared.region}.s3"
    return endpoint["VpcEndpointType"] == "Gateway" and str(endpoint["ServiceName"]).endswith(suffix)


def without_gateway(state: State, gateways: list[Fields], closed: list[End]) -> Iterator[Break]:
    name = f"com.amazonaws.{state.declared.region}.s3"
    if not gateways:
        raise BrokenError(
            f"{state.vpc} has no gateway endpoint for {name}", f"create a gateway endpoint for {name}: {SITE}"
        )
    for task in closed:
        table, gateway = state.fabric.tables[task.subnet].id, gateways[0]["VpcEndpointId"]
        yield Break(
            f"gateway endpoint {gateway} of {name} is not on route table {table} of {task.subnet}",
            f"add route table {table} to {gateway}: {SITE}",
        )


def through_nat(state: State, tasks: list[End]) -> Iterator[Break]:
    """Yields why tasks do not get to the internet through a NAT gateway."""
    nats = {one["NatGatewayId"]: one for one in state.fact("nat_gateways") or [] if one["State"] == "available"}
    hint = f"{EVERYWHERE} to {min(nats)}" if nats else f"{EVERYWHERE} to a NAT gateway, of which there is none: {SITE}"
    for task in tasks:
        yield from connection(state.fabric, task, INTERNET, HTTPS)
        yield from route_break(state.fabric, task.subnet, EVERYWHERE, nats, hint)
        route = route_to(state.fabric.tables[task.subnet], EVERYWHERE)
        if route and route.target in nats:
            yield from beyond_nat(state, task, nats[route.target]["SubnetId"])


def beyond_nat(state: State, task: End, subnet: str) -> Iterator[Break]:
    """Yields what stops packets at and after a NAT gateway, which has no security group."""
    back = (EPHEMERAL, "answers")
    for gateway in state.ends("NAT gateway", [subnet], []):
        if subnet != task.subnet:
            inward = End(gateway.name, INTERNET.networks, subnet)
            yield from acl_breaks(state.fabric, task, inward, (HTTPS, HTTPS), back)
        yield from connection(state.fabric, gateway, INTERNET, HTTPS)
        yield from to_internet(state, subnet, EVERYWHERE)
