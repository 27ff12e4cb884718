# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ECR's registry: it asks who pulls and pushes, and the answer decides whose repositories are meant."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    request_scope,
)
from ministack.services import ecr

from local_aws.hooks import Function, Params, Response, patch

TOKEN_SECONDS = 12 * 3600
USER = "AWS"
Registry = Callable[..., Awaitable[Response]]


def install() -> None:
    """Make the registry ask for the token that GetAuthorizationToken gives."""
    patch(ecr, "_get_authorization_token", _issue_token)
    patch(ecr, "handle_registry_request", _asking)
    patch(ecr, "_describe_images", _describing)
    patch(ecr, "_batch_delete_image", _deleting)
    patch(ecr, "_delete_repository", _forgetting_layers)


def _forgetting_layers(original: Function) -> Function:
    def delete(params: Params) -> Response:
        response: Response = original(params)
        name = params.get("repositoryName", "")
        if name not in ecr._repositories:
            ecr._layer_blobs.pop(name, None)
            ecr._manifest_blobs.pop(name, None)
        return response

    return delete


def password(account: str, region: str) -> str:
    """The password with which a caller acts for an account in a region."""
    return base64.b64encode(json.dumps({"account": account, "region": region}).encode()).decode()


def _issue_token(_original: Function) -> Function:
    def issue(_params: Params) -> Response:
        account, region = get_account_id(), get_region()
        pair = f"{USER}:{password(account, region)}"
        data = {
            "authorizationToken": base64.b64encode(pair.encode()).decode(),
            "expiresAt": int(time.time()) + TOKEN_SECONDS,
            "proxyEndpoint": f"https://{account}.dkr.ecr.{region}.amazonaws.com",
        }
        response: Response = json_response({"authorizationData": [data]})
        return response

    return issue


def _asking(original: Registry) -> Registry:
    async def handle(method: str, path: str, headers: dict[str, str], *request: Any) -> Response:
        caller = _find_caller(headers.get("authorization", ""))
        if not caller:
            return _refuse()
        with request_scope(*caller):
            return await original(method, path, headers, *request)

    return handle


def _find_caller(authorization: str) -> tuple[str, str] | None:
    scheme, _space, encoded = authorization.partition(" ")
    try:
        user, _colon, secret = base64.b64decode(encoded).decode().partition(":")
        caller = json.loads(base64.b64decode(secret))
    except (binascii.Error, ValueError):
        return None
    known = scheme.lower() == "basic" and user == USER
    return (caller["account"], caller["region"]) if known else None


def _refuse() -> Response:
    body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
    challenge = 'Basic realm="local AWS",service="ecr.amazonaws.com"'
    headers = {"Content-Type": "application/json", "Www-Authenticate": challenge}
    return 401, {**headers, "Docker-Distribution-Api-Version": "registry/2.0"}, json.dumps(body).encode()


def _describing(original: Function) -> Function:
    """An image is as large as its layers, and asking for one that is not there is an error."""

    def describe(params: Params) -> Response:
        status, headers, body = original(params)
        if status != 200:
            return status, headers, body
        name, details = params["repositoryName"], json.loads(body)["imageDetails"]
        if len(details) < len(params.get("imageIds") or []):
            missing: Response = error_response_json(
                "ImageNotFoundException", f"An image that was asked for is not in the repository '{name}'", 400
            )
            return missing
        manifests = {image["imageDigest"]: image["imageManifest"] for image in ecr._images.get(name, [])}
        for detail in details:
            detail["imageSizeInBytes"] = _layers_size(json.loads(manifests[detail["imageDigest"]]))
        response: Response = json_response({"imageDetails": details})
        return response

    return describe


def _layers_size(manifest: dict[str, Any]) -> int:
    return sum(layer["size"] for layer in manifest.get("layers", []))


def _deleting(original: Function) -> Function:
    """An image that is deleted by one of several tags loses that tag alone."""

    def delete(params: Params) -> Response:
        removed = [
            image_id for image_id in params.get("imageIds", []) if _untag(params.get("repositoryName", ""), image_id)
        ]
        rest = [image_id for image_id in params.get("imageIds", []) if image_id not in removed]
        status, headers, body = original({**params, "imageIds": rest})
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        response: Response = json_response({**answer, "imageIds": [*removed, *answer["imageIds"]]})
        return response

    return delete


def _untag(name: str, image_id: Params) -> bool:
    tag = image_id.get("imageTag")
    for image in ecr._images.get(name, []):
        tags = image.get("imageTags", [])
        if tag in tags and len(tags) > 1 and "imageDigest" not in image_id:
            tags.remove(tag)
            image["imageId"]["imageTag"] = tags[-1]
            return True
    return False
