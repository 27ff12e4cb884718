#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_image
version_added: 0.1.0
short_description: Build an image and push it to Amazon ECR unless its tag is there
description:
  - Makes sure that a repository holds an image with a given tag. If it does, nothing is built and Docker is not needed.
  - The tag is meant to come from M(gatehouse.fargate.source_hash), so that it stands for one source and one recipe.
  - The builder V(docker) gives the Dockerfile to a Docker engine. The engine receives exactly the files that
    M(gatehouse.fargate.source_hash) counts. The build goes through C(docker buildx) where that is installed,
    and through the engine's classic builder otherwise; the push always goes through the engine's API.
  - The builder V(oci) needs no daemon. It runs O(build_command) in the folder, checks that the program is a static
    binary for the platform, and puts it into an image that holds nothing else but C(/etc/passwd), C(/etc/group),
    CA certificates and an empty C(/tmp). The same program, tag and options give the same digest. Builds of one folder
    at the same time wait for each other.
  - The registry's password is held in memory alone. It is in no file, no process list and no log.
  - Pushing needs the actions C(ecr:GetAuthorizationToken), C(ecr:DescribeRepositories), C(ecr:DescribeImages),
    C(ecr:BatchCheckLayerAvailability), C(ecr:InitiateLayerUpload), C(ecr:UploadLayerPart),
    C(ecr:CompleteLayerUpload) and C(ecr:PutImage).
author:
  - Gatehouse contributors (@gatehouse)
requirements:
  - The Python package C(docker) for the builder V(docker).
