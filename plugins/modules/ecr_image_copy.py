#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_image_copy
version_added: 0.1.0
short_description: Copy an image from one Amazon ECR repository to another
description:
  - Promotes an image instead of building it again. The very bytes go from registry to registry, of another account and
    another region too, and neither Docker nor the source is needed.
  - Every blob and every manifest is compared with its digest on the way, and the manifest is read back from the target.
  - Blobs that the target has are not sent again. Within one registry they are mounted where the registry does that.
  - Reading needs C(ecr:GetAuthorizationToken), C(ecr:DescribeRepositories), C(ecr:DescribeImages), C(ecr:BatchGetImage)
    and C(ecr:GetDownloadUrlForLayer) on the source, with O(source.service) also C(ecs:DescribeServices) and
    C(ecs:DescribeTaskDefinition). Writing needs what M(gatehouse.fargate.ecr_image) names.
author:
  - Gatehouse contributors (@gatehouse)
options:
  repository:
    description: Name of the repository to copy to. It must exist.
    type: str
    required: true
  tag:
    description:
      - Tag of the copy.
      - By default the source's tag that starts with C(src-), so that a build of the same source finds it,
        else C(copy-) and the first half of the digest.
    type: str
    default: ""
  source:
    description: Where to copy from.
    type: dict
    required: true
    suboptions:
      repository:
        description: Name of the repository.
        type: str
        required: true
      region:
        description: Region of the repository. By default that of the module.
        type: str
        default: ""
      role_arn:
        description: Role to read the source with, for example of another account.
        type: str
        default: ""
      external_id:
        description: What the trust policy of O(source.role_arn) asks for as C(sts:ExternalId), if it does.
        type: str
        default: ""
      profile:
        description: AWS profile to read the source with.
        type: str
        default: ""
      access_key:
        description: Access key to read the source with.
        type: str
        default: ""
      secret_key:
        description: Secret of O(source.access_key).
        type: str
        default: ""
      session_token:
        description: Session token of O(source.access_key), if its credentials are temporary.
        type: str
        default: ""
      inherit:
        description:
          - Whether to read the source with the module's own credentials if neither O(source.profile) nor
            O(source.access_key) is set. Otherwise it is read with the credentials that the AWS CLI would use.
        type: bool
        default: true
      digest:
        description: Digest of the image. In check mode also V((known after apply)), for one that is yet to be built.
        type: str
        default: ""
      tag:
        description: Tag of the image, if O(source.digest) is not set.
        type: str
        default: ""
      service:
        description: Service whose image is meant, the one of its last deployment that succeeded, if neither is set.
        type: str
        default: ""
      cluster:
        description: Cluster of O(source.service).
        type: str
        default: default
      registry:
        description: Address to read from, for a registry that stands in for ECR. By default O(registry).
        type: str
        default: ""
  registry:
    description:
      - Address to push to, for a registry that stands in for ECR, such as V(http://127.0.0.1:4566).
      - By default the repository's own address, over HTTPS.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Bring what staging runs to production
  gatehouse.fargate.ecr_image_copy:
    repository: hello-prod
    source:
      repository: hello-staging
      region: eu-west-1
      role_arn: arn:aws:iam::210987654321:role/image-reader
      cluster: hello-staging
      service: hello-staging
"""

RETURN = r"""
image:
  description: The copy as it is now, or as it will be in check mode.
  returned: success
  type: dict
  contains:
    repository:
      description: Name of the repository.
      type: str
    tag:
      description: Tag of the copy.
      type: str
    digest:
      description: Digest that the target repository gives.
      type: str
    source_uri:
      description: Address of the source repository.
      type: str
    source_digest:
      description: Digest that the source repository gives.
      type: str
    equal:
      description: Whether both are the same, which the module makes sure of.
      type: bool
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create) or V(delete).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Repository and tag.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be.
      type: dict
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import Registry
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import copy
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    is_known,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

