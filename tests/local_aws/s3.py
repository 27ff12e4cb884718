# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""S3: new buckets block public access, as they do since 2023, and bucket policies must make sense."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import s3 as backend

from .hooks import Function, Response, patch


def install() -> None:
    """Encryption and object ownership of a new bucket are already as on AWS."""
    patch(backend, "_new_bucket_public_access_block", lambda _original: _blocking_public_access)
    patch(backend, "_put_bucket_policy", _checking_policy)


def _blocking_public_access() -> dict[str, str]:
    return {"_public_access_block": backend._NEW_BUCKET_PUBLIC_ACCESS_BLOCK}


def _checking_policy(original: Function) -> Function:
    def put(name: str, body: bytes, *args: Any) -> Response:
        problem = _policy_problem(name, body) if name in backend._buckets else None
        if problem:
            return backend._error("MalformedPolicy", problem, 400)
        response: Response = original(name, body, *args)
        return response

    return put


def _policy_problem(bucket: str, body: bytes) -> str | None:
    try:
        policy = json.loads(body)
    except ValueError:
        return "Policies must be valid JSON and the first byte must be '{'"
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statements, list | dict) or not statements:
        return "Missing required field Statement"
    for statement in statements if isinstance(statements, list) else [statements]:
        problem = _statement_problem(bucket, statement)
        if problem:
            return problem
    return None


def _statement_problem(bucket: str, statement: dict[str, Any]) -> str | None:
    for element in ("Principal", "Action", "Resource"):
        if element not in statement and f"Not{element}" not in statement:
            return f"Missing required field {element}"
    resources = statement.get("Resource", [])
    for resource in [resources] if isinstance(resources, str) else resources:
        name = str(resource).removeprefix("arn:aws:s3:::").partition("/")[0]
        if name not in (bucket, "*"):
            return "Policy has invalid resource"
    return None
