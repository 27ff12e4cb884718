# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_options
author: Gatehouse contributors (@gatehouse)
version_added: 0.1.0
short_description: Options by which AWS modules reach the account of an environment
description:
  - Returns a dictionary for C(module_defaults) of the action groups C(amazon.aws.aws) and C(gatehouse.fargate.aws).
  - It holds what the role C(gatehouse.fargate.aws_session) has handed on, the keys of a role or the name of a profile,
    and empties the options of the other kind, so that variables of the process cannot be mixed in.
  - It holds the region alone when neither C(stack_profile) nor C(stack_role_arn) is set.
options:
  _terms:
    description: Region. Left out of the result when it is empty.
    type: list
    elements: str
  environment:
    description: Host of the inventory whose account is meant. By default the host of the task.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Look at the account of an environment
  hosts: all
  connection: local
  gather_facts: false
  module_defaults:
    group/amazon.aws.aws: "{{ lookup('gatehouse.fargate.aws_options', stack_region) }}"
  tasks:
    - name: Take the role of the environment
      ansible.builtin.import_role:
        name: gatehouse.fargate.aws_session
    - name: Ask whose account it is
      amazon.aws.aws_caller_info:
"""

RETURN = r"""
_list:
  description: >-
    One dictionary with C(region), C(profile), C(access_key), C(secret_key) and C(session_token), as they apply.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

KEYS = ("access_key", "secret_key", "session_token")
WANTED = {"role_arn": "stack_role_arn", "profile": "stack_profile"}


def options_of(host: str, session: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Returns the connection options of an environment; refuses any account but the one that it names."""
    for key, variable in WANTED.items():
        if wanted[key] and session.get(key) != wanted[key]:
            raise AnsibleError(
                f"{variable} of {host} is {wanted[key]}, and its credentials have not been taken yet: let the play run "
                "the role gatehouse.fargate.aws_session before anything that calls AWS."
            )
    if session.get("role_arn"):
        return {"profile": "", **{key: session[key] for key in KEYS}}
    if session.get("profile"):
        return {"profile": session["profile"], **dict.fromkeys(KEYS, "")}
    return {}


class LookupModule(LookupBase):
    """Reads the variables of an environment."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        host = self.get_option("environment") or variables["inventory_hostname"]
        found = variables if host == variables["inventory_hostname"] else variables["hostvars"][host]
        wanted = {key: self._value(found, variable, "") for key, variable in WANTED.items()}
        region = {"region": terms[0]} if terms and terms[0] else {}
        return [{**region, **options_of(host, self._value(found, "aws_session", {}), wanted)}]

    def _value(self, found: Mapping[str, Any], name: str, default: Any) -> Any:
        """Returns a variable with the templates in it resolved."""
        return self._templar.template(found[name]) if name in found else default
