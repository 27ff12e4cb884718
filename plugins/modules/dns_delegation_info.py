#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dns_delegation_info
version_added: 0.1.0
short_description: Ask the parent's name servers whether they delegate a domain
description:
  - Asks the name servers of the zone above a domain, over DNS, where they send the world for that domain, and compares
    the answer with the name servers that the domain's zone has.
  - Certificates validated by DNS and Cognito's custom domains wait in vain for a domain that is not delegated.
options:
  domain:
    description: Domain whose delegation is checked.
    type: str
    required: true
  name_servers:
    description: Name servers of the domain's zone.
    type: list
    elements: str
    required: true
  parent_domain:
    description: Domain whose name servers are asked. Without it the one directly above O(domain).
    type: str
  servers:
    description:
      - Servers to ask, address or address:port, in place of the parent's own name servers. For networks that let nobody
        but their own resolver ask the internet; a resolver may repeat an old answer for some minutes.
      - The environment variable E(GATEHOUSE_RESOLVER) serves when this is not set, several separated by commas.
      - Without either, the parent's name servers are looked up and asked; if they cannot be reached, the resolvers of
        this machine are.
    type: list
    elements: str
  ttl:
    description: Seconds that the records to enter shall be kept for.
    type: int
    default: 300
  required:
    description:
      - Whether a delegation that is missing or leads elsewhere fails the task, with the records to enter.
      - When nobody can be asked, the task warns and does not fail.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to keep asking while there is no delegation, for one that was written just now.
    type: int
    default: 0
requirements:
  - dnspython >= 2.6
author:
  - Gatehouse contributors (@gatehouse)
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
- name: Go on only once the registrar knows our name servers
  gatehouse.fargate.dns_delegation_info:
    domain: hello.example.com
    parent_domain: example.com
    name_servers: "{{ zone.name_servers }}"
    required: true
"""

RETURN = r"""
delegation:
  description: What the asked servers say.
  returned: always
  type: dict
  contains:
    delegated:
      description: Whether all who answered lead to the zone's name servers; null when nobody answered.
      type: bool
    found:
      description: Name servers they lead to, sorted.
      type: list
      elements: str
    asked:
      description: Who was asked.
      type: list
      elements: str
    records:
      description: NS records that the parent zone has to hold, one line for each as in a zone file.
      type: list
      elements: str
failure:
  description: Why the task failed, for programs.
  returned: when O(required=true) and the delegation is missing or leads elsewhere
  type: dict
  contains:
    code:
      description: Always V(delegation_missing).
      type: str
      sample: delegation_missing
    domain:
      description: Domain that lacks the delegation.
      type: str
    parent_domain:
      description: Domain whose zone has to hold the records.
      type: str
    records:
      description: NS records to enter there.
      type: list
      elements: str
    found:
      description: Name servers that the parent leads to now.
      type: list
      elements: str
"""

import importlib.util
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.gatehouse.fargate.plugins.module_utils._dns.delegation import (
    Server,
    ask,
    authoritative_servers,
    host_name,
    parse_server,
    system_resolvers,
    verdict,
)

HAS_DNSPYTHON = importlib.util.find_spec("dns") is not None

Fields = dict[str, Any]

ARGUMENT_SPEC: dict[str, Any] = {
    "domain": {"type": "str", "required": True},
    "name_servers": {"type": "list", "elements": "str", "required": True},
    "parent_domain": {"type": "str"},
    "servers": {"type": "list", "elements": "str", "fallback": (env_fallback, ["GATEHOUSE_RESOLVER"])},
    "ttl": {"type": "int", "default": 300},
    "required": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 0},
}
POLL_SECONDS = 3.0
CODE = "delegation_missing"


def parent_of(params: Fields) -> str:
    return host_name(params["parent_domain"] or host_name(params["domain"]).partition(".")[2])


def candidates(params: Fields) -> list[list[Server]]:
    """Returns groups of servers: the next group counts only when nobody of those before answers."""
    if params["servers"]:
        return [[parse_server(text) for text in params["servers"]]]
    return [authoritative_servers(parent_of(params)), system_resolvers()]


def describe(groups: list[list[Server]], params: Fields) -> Fields:
    asked: list[Server] = []
    answers: list[frozenset[str] | None] = []
    for group in groups:
        asked = group
        answers = [ask(server, params["domain"]) for server in group]
        if any(answer is not None for answer in answers):
            break
    return {
        "delegated": verdict(answers, params["name_servers"]),
        "found": sorted({name for answer in answers for name in answer or ()}),
        "asked": [str(server) for server in asked],
        "records": records(params),
    }


def records(params: Fields) -> list[str]:
    domain = host_name(params["domain"])
    servers = sorted(host_name(server) for server in params["name_servers"])
    return [f"{domain}. {params['ttl']} IN NS {server}." for server in servers]


def describe_until_delegated(params: Fields) -> Fields:
    groups = candidates(params)
    deadline = time.monotonic() + params["wait_timeout"]
    found = describe(groups, params)
    while found["delegated"] is False and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        found = describe(groups, params)
    return found


def refusal(found: Fields, params: Fields) -> str:
    domain, parent = host_name(params["domain"]), parent_of(params)
    lead = f"lead to {', '.join(found['found'])} instead of its own" if found["found"] else "know no NS record for it"
    return (
        f"{CODE}: {domain} is not delegated to its zone: the name servers of {parent} ({', '.join(found['asked'])}) "
        f"{lead}. Without that it gets no certificate. Enter these NS records for {domain} in the zone {parent}, "
        f"where that domain is managed (its registrar or DNS host), and remove others of that name, then run again:\n"
        + "\n".join(found["records"])
    )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    if not HAS_DNSPYTHON:
        module.fail_json(msg=missing_required_lib("dnspython"))
    params = module.params
    try:
        found = describe_until_delegated(params)
    except ValueError as error:
        module.fail_json(msg=f"servers: {error}")
    if found["delegated"] is None:
        module.warn(f"No name server could be asked whether {parent_of(params)} delegates {params['domain']}.")
    if params["required"] and found["delegated"] is False:
        failure = {"code": CODE, "domain": host_name(params["domain"]), "parent_domain": parent_of(params)}
        failure |= {key: found[key] for key in ("records", "found")}
        module.fail_json(msg=refusal(found, params), failure=failure, delegation=found)
    module.exit_json(changed=False, delegation=found)


if __name__ == "__main__":
    main()
