# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All links of an environment, judged, and the block that people read.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor import entrance, permissions, reach
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.account import AT_ONCE
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.oracle import Oracle
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import Break
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import (
    SITE,
    BrokenError,
    NotCheckedError,
    State,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

CLIENT = "client"
BALANCER = "load balancer"
TASKS = "tasks"
ECS = "ECS"


@dataclass(frozen=True)
class Link:
    """Two ends, and the rule that yields what is broken between them."""

    source: str
    target: str
    rule: Callable[[], Iterator[Break]]


def links_of(state: State, oracle: Oracle) -> list[Link]:
    """Returns the links that the environment needs, in the order of a request."""
    links = [*entrance_links(state), *balancer_links(state)]
    try:
        return [*links, *task_links(state, oracle), *permission_links(state, oracle)]
    except NotCheckedError as error:
        return [*links, Link(ECS, f"service {state.declared.name}", partial(no_service, state, error))]


def no_service(state: State, reason: NotCheckedError) -> Iterator[Break]:
    """Yields that there is nothing to look at; what may not be read stays unjudged."""
    there = [state.fact(fact) for fact in ("service", "task_definition")]
    missing = reason.reason if there[0] else f"there is no service {state.declared.name}"
    yield Break(missing, SITE)


def entrance_links(state: State) -> list[Link]:
    declared = state.declared
    links = [
        Link(f"zone {declared.parent_domain}", f"zone {declared.domain}", partial(entrance.delegated, state)),
        Link(CLIENT, f"name {declared.domain}", partial(entrance.named, state)),
        Link(CLIENT, f"{BALANCER}:443", partial(entrance.opened, state, 443)),
        Link(CLIENT, f"{BALANCER}:80", partial(entrance.opened, state, 80)),
        Link(CLIENT, "certificate", partial(entrance.certified, state)),
    ]
    ports = {f"{BALANCER}:443": declared.https_cidrs, f"{BALANCER}:80": declared.http_cidrs}
    return [one for one in links if ports.get(one.target, True)]


def balancer_links(state: State) -> list[Link]:
    links = [
        Link(BALANCER, "Cognito:443", partial(entrance.calls_login, state)),
        Link(BALANCER, "user pool client", partial(entrance.login_settings, state)),
        Link(CLIENT, "login pages", partial(entrance.login_pages, state)),
    ]
    return links if state.declared.login else []


def task_links(state: State, oracle: Oracle) -> list[Link]:
    services = sorted(
        {need.service for need in permissions.all_needs(state)} | ({"ecr.dkr"} if state.images else set())
    )
    links = [
        Link(BALANCER, f"{TASKS}:{port}", partial(reach.to_tasks, state))
        for port in [one["container_port"] for one in state.service["load_balancers"][:1]]
    ]
    links += [
        Link(BALANCER, "target group", partial(reach.forwards, state)),
        Link(BALANCER, "healthy targets", partial(reach.healthy, state)),
        Link(TASKS, "DNS", partial(reach.resolves, state)),
        *(Link(TASKS, f"{one}:443", partial(reach.to_service, state, oracle, one)) for one in services),
    ]
    return links + ([Link(TASKS, "s3:443", partial(reach.to_layers, state, oracle))] if state.images else [])


def permission_links(state: State, oracle: Oracle) -> list[Link]:
    by = f"role {permissions.role_name(state.execution_role)}"
    links = [
        Link(ECS, f"role {permissions.role_name(one)}", partial(permissions.trusted, state, oracle, one))
        for one in state.roles
    ]
    links += [Link(by, f"image {one.short}", partial(permissions.pulls, state, oracle, one)) for one in state.images]
    links += [Link(by, f"log group {one}", partial(permissions.logs, state, oracle, one)) for one in state.log_groups]
    links += [
        Link(by, f"secret {one.variable}", partial(permissions.reads, state, oracle, one)) for one in state.secrets
    ]
    shell = Link(
        f"role {permissions.role_name(state.task_role)}", "ECS Exec", partial(permissions.shell, state, oracle)
    )
    return links + ([shell] if state.exec else [])


def judge(links: Iterable[Link]) -> list[Fields]:
    """Returns the verdict on each link; one that is broken in several places has an entry for each."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [verdict for verdicts in pool.map(verdicts_on, links) for verdict in verdicts]


def verdicts_on(link: Link) -> list[Fields]:
    ends = {"from": link.source, "to": link.target}
    found: dict[str, Break] = {}
    try:
        for one in link.rule():
            found.setdefault(one.remedy, one)
    except BrokenError as error:
        found.setdefault(error.found.remedy, error.found)
    except NotCheckedError as error:
        if not found:
            return [{**ends, "ok": None, "broken_at": error.reason, "remedy": error.remedy}]
    broken = [{**ends, "ok": False, "broken_at": one.broken_at, "remedy": one.remedy} for one in found.values()]
    return broken or [{**ends, "ok": True, "broken_at": "", "remedy": ""}]


def report(name: str, links: list[Fields]) -> Fields:
    """Returns the block of an environment: what is broken, what nobody could look at, and the healthy rest."""
    block: Fields = {"broken": {}, "not checked": {}, "ok": {}}
    for one in links:
        between = f"{one['from']} -> {one['to']}"
        if one["ok"]:
            block["ok"].setdefault(one["from"], []).append(one["to"])
        elif one["ok"] is None:
            block["not checked"][between] = "; ".join(text for text in (one["broken_at"], one["remedy"]) if text)
        else:
            block["broken"].setdefault(between, []).append({"at": one["broken_at"], "do": one["remedy"]})
    block["ok"] = {source: ", ".join(targets) for source, targets in block["ok"].items()}
    return {key: value for key, value in block.items() if value} | {"summary": summary(name, links)}


def summary(name: str, links: list[Fields]) -> str:
    ends = {(one["from"], one["to"]): one["ok"] for one in links}
    counts = {word: list(ends.values()).count(value) for word, value in (("broken", False), ("not checked", None))}
    problems = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{name} has {len(ends)} links, {', '.join(problems) or 'all of them fine'}"
