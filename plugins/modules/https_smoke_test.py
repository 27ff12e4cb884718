#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: https_smoke_test
version_added: 0.1.0
short_description: Look at a deployed web app the way its visitors do
description:
  - Asks for pages over HTTP and HTTPS, without a session.
  - Fails unless redirects, login, certificates and paths are as declared.
  - Needs no AWS credentials. It only reads, in check mode as well.
author:
  - Gatehouse contributors (@gatehouse)
options:
  domain:
    description: Domain of the app.
    type: str
    required: true
  login:
    description: The login that stands in front of the app; leave unset when there is none.
    type: dict
    suboptions:
      domain:
        description: Domain of the login pages in full.
        type: str
        required: true
      client_id:
        description: Client of the user pool that the load balancer uses.
        type: str
        required: true
      callback_url:
        description: Address to which the login returns.
        type: str
        required: true
  app:
    description: Whether the app is expected to answer; without a running task only the load balancer does.
    type: bool
    default: true
  public_paths:
    description: Paths that need no login.
    type: list
    elements: str
    default: []
  refused_paths:
    description: Paths that answer 401 without a session or a token.
    type: list
    elements: str
    default: []
  connect_to:
    description:
      - Where to connect instead of where DNS says, as C(HOST1:PORT1:HOST2:PORT2) like curl's option C(--connect-to).
      - Requests for HOST1 and PORT1 go to HOST2 and PORT2. An empty part stands for any, or for the one asked for.
      - Names in requests and certificates stay as they are.
    type: list
    elements: str
    default: []
  ca_path:
    description: File with the certificate authorities to trust; leave unset for those of the system.
    type: path
  timeout:
    description: Seconds in which everything has to be as declared; new names and targets are not everywhere at once.
    type: int
    default: 120
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
- name: Look at the app
  gatehouse.fargate.https_smoke_test:
    domain: hello.example.com
    login:
      domain: auth.hello.example.com
      client_id: 7abcdefghijklmnop
      callback_url: https://hello.example.com/oauth2/idpresponse
    public_paths: [/healthz]

- name: Look at it before its name is known everywhere
  gatehouse.fargate.https_smoke_test:
    domain: hello.example.com
    connect_to: ["hello.example.com::hello-dev-1234567890.eu-west-1.elb.amazonaws.com:"]
"""

RETURN = r"""
smoke_test:
  description: What was found, also when the module fails.
  returned: always
  type: dict
  contains:
    domain:
      description: Domain of the app.
      type: str
    passed:
      description: Whether all checks passed.
      type: bool
    report:
      description: One line for the whole and one for each check.
      type: list
      elements: str
      sample: ["hello.example.com: 7 of 7 checks passed", "ok: HTTP: 301 to https://hello.example.com:443/"]
    checks:
      description: Each check with its name, url, what was expected, what was found, and whether it passed.
      type: list
      elements: dict
"""

import ssl
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._smoke import (
    ConnectToError,
    Route,
    Visitor,
    checks,
    run,
    summary,
)

LOGIN_SPEC: dict[str, Any] = {
    "domain": {"type": "str", "required": True},
    "client_id": {"type": "str", "required": True},
    "callback_url": {"type": "str", "required": True},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "domain": {"type": "str", "required": True},
    "login": {"type": "dict", "options": LOGIN_SPEC},
    "app": {"type": "bool", "default": True},
    "public_paths": {"type": "list", "elements": "str", "default": []},
    "refused_paths": {"type": "list", "elements": "str", "default": []},
    "connect_to": {"type": "list", "elements": "str", "default": []},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 120},
}


def visit(params: dict[str, Any]) -> dict[str, Any]:
    routes = tuple(Route.parse(text) for text in params["connect_to"])
    visitor = Visitor(routes, ssl.create_default_context(cafile=params["ca_path"]))
    return summary(params["domain"], run(checks(params), visitor.get, params["timeout"]))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        found = visit(module.params)
    except ConnectToError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Failed to read ca_path {module.params['ca_path']}: {error}")
    if not found["passed"]:
        module.fail_json(msg="\n".join(found["report"]), smoke_test=found)
    module.exit_json(changed=False, smoke_test=found)


if __name__ == "__main__":
    main()
