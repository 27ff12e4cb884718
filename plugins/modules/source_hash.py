#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: source_hash
version_added: 0.1.0
short_description: Hash the source of a container image
description:
  - Returns one hash for everything that can change the image that a folder of source gives, and a tag made from it.
  - Covered are the names, contents, executable bits and link targets of the files in the build context,
    the Dockerfile, the recipe and the platform. Times, owners and the order of files play no part.
  - The ignore file is read as Docker reads it, which is not how Git reads C(.gitignore).
    Patterns start at the folder, and the last pattern that matches a path decides.
  - Needs neither AWS nor Docker and reads file by file, so that memory does not grow with the source.
author:
  - Gatehouse contributors (@gatehouse)
options:
  path:
    description: Folder of the source, which is the build context.
    type: path
    required: true
  dockerfile:
    description:
      - Dockerfile, relative to O(path). It counts even where the ignore file names it.
      - May be missing when there is a C(Cargo.lock) or O(recipe) has a C(build_command).
    type: str
    default: Dockerfile
  dockerignore:
    description: Ignore file, relative to O(path). Nothing is left out when it is missing.
    type: str
    default: .dockerignore
  recipe:
    description:
      - Whatever else decides what the image becomes, for example the builder and the build command.
      - Two recipes are the same when their JSON is.
    type: dict
    default: {}
  platform:
    description: Platform that the image is built for.
    type: str
    choices: [linux/amd64, linux/arm64]
    default: linux/amd64
attributes:
  check_mode:
    description: Runs without changing anything and returns what would change.
    support: full
  diff_mode:
    description: Shows the affected fields before and after, secrets masked.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Find out whether the source changed
  gatehouse.fargate.source_hash:
    path: "{{ playbook_dir }}/app"
    recipe:
      build_command: cargo build --release --locked
  register: source

- name: Show the tag that this source has
  ansible.builtin.debug:
    var: source.tag
"""

RETURN = r"""
hash:
  description: SHA-256 over source, recipe and platform, as 64 hexadecimal digits.
  returned: success
  type: str
tag:
  description: Image tag made from the first half of the hash.
  returned: success
  type: str
  sample: src-9f86d081884c7d659a2feaa0c55ad015
files:
  description: Number of files in the build context, links included.
  returned: success
  type: int
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.source import source_hash

ARGUMENT_SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "dockerfile": {"type": "str", "default": "Dockerfile"},
    "dockerignore": {"type": "str", "default": ".dockerignore"},
    "recipe": {"type": "dict", "default": {}},
    "platform": {"type": "str", "choices": ["linux/amd64", "linux/arm64"], "default": "linux/amd64"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    try:
        source = source_hash(
            Path(params["path"]), params["dockerfile"], params["dockerignore"], params["recipe"], params["platform"]
        )
    except ImageError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, hash=source.hash, tag=source.tag, files=source.files)


if __name__ == "__main__":
    main()
