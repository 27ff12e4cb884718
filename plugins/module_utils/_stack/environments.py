# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the environments of an inventory owe one another: names of their own, waves, and one build of each source.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_ARCHITECTURE = "x86_64"


@dataclass(frozen=True)
class Environment:
    """One host of the inventory, as far as the others are concerned."""

    name: str
    groups: tuple[str, ...] = ()
    stack_name: str = ""
    region: str = ""
    domain: str = ""
    account: str = ""
    app: str = ""
    architecture: str = DEFAULT_ARCHITECTURE
    source: str = ""
    builds: bool = True

    @property
    def recipe(self) -> tuple[str, str]:
        """What two environments share that can run the same image."""
        return self.app, self.architecture


def environment_of(name: str, variables: Mapping[str, Any]) -> Environment:
    """Returns what the variables of a host say; what is missing is empty."""

    def text(variable: str, default: str = "") -> str:
        return str(variables.get(variable) or default)

    given = variables.get("stack_image_source") or ""
    return Environment(
        name=name,
        groups=tuple(variables.get("group_names") or ()),
        stack_name=text("stack_name"),
        region=text("stack_region"),
        domain=text("stack_domain"),
        account=account_of(text("stack_role_arn"), text("stack_profile")),
        app=text("stack_app_path"),
        architecture=text("stack_architecture", DEFAULT_ARCHITECTURE),
        source=str(given.get("environment", "") if isinstance(given, Mapping) else given),
        builds=not given and not variables.get("stack_image_digest"),
    )


def account_of(role_arn: str, profile: str) -> str:
    """Returns what can be known of an account without asking AWS."""
    if role_arn:
        return f"account {role_arn.split(':')[4]}" if role_arn.count(":") >= 5 else role_arn
    return f"the account of profile {profile}" if profile else "the account of the AWS CLI's credentials"


def problems(environments: Iterable[Environment]) -> list[str]:
    """Returns a sentence for each pair of environments that would get in each other's way."""
    all_of_them = [one for one in environments if one.stack_name]
    by_name = {one.name: one for one in all_of_them}
    return [
        *same_domain(all_of_them),
        *same_stack(all_of_them),
        *(message for one in all_of_them if (message := other_architecture(one, by_name.get(one.source)))),
    ]


def same_domain(environments: Sequence[Environment]) -> list[str]:
    first: dict[str, str] = {}
    return [
        f"stack_domain of {first[one.domain]} and of {one.name} is {one.domain}: "
        "give each environment a domain of its own"
        for one in environments
        if one.domain and first.setdefault(one.domain, one.name) != one.name
    ]


def same_stack(environments: Sequence[Environment]) -> list[str]:
    first: dict[tuple[str, str, str], str] = {}
    found = []
    for one in environments:
        key = (one.stack_name, one.region, one.account)
        if first.setdefault(key, one.name) != one.name:
            found.append(
                f"stack_name of {first[key]} and of {one.name} is {one.stack_name}, both in {one.region} of "
                f"{one.account}: give each a name of its own, or another region or account"
            )
    return found


def other_architecture(one: Environment, source: Environment | None) -> str:
    if source is None or source.architecture == one.architecture:
        return ""
    return (
        f"stack_architecture of {one.name} is {one.architecture}, but its image comes from {source.name} "
        f"(stack_image_source), which has {source.architecture}: give both the same, or let {one.name} build"
    )


@dataclass(frozen=True)
class Batch:
    """Environments that run at the same time; ``first`` is the batch that opens its wave."""

    wave: str
    hosts: tuple[str, ...]
    first: bool


def wave_problems(environments: Sequence[Environment], waves: Sequence[str]) -> list[str]:
    """Returns what keeps environments from being put into waves."""
    found = [] if waves else ["rollout_waves is not set: list groups of the inventory in order, like [dev, production]"]
    for one in environments if waves else ():
        mine = [wave for wave in waves if wave in one.groups]
        if not mine:
            found.append(f"{one.name} is in none of the groups {', '.join(waves)} (rollout_waves): add it to one")
        elif len(mine) > 1:
            found.append(f"{one.name} is in {' and in '.join(mine)} (rollout_waves): an environment has one wave")
    return found


def sources(environments: Sequence[Environment], waves: Sequence[str]) -> dict[str, str]:
    """Returns, for environments that name no image, the one that builds theirs: the first in order with that source."""
    builders: dict[tuple[str, str], str] = {}
    for one in in_order(environments, waves):
        if one.builds and one.app:
            builders.setdefault(one.recipe, one.name)
    return {
        one.name: builders[one.recipe]
        for one in environments
        if one.builds and one.app and builders[one.recipe] != one.name
    }


def in_order(environments: Sequence[Environment], waves: Sequence[str]) -> list[Environment]:
    return [one for wave in waves for one in environments if wave in one.groups]


def order_problems(environments: Sequence[Environment], waves: Sequence[str], taken: Mapping[str, str]) -> list[str]:
    """Returns which images would be needed before they are there."""
    places = {one.name: place for place, one in enumerate(in_order(environments, waves))}
    return [
        f"stack_image_source of {one.name} is {source}, which comes later in rollout_waves ({', '.join(waves)}): "
        "take one of an earlier wave, or one that builds"
        for one in environments
        if (source := taken.get(one.name, one.source)) in places and places[source] > places[one.name]
    ]


def batches(environments: Sequence[Environment], waves: Sequence[str], taken: Mapping[str, str]) -> list[Batch]:
    """Returns the order of a rollout; within a wave, who copies an image follows who has it."""
    found = []
    for wave in waves:
        rest = [one for one in environments if wave in one.groups]
        first = True
        while rest:
            names = {one.name for one in rest}
            ready = [one for one in rest if taken.get(one.name, one.source) not in names] or rest
            found.append(Batch(wave, tuple(one.name for one in ready), first))
            rest = [one for one in rest if one not in ready]
            first = False
    return found
