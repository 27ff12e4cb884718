# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few private helpers of ministack's EC2 that the layer builds on, under readable names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2 as backend

from ..hooks import Handler, Params, Response

__all__ = [
    "add_text",
    "backend",
    "bool_text",
    "derived_id",
    "edit",
    "error",
    "escape",
    "find",
    "find_all",
    "first_missing",
    "flag",
    "get_account_id",
    "get_region",
    "id_in",
    "items",
    "members",
    "reply",
    "set_text",
    "text",
    "viewing",
]

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
ElementTree.register_namespace("", NAMESPACE)


def text(params: Params, name: str, default: str = "") -> str:
    """One request parameter; EC2 sends all of them as text."""
    return str(backend._p(params, name, default))


def flag(params: Params, name: str) -> bool | None:
    """A boolean request parameter, None when the caller left it out."""
    value = text(params, name).lower()
    return None if not value else value == "true"


def members(params: Params, prefix: str) -> list[str]:
    """A list request parameter: Prefix.1, Prefix.2, ..."""
    return list(backend._parse_member_list(params, prefix))


def error(code: str, message: str, status: int = 400) -> Response:
    """An EC2 error answer; the message may quote what the caller sent."""
    return backend._error(code, escape(message), status)


def reply(action: str, inner: str = "<return>true</return>") -> Response:
    """A successful EC2 answer with `inner` as its XML body."""
    return backend._xml(200, f"{action}Response", inner)


def bool_text(value: object) -> str:
    return "true" if value else "false"


def derived_id(prefix: str, *parts: str) -> str:
    """An id that stays the same for the same owner, so that it needs no store of its own."""
    return prefix + hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()[:17]


def id_in(response: Response, prefix: str) -> str | None:
    """The id of the resource that a successful create answered."""
    match = re.search(rf"\b{prefix}[0-9a-f]+".encode(), response[2]) if response[0] == 200 else None
    return match[0].decode() if match else None


def first_missing(ids: list[str], store: Any, code: str, what: str) -> Response | None:
    """The not-found error for the first id that the store does not hold."""
    for resource_id in ids:
        if resource_id not in store:
            return error(code, f"The {what} ID '{resource_id}' does not exist")
    return None


def edit(response: Response, change: Callable[[ElementTree.Element], None]) -> Response:
    """Let `change` edit the XML of a successful answer."""
    status, headers, body = response
    if status != 200:
        return response
    root = ElementTree.fromstring(body)
    change(root)
    return status, headers, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def viewing(change: Callable[[ElementTree.Element], None]) -> Callable[[Handler], Handler]:
    """Wrap an action so that `change` edits the XML of what it answers."""

    def wrap(original: Handler) -> Handler:
        return lambda params: edit(original(params), change)

    return wrap


def find_all(element: ElementTree.Element, path: str) -> list[ElementTree.Element]:
    return element.findall("/".join(f"{{{NAMESPACE}}}{part}" for part in path.split("/")))


def find(element: ElementTree.Element, path: str) -> str:
    """The text at `path`, empty when there is no such element."""
    found = find_all(element, path)
    return (found[0].text or "") if found else ""


def add_text(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = value


def set_text(parent: ElementTree.Element, name: str, value: str) -> None:
    """Put `value` into the child `name`, adding it when it is missing."""
    found = find_all(parent, name)
    if found:
        found[0].text = value
    else:
        add_text(parent, name, value)


def items(values: list[str]) -> str:
    """An EC2 list of plain values."""
    return "".join(f"<item>{escape(value)}</item>" for value in values)
