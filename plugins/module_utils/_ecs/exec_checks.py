# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands in the way of a session of ECS Exec, each with its remedy, from facts alone.

What a session needs: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

AGENT = "ExecuteCommandAgent"
ACTIONS = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
# The last version that takes the session's token as an argument, where everybody on the machine can read it.
LAST_TELLING_VERSION = (1, 2, 497, 0)
INSTALL = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
REDEPLOY = "set stack_exec to true and run gatehouse.fargate.site"
WAIT = "wait half a minute and run this again; if it stays so, look at the other points"


@dataclass(frozen=True)
class Problem:
    """Something that keeps a session from being opened."""

    what: str
    remedy: str

    def shown(self) -> Fields:
        return {"problem": self.what, "remedy": self.remedy}


@dataclass(frozen=True)
class Facts:
    """Everything that was found out; what depends on something missing is empty."""

    service: Fields = field(default_factory=dict)
    task: Fields = field(default_factory=dict)
    # Container definition and state of the container to enter.
    container: Fields = field(default_factory=dict)
    state: Fields = field(default_factory=dict)
    role: str = ""
    # Actions that the task role may not take, None when nobody could be asked.
    denied: tuple[str, ...] | None = ()
    # Why the task cannot reach ssmmessages, empty when it can.
    unreachable: str = ""
    # What the plugin says when it is asked for its version; empty when it is not there.
    plugin_version: str = ""
    plugin: str = "session-manager-plugin"
    terminal: bool = True


def problems(facts: Facts) -> list[Problem]:
    """Returns everything that stands in the way, what is nearest to the caller first."""
    return [*on_this_machine(facts), *of_service(facts), *of_container(facts), *of_surroundings(facts)]


def on_this_machine(facts: Facts) -> Iterator[Problem]:
    if not facts.plugin_version:
        yield Problem(f"{facts.plugin} does not run on this machine", INSTALL)
    elif version(facts.plugin_version) <= LAST_TELLING_VERSION:
        yield Problem(
            f"{facts.plugin} is {facts.plugin_version}, which takes a session's token as an argument that "
            "everybody on this machine can read",
            f"{INSTALL}; anything newer than 1.2.497.0 will do",
        )
    if not facts.terminal:
        yield Problem(
            "a shell needs a terminal, and this run has none",
            "run it in a terminal, or give a command: -e command='...'",
        )


def version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:4])


def of_service(facts: Facts) -> Iterator[Problem]:
    if not facts.service:
        yield Problem(
            "there is no such service", "deploy it with gatehouse.fargate.site, or look at its name and the region"
        )
        return
    if not facts.service.get("enableExecuteCommand"):
        yield Problem("ECS Exec is off for the service", REDEPLOY)
    if not facts.task:
        yield Problem(
            "no task of the service runs",
            "look at the service's events, or run gatehouse.fargate.site, which tells why its tasks stop",
        )
    elif not facts.task.get("enableExecuteCommand"):
        yield Problem(
            f"task {identifier(facts.task)} was started while ECS Exec was off",
            "let ECS start a new one: " + REDEPLOY,
        )


def of_container(facts: Facts) -> Iterator[Problem]:
    if not facts.container:
        return
    name = facts.container["name"]
    agents = {agent["name"]: agent for agent in facts.state.get("managedAgents", [])}
    agent = agents.get(AGENT, {})
    if agent.get("lastStatus") != "RUNNING" and facts.task.get("enableExecuteCommand"):
        because = f": {agent['reason']}" if agent.get("reason") else ""
        yield Problem(f"the agent in container {name} is {agent.get('lastStatus', 'not there')}{because}", WAIT)
    if facts.container.get("readonlyRootFilesystem"):
        yield Problem(
            f"the root file system of container {name} is read-only, and the agent has to write to it",
            "set ecs_service_readonly_root_filesystem to false and run gatehouse.fargate.site",
        )
    if not facts.container.get("linuxParameters", {}).get("initProcessEnabled"):
        yield Problem(
            f"container {name} has no init process, so what a session leaves behind stays as zombies",
            "set linux_parameters.init_process_enabled of the task definition to true and deploy",
        )


def of_surroundings(facts: Facts) -> Iterator[Problem]:
    if not facts.task:
        return
    if not facts.role:
        yield Problem("the task has no task role, so its agent may not open channels", REDEPLOY)
    elif facts.denied:
        yield Problem(f"role {facts.role} may not {', '.join(facts.denied)}", REDEPLOY)
    if facts.unreachable:
        yield Problem(facts.unreachable, REDEPLOY)


def identifier(task: Fields) -> str:
    return str(task["taskArn"].rsplit("/", 1)[-1])


def told(name: str, found: list[Problem]) -> str:
    """Returns all problems as one message."""
    head = f"A session in {name} cannot be opened."
    return "\n".join([head, *(f"{number}. {one.what}. Remedy: {one.remedy}." for number, one in enumerate(found, 1))])