options:
  repository:
    description: Name of the repository. It must exist.
    type: str
    required: true
  tag:
    description: Tag that the image has, or gets.
    type: str
    required: true
  path:
    description: Folder of the app's source.
    type: path
    required: true
  builder:
    description:
      - V(docker) builds the Dockerfile with a Docker engine.
      - V(oci) runs the build command and puts the image together without a daemon.
      - V(auto) takes V(docker) if there is a Dockerfile, a Docker engine answers, and every base image of the
        Dockerfile is on the engine or can be had from its registry. Otherwise it takes V(oci) if the
        program of the build command is installed. Otherwise it fails and names both reasons.
    type: str
    choices: [auto, docker, oci]
    default: auto
  dockerfile:
    description: Dockerfile for the builder V(docker), relative to O(path).
    type: str
    default: Dockerfile
  dockerignore:
    description: Ignore file, relative to O(path).
    type: str
    default: .dockerignore
  build_command:
    description:
      - Command for the builder V(oci), run in O(path) without a shell.
      - By default C(cargo build --release --locked --target) with V(x86_64-unknown-linux-gnu) or
        V(aarch64-unknown-linux-gnu), whichever suits O(platform).
    type: str
    default: ""
  artifact:
    description:
      - Program that the build command makes, relative to O(path). The ignore file must leave it out of the source.
      - By default the one program that C(Cargo.toml) names, in Cargo's release folder.
    type: str
    default: ""
  platform:
    description: Platform that the image is built for.
    type: str
    choices: [linux/amd64, linux/arm64]
    default: linux/amd64
  port:
    description:
      - Port that the app listens on. The builder V(oci) exposes it and sets it as C(PORT).
      - With the builder V(docker) the Dockerfile says this.
    type: int
    default: 3000
  user:
    description:
      - User id and group id that the app runs as with the builder V(oci).
      - With the builder V(docker) the Dockerfile says this.
    type: int
    default: 65532
  build_args:
    description:
      - Build arguments. The builder V(docker) passes them to the Dockerfile's C(ARG) instructions, the builder V(oci)
        sets them as environment variables of O(build_command).
      - They are no place for secrets, since an image may show them.
    type: dict
    default: {}
  source_hash:
    description:
      - Hash of the source as M(gatehouse.fargate.source_hash) returns it. The image is labelled with it as
        C(gatehouse.source).
      - An image that has O(tag) already but another label is refused instead of being taken for this source.
      - Without it nothing is labelled or compared.
    type: str
    default: ""
  size_limit:
    description:
      - Size in bytes that the image may have at most, V(0) for any. A larger one is not pushed.
      - The builder V(oci) counts compressed bytes as ECR does. A Docker engine knows the size before compression alone.
    type: int
    default: 0
  mount_from:
    description: Other repositories of the same registry that blobs may be taken over from instead of being uploaded.
    type: list
    elements: str
    default: []
  live_output:
    description:
      - Whether the output of the build is shown on the error output of C(ansible-playbook) while it runs,
        when the build runs on that machine.
    type: bool
    default: true
  labels:
    description:
      - Labels of the image. C(org.opencontainers.image.version) is the tag unless it is set here.
    type: dict
    default: {}
  ca_certificates:
    description:
      - File of CA certificates on this machine that the builder V(oci) puts into the image.
      - An empty string leaves them out; so does the default file where a machine does not have it.
    type: path
    default: /etc/ssl/certs/ca-certificates.crt
  registry:
    description:
      - Address to push to, for a registry that stands in for ECR, such as V(http://127.0.0.1:4566).
      - By default the repository's own address, over HTTPS.
    type: str
    default: ""
  log_path:
    description: File that the output of the build goes to while it runs. An older one is replaced.
    type: path
    default: ~/.cache/gatehouse/build.log
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
"""

EXAMPLES = r"""
- name: Hash the source
  gatehouse.fargate.source_hash:
    path: /srv/hello
  register: source

- name: Build and push what is not there yet
  gatehouse.fargate.ecr_image:
    repository: hello-dev
    tag: "{{ source.tag }}"
    path: /srv/hello

- name: Build and push a program that is not written in Rust
  gatehouse.fargate.ecr_image:
    repository: hello-dev
    tag: "{{ source.tag }}"
    path: /srv/hello
    builder: oci
    build_command: make static
    artifact: build/hello
"""

RETURN = r"""
image:
  description: The image as it is now, or as it will be in check mode.
  returned: success
  type: dict
  contains:
    repository:
      description: Name of the repository.
      type: str
    tag:
      description: Tag of the image.
      type: str
    digest:
      description: Digest of the image's manifest.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    pushed_at:
      description: When the image was pushed.
      type: str
      sample: "2026-11-22T13:34:00+00:00"
    size:
      description: Compressed size in bytes as ECR counts it.
      type: int
    tags:
      description: All tags of the image.
      type: list
      elements: str
    builder:
      description: Builder that made the image in this run, empty when it was there already.
      type: str
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: Always V(create).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Repository and tag.
      type: str
    before:
      description: Empty.
      type: dict
    after:
      description: The image as it is to be.
      type: dict
unchanged:
  description: The other resources that the module manages, which are as declared.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
"""

from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import api, builders
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
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

CA_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ARGUMENT_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "builder": {"type": "str", "choices": ["auto", "docker", "oci"], "default": "auto"},
    "dockerfile": {"type": "str", "default": "Dockerfile"},
    "dockerignore": {"type": "str", "default": ".dockerignore"},
    "build_command": {"type": "str", "default": ""},
    "artifact": {"type": "str", "default": ""},
    "platform": {"type": "str", "choices": ["linux/amd64", "linux/arm64"], "default": "linux/amd64"},
    "port": {"type": "int", "default": 3000},
    "user": {"type": "int", "default": 65532},
    "build_args": {"type": "dict", "default": {}},
    "source_hash": {"type": "str", "default": ""},
    "size_limit": {"type": "int", "default": 0},
    "mount_from": {"type": "list", "elements": "str", "default": []},
    "live_output": {"type": "bool", "default": True},
    "labels": {"type": "dict", "default": {}},
    "ca_certificates": {"type": "path", "default": CA_CERTIFICATES},
    "registry": {"type": "str", "default": ""},
    "log_path": {"type": "path", "default": "~/.cache/gatehouse/build.log"},
}


def describe(client: Any, params: Fields, builder: str) -> Fields:
    known = is_known(params["repository"]) and is_known(params["tag"])
    found = api.describe_image(client, params["repository"], imageTag=params["tag"]) if known else {}
    if not found:
        return {}
    require_source(client, params, found["digest"])
    return {"repository": params["repository"], "tag": params["tag"], **found, "builder": builder}


def require_source(client: Any, params: Fields, digest: str) -> None:
    if not params["source_hash"]:
        return
    try:
        registry = api.reach(client, params["repository"], params)
        api.require_source(registry, params["tag"], digest, params["source_hash"])
    except ImageError as error:
        raise PlanRefusedError(str(error)) from error


def plan(current: Fields, params: Fields) -> Plan:
    if current:
        return Plan(current)
    result = {
        "repository": params["repository"],
        "tag": params["tag"],
        "digest": KNOWN_AFTER_APPLY,
        "pushed_at": KNOWN_AFTER_APPLY,
        "size": KNOWN_AFTER_APPLY,
        "tags": [params["tag"]],
        "builder": KNOWN_AFTER_APPLY if params["builder"] == "auto" else params["builder"],
    }
    name = f"{params['repository']}:{params['tag']}"
    return Plan(result, (Change(Action.CREATE, "ecr_image", name, after=result),))


def apply(client: Any, params: Fields) -> str:
    """Returns the builder that was used."""
    try:
        request = build_request(params)
        builder = builders.choose(request.builder, builders.obstacles(request))
        registry = api.reach(client, params["repository"], params, tuple(params["mount_from"]))
        builders.open_log(request.log)
        digest = builders.build_and_push(builder, request, registry, params["tag"])
        confirm(client, params, digest)
    except (ImageError, OSError) as error:
        raise AnsibleAWSError(message=str(error)) from error
    return builder


def build_request(params: Fields) -> builders.Request:
    return builders.Request(
        folder=Path(params["path"]),
        platform=params["platform"],
        builder=params["builder"],
        dockerfile=params["dockerfile"],
        dockerignore=params["dockerignore"],
        build_command=params["build_command"],
        artifact=params["artifact"],
        build_args={name: str(value) for name, value in params["build_args"].items()},
        port=params["port"],
        user=params["user"],
        labels=labels(params),
        certificates=certificates(params["ca_certificates"]),
        size_limit=params["size_limit"],
        log=Path(params["log_path"]),
    )


def labels(params: Fields) -> dict[str, str]:
    given = {name: str(value) for name, value in params["labels"].items()}
    source = {api.SOURCE_LABEL: params["source_hash"]} if params["source_hash"] else {}
    return {"org.opencontainers.image.version": params["tag"], **given, **source}


def certificates(path: str) -> Path | None:
    if path in ("", CA_CERTIFICATES):
        return Path(path) if Path(path).is_file() else None
    if not Path(path).is_file():
        raise ImageError(f"ca_certificates {path} does not exist: name a file, or leave the certificates out with ''.")
    return Path(path)


def confirm(client: Any, params: Fields, digest: str) -> None:
    found = api.describe_image(client, params["repository"], imageTag=params["tag"])
    if found.get("digest") != digest:
        raise ImageError(
            f"Pushed {digest} as {params['repository']}:{params['tag']}, but ECR holds "
            f"{found.get('digest') or 'nothing'} there: check that registry belongs to this account and region."
        )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "ecr")
    used = {"builder": ""}
    run(
        module,
        "image",
        describe=lambda: describe(client, module.params, used["builder"]),
        plan=lambda current: plan(current, module.params),
        apply=lambda _planned: used.update(builder=apply(client, module.params)),
    )


if __name__ == "__main__":
    main()