SOURCE_TAG_PREFIX = "src-"
TAG_DIGITS = 32
SOURCE_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "region": {"type": "str", "default": ""},
    "role_arn": {"type": "str", "default": ""},
    "external_id": {"type": "str", "default": ""},
    "profile": {"type": "str", "default": ""},
    "access_key": {"type": "str", "default": "", "no_log": False},
    "secret_key": {"type": "str", "default": "", "no_log": True},
    "session_token": {"type": "str", "default": "", "no_log": True},
    "inherit": {"type": "bool", "default": True},
    "digest": {"type": "str", "default": ""},
    "tag": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "cluster": {"type": "str", "default": "default"},
    "registry": {"type": "str", "default": ""},
}
KEY_SETTINGS = {
    "access_key": "aws_access_key_id",
    "secret_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}
ARGUMENT_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "tag": {"type": "str", "default": ""},
    "source": {"type": "dict", "required": True, "options": SOURCE_SPEC},
    "registry": {"type": "str", "default": ""},
}


def find_source(ecr: Any, ecs: Any, source: Fields) -> Fields:
    """Returns the image to copy with the address of its repository."""
    if source["digest"] == KNOWN_AFTER_APPLY:
        return {"digest": KNOWN_AFTER_APPLY, "tags": [], "uri": KNOWN_AFTER_APPLY}
    name = source["repository"]
    uri = api.repository_uri(ecr, name)
    if not uri:
        raise PlanRefusedError(f"Source repository {name} does not exist: run the environment that owns it first.")
    digest = source["digest"]
    if not (digest or source["tag"]):
        digest = running_digest(ecs, source, uri)
    wanted = {"imageDigest": digest} if digest else {"imageTag": source["tag"]}
    found = api.describe_image(ecr, name, **wanted)
    if not found:
        raise PlanRefusedError(f"Source repository {name} has no image {digest or source['tag']}: name one it has.")
    return {**found, "uri": uri}


def running_digest(ecs: Any, source: Fields, uri: str) -> str:
    """Returns the digest that the source's service was last deployed with."""
    if not source["service"]:
        raise PlanRefusedError("The source names no image: set source.digest, source.tag or source.service.")
    parts = (image.partition("@") for image in deployed_images(ecs, source["cluster"], source["service"]))
    digest = next((digest for address, _at, digest in parts if address.partition(":")[0] == uri), "")
    if not digest:
        raise PlanRefusedError(
            f"Service {source['service']} in cluster {source['cluster']} runs no image of {uri}: "
            "deploy the environment to copy from first, or set source.digest."
        )
    return digest


@AWSErrorHandler.common_error_handler("find out what the source's service runs")
def deployed_images(ecs: Any, cluster: str, service: str) -> list[str]:
    return list(api.images_of_service(ecs, cluster, service))


def describe(ecr: Any, params: Fields, source: Fields) -> Fields:
    """Returns what the target has of the source's image."""
    name = params["repository"]
    if not is_known(name) or not is_known(source["digest"]):
        return {}
    found = api.describe_image(ecr, name, imageDigest=source["digest"])
    tag = copy_tag(params["tag"], source)
    other = {} if tag in found.get("tags", []) else api.describe_image(ecr, name, imageTag=tag)
    return {"digest": found.get("digest", ""), "tags": found.get("tags", []), "tag_on": other.get("digest", "")}


def copy_tag(wanted: str, source: Fields) -> str:
    if not is_known(source["digest"]):
        return wanted or KNOWN_AFTER_APPLY
    from_source = (tag for tag in source["tags"] if tag.startswith(SOURCE_TAG_PREFIX))
    return wanted or next(from_source, f"copy-{source['digest'].partition(':')[2][:TAG_DIGITS]}")


