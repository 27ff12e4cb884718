# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few helpers every part of the service uses: request parameters in, XML out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from ministack.services import alb

from local_aws.hooks import Params, Response

Record = dict[str, Any]

MEMBER = re.compile(r"\.member\.(\d+)(\.|$)")


def text(params: Params, key: str, default: str = "") -> str:
    """The value of a parameter."""
    return str(alb._p(params, key, default))


def texts(params: Params, prefix: str) -> list[str]:
    """The values of a list parameter."""
    return [str(value) for value in alb._parse_member_list(params, prefix)]


def prefixes(params: Params, prefix: str, probe: str) -> Iterator[str]:
    """The prefix of each member of a list of structures, as long as the probed key is there."""
    number = 1
    while text(params, f"{prefix}.member.{number}.{probe}"):
        yield f"{prefix}.member.{number}."
        number += 1


def pairs(params: Params, prefix: str) -> dict[str, str]:
    """A list of Key and Value structures."""
    members = prefixes(params, prefix, "Key")
    return {text(params, member + "Key"): text(params, member + "Value") for member in members}


def element(name: str, value: object) -> str:
    """One XML element with escaped text."""
    return f"<{name}>{escape(str(value))}</{name}>"


def elements(values: dict[str, Any]) -> str:
    """XML elements with escaped text, in order."""
    return "".join(element(name, value) for name, value in values.items())


def members(name: str, items: Iterable[str]) -> str:
    """An XML list of elements that are XML already."""
    return f"<{name}>" + "".join(f"<member>{item}</member>" for item in items) + f"</{name}>"


def insert_last(member: str, xml: str) -> str:
    """XML put at the end of a member element."""
    return member.removesuffix("</member>") + xml + "</member>"


def error(code: str, message: str) -> Response:
    """The service's error response."""
    response: Response = alb._error(code, message)
    return response


def answer(action: str, xml: str) -> Response:
    """The service's success response."""
    response: Response = alb._xml(200, action, xml)
    return response


def not_found(kind: str) -> Response:
    """What every describe call says of something that is missing."""
    words = re.sub(r"(?<!^)([A-Z])", r" \1", kind).lower()
    return error(f"{kind}NotFound", f"One or more {words}s not found")
