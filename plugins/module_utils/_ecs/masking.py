# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keeps what must not be shown out of what a container logs and a command says.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import SENSITIVE, Fields


def secret_values(definition: Fields, names: Iterable[str]) -> set[str]:
    """Returns what the variables of these names hold in a task definition."""
    wanted = set(names)
    return {
        variable["value"]
        for container in definition.get("containerDefinitions", [])
        for variable in container.get("environment", [])
        if variable["name"] in wanted
    }


def forms(values: Iterable[str]) -> set[str]:
    """Returns what must not be shown: the values themselves, their lines, and how they look in an address."""
    whole = set(values)
    lines = {line for value in whole for line in value.splitlines()}
    return {form for value in whole | lines for form in (value, quote(value, safe="")) if form.strip()}


def masked(lines: list[str], secrets: set[str]) -> list[str]:
    """Returns the lines without any of the forms, the longest first, because one may be part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        lines = [line.replace(secret, SENSITIVE) for line in lines]
    return lines
