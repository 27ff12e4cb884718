# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few helpers every part of the service uses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito

from local_aws.hooks import Function, Handler, Params, Response, patch

Record = dict[str, Any]


def error(code: str, message: str) -> Response:
    """The service's error response."""
    response: Response = error_response_json(code, message, 400)
    return response


def invalid(message: str) -> Response:
    """The error that Cognito answers to most of what it refuses."""
    return error("InvalidParameterException", message)


def answer(body: Record) -> Response:
    """The service's success response."""
    response: Response = json_response(body)
    return response


def content(response: Response) -> Record:
    """The body of a response."""
    body: Record = json.loads(response[2])
    return body


def find_pool(params: Params) -> Record:
    """The pool that a call names; an empty record when there is none."""
    return cognito._user_pools.get(params.get("UserPoolId")) or {}


def check(name: str, find_problem: Callable[[Params], Response | None]) -> None:
    """Let a check answer in place of one of ministack's functions."""

    def wrap(original: Function) -> Function:
        return lambda params: find_problem(params) or original(params)

    patch(cognito, name, wrap)


def add_actions(handlers: dict[str, Handler]) -> None:
    """Add calls that ministack does not know."""

    def wrap(original: Callable[[str, Params], Awaitable[Response]]) -> Callable[[str, Params], Awaitable[Response]]:
        async def dispatch(action: str, params: Params) -> Response:
            handler = handlers.get(action)
            return handler(params) if handler else await original(action, params)

        return dispatch

    patch(cognito, "_dispatch_idp", wrap)
