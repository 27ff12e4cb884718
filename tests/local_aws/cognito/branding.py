# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Branding of managed login, without which AWS shows no login page on a domain of version 2."""

from __future__ import annotations

import time
import uuid

from local_aws.cognito.api import Record, add_actions, answer, error, find_pool, invalid
from local_aws.hooks import Params, Response

CONTENT = ("UseCognitoProvidedValues", "Settings", "Assets")


def install() -> None:
    """Add the calls about branding."""
    add_actions(
        {
            "CreateManagedLoginBranding": _create,
            "DescribeManagedLoginBranding": _describe,
            "DescribeManagedLoginBrandingByClient": _describe_by_client,
            "UpdateManagedLoginBranding": _update,
            "DeleteManagedLoginBranding": _delete,
        }
    )


def find_by_client(pool: Record, client: str | None) -> Record | None:
    """The branding of an app client."""
    brandings = _brandings(pool).values()
    return next((branding for branding in brandings if branding["_client"] == client), None)


def _brandings(pool: Record) -> dict[str, Record]:
    brandings: dict[str, Record] = pool.setdefault("_branding", {})
    return brandings


def _create(params: Params) -> Response:
    pool, client = find_pool(params), params.get("ClientId")
    if client not in pool.get("_clients", {}):
        return error("ResourceNotFoundException", f"Client {client} does not exist.")
    if find_by_client(pool, client):
        message = f"ManagedLoginBranding already exists for clientId {client}."
        return error("ManagedLoginBrandingExistsException", message)
    if bool(params.get("UseCognitoProvidedValues")) == bool(params.get("Settings") or params.get("Assets")):
        return invalid("Specify either UseCognitoProvidedValues or Settings and Assets")
    now = time.time()
    branding = {
        "ManagedLoginBrandingId": str(uuid.uuid4()),
        "UserPoolId": pool["Id"],
        "UseCognitoProvidedValues": False,
        **{key: params[key] for key in CONTENT if key in params},
        "CreationDate": now,
        "LastModifiedDate": now,
        "_client": client,
    }
    _brandings(pool)[branding["ManagedLoginBrandingId"]] = branding
    return _view(branding)


def _describe(params: Params) -> Response:
    return _view(_brandings(find_pool(params)).get(params.get("ManagedLoginBrandingId", "")))


def _describe_by_client(params: Params) -> Response:
    return _view(find_by_client(find_pool(params), params.get("ClientId")))


def _update(params: Params) -> Response:
    branding = _brandings(find_pool(params)).get(params.get("ManagedLoginBrandingId", ""))
    if branding:
        branding.update({key: params[key] for key in CONTENT if key in params}, LastModifiedDate=time.time())
    return _view(branding)


def _delete(params: Params) -> Response:
    found = _brandings(find_pool(params)).pop(params.get("ManagedLoginBrandingId", ""), None)
    return answer({}) if found else _view(None)


def _view(branding: Record | None) -> Response:
    if not branding:
        return error("ResourceNotFoundException", "ManagedLoginBranding does not exist.")
    return answer({"ManagedLoginBranding": {key: one for key, one in branding.items() if not key.startswith("_")}})