def plan(current: Fields, params: Fields, source: Fields) -> Plan:
    tag = copy_tag(params["tag"], source)
    name = f"{params['repository']}:{tag}"
    if current.get("tag_on"):
        raise PlanRefusedError(
            f"{name} is {current['tag_on']} already, not {source['digest']}: tags cannot be overwritten, "
            "so set another tag, or delete that image."
        )
    result = result_of(params["repository"], tag, source, source["digest"])
    if tag in current.get("tags", []):
        return Plan(result)
    return Plan(result, (Change(Action.CREATE, "ecr_image", name, after=result),))


def result_of(repository: str, tag: str, source: Fields, digest: str) -> Fields:
    return {
        "repository": repository,
        "tag": tag,
        "digest": digest,
        "source_uri": source["uri"],
        "source_digest": source["digest"],
        "equal": digest == source["digest"],
    }


class Copying:
    """Reads the source as whoever may, and writes the target as the module's own account."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self._module = module
        self._params = module.params
        self._ecr = aws_client(module, "ecr")
        self._source_params = module.params["source"]
        self._source_ecr: Any = None
        self._source: Fields = {}

    def describe(self) -> Fields:
        if not self._source:
            settings = source_settings(self._module, self._source_params)
            self._source_ecr = aws_client(self._module, "ecr", **settings)
            self._source = find_source(
                self._source_ecr, aws_client(self._module, "ecs", **settings), self._source_params
            )
            return describe(self._ecr, self._params, self._source)
        copied = describe(self._ecr, self._params, self._source)
        tag = copy_tag(self._params["tag"], self._source)
        return result_of(self._params["repository"], tag, self._source, copied["digest"])

    def plan(self, current: Fields) -> Plan:
        return plan(current, self._params, self._source)

    def apply(self, planned: Plan) -> None:
        given = self._source_params
        try:
            reading = {**self._params, "registry": given["registry"] or self._params["registry"]}
            source = api.reach(self._source_ecr, given["repository"], reading)
            target = api.reach(
                self._ecr, self._params["repository"], self._params, neighbours(source, self._source, self._uri())
            )
            require_equal(copy(source, target, planned.result["digest"], planned.result["tag"]), planned.result)
        except (ImageError, OSError) as error:
            raise AnsibleAWSError(message=str(error)) from error

    def _uri(self) -> str:
        return api.repository_uri(self._ecr, self._params["repository"])


def neighbours(source: Registry, found: Fields, uri: str) -> tuple[str, ...]:
    """Returns the source's repository where both are in one registry, which can hand blobs over by itself."""
    same = found["uri"].partition("/")[0] == uri.partition("/")[0]
    return (source.repository,) if same else ()


def require_equal(copied: str, wanted: Fields) -> None:
    if copied != wanted["digest"]:
        raise ImageError(f"The copy has digest {copied} instead of {wanted['digest']}: copy it again.")


def source_settings(module: AnsibleAWSModule, source: Fields) -> Fields:
    """Returns the connection settings of the source that differ from the module's own."""
    settings = {"region": source["region"]} if source["region"] else {}
    given = {name: source[option] or None for option, name in KEY_SETTINGS.items()}
    if source["profile"]:
        settings.update(profile_name=source["profile"], **dict.fromkeys(given))
    elif source["access_key"] or not source["inherit"]:
        settings.update(profile_name=None, **given)
    if source["role_arn"]:
        taken = assume_role(aws_client(module, "sts", **settings), source["role_arn"], source["external_id"])
        settings.update(
            profile_name=None,
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
        )
    return settings


@AWSErrorHandler.common_error_handler("take the role to read the source with (source.role_arn)")
def assume_role(client: Any, role: str, external_id: str) -> Fields:
    agreed = {"ExternalId": external_id} if external_id else {}
    answer = client.assume_role(RoleArn=role, RoleSessionName="gatehouse-promotion", **agreed)
    return dict(answer["Credentials"])


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    copying = Copying(module)
    run(module, "image", describe=copying.describe, plan=copying.plan, apply=copying.apply)


if __name__ == "__main__":
    main()
