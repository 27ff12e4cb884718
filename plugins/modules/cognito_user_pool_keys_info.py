#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cognito_user_pool_keys_info
version_added: 0.1.0
short_description: Look up the public keys of a Cognito user pool
description:
  - Returns the keys with which the tokens of a user pool can be verified.
  - Meant for a service that cannot fetch them by itself.
  - The keys are public; no credentials are used.
author:
  - Gatehouse contributors (@gatehouse)
options:
  user_pool_id:
    description: ID of the user pool.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
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
- name: Look up the keys of the login
  gatehouse.fargate.cognito_user_pool_keys_info:
    user_pool_id: eu-west-1_a1B2c3D4e
  register: found

- name: Hand them to a service
  ansible.builtin.debug:
    msg: "{{ found.user_pool_keys.key_set }}"
"""

RETURN = r"""
user_pool_keys:
  description: The keys; V((known after apply)) throughout when the pool does not exist yet.
  returned: success
  type: dict
  contains:
    issuer:
      description: Issuer that the tokens name.
      type: str
      sample: https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2c3D4e
    key_set:
      description: The keys as a JSON Web Key Set, the same text as long as the keys are the same.
      type: str
    key_ids:
      description: IDs of the keys, sorted.
      type: list
      elements: str
"""

import json
from collections.abc import Callable
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, is_known

ARGUMENT_SPEC: dict[str, Any] = {"user_pool_id": {"type": "str", "required": True}}
# What verifying needs; the rest may change without the keys changing.
MEMBERS = ("kid", "kty", "alg", "use", "n", "e")
TIMEOUT_SECONDS = 10
UNKNOWN: dict[str, Any] = {"issuer": KNOWN_AFTER_APPLY, "key_set": KNOWN_AFTER_APPLY, "key_ids": []}

Fetch = Callable[[str], dict[str, Any]]


def fetch_json(address: str) -> dict[str, Any]:
    with open_url(address, timeout=TIMEOUT_SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def look_up(endpoint: str, user_pool_id: str, fetch: Fetch) -> dict[str, Any]:
    if not is_known(user_pool_id):
        return UNKNOWN
    base = f"{endpoint.rstrip('/')}/{user_pool_id}/.well-known"
    keys = sorted(fetch(f"{base}/jwks.json")["keys"], key=lambda key: str(key["kid"]))
    kept = [{name: key[name] for name in MEMBERS if name in key} for key in keys]
    return {
        "issuer": fetch(f"{base}/openid-configuration")["issuer"],
        "key_set": json.dumps({"keys": kept}, separators=(",", ":")),
        "key_ids": [key["kid"] for key in kept],
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    endpoint = aws_client(module, "cognito-idp").meta.endpoint_url
    pool = module.params["user_pool_id"]
    try:
        found = look_up(endpoint, pool, fetch_json)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"Failed to fetch the public keys of user pool {pool} from {endpoint}: {error!r}")
    module.exit_json(changed=False, user_pool_keys=found)


if __name__ == "__main__":
    main()
