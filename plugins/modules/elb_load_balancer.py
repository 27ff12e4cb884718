#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elb_load_balancer
version_added: 0.1.0
short_description: Manage an Application Load Balancer with its listeners and rules
description:
  - Creates, changes or deletes a load balancer together with its attributes, its listeners, their rules and the tags of
    all of them.
  - What AWS fills in by itself is filled in before comparing, so that an option left out is not a difference.
author:
  - Gatehouse contributors (@gatehouse)
options:
  name:
    description: Name of the load balancer, at most 32 characters.
    type: str
    required: true
  state:
    description: Whether the load balancer should exist.
    type: str
    choices: [present, absent]
    default: present
  scheme:
    description:
      - Whether the load balancer has public addresses.
      - AWS cannot change this after creation; a different value on an existing load balancer is refused.
    type: str
    choices: [internet-facing, internal]
    default: internet-facing
  ip_address_type:
    description:
      - Kinds of addresses that clients can use.
      - A login with Amazon Cognito needs public IPv4 addresses, hence not V(dualstack-without-public-ipv4).
    type: str
    choices: [ipv4, dualstack, dualstack-without-public-ipv4]
    default: ipv4
  subnet_ids:
    description: Subnets in at least two availability zones; required with O(state=present).
    type: list
    elements: str
  security_group_ids:
    description: Security groups; leave unset to keep them unmanaged.
    type: list
    elements: str
  idle_timeout:
    description: Seconds after which an idle connection is closed, V(1) to V(4000).
    type: int
    default: 60
  client_keep_alive:
    description: Seconds for which the connection of a client is kept, V(60) to V(604800).
    type: int
    default: 3600
  deletion_protection:
    description: Whether the load balancer is protected from being deleted.
    type: bool
    default: false
  drop_invalid_header_fields:
    description: Whether header fields with invalid names are removed from requests; AWS's own default is V(false).
    type: bool
    default: true
  http2:
    description: Whether clients may use HTTP/2.
    type: bool
    default: true
  preserve_host_header:
    description: Whether the Host header is passed on unchanged.
    type: bool
    default: false
  desync_mitigation_mode:
    description: How requests that may be smuggled are treated.
    type: str
    choices: [monitor, defensive, strictest]
    default: defensive
  xff_header_processing_mode:
    description: What is done with the X-Forwarded-For header of a request.
    type: str
    choices: [append, preserve, remove]
    default: append
  xff_client_port:
    description: Whether X-Forwarded-For also names the port of the client.
    type: bool
    default: false
  tls_headers:
    description: Whether targets are told the TLS version and the cipher suite in headers.
    type: bool
    default: false
  waf_fail_open:
    description: Whether requests pass when AWS WAF cannot be reached.
    type: bool
    default: false
  zonal_shift:
    description: Whether traffic can be shifted away from an availability zone.
    type: bool
    default: false
  access_logs:
    description: Where requests are logged; leave unset to log nothing.
    type: dict
    suboptions: &logs
      bucket:
        description: Bucket in the region of the load balancer whose policy lets the load balancer write.
        type: str
        required: true
      prefix:
        description: Folder in the bucket.
        type: str
        default: ""
  connection_logs:
    description: Where connections are logged; leave unset to log nothing.
    type: dict
    suboptions: *logs
  listeners:
    description: Listeners, known by their ports; leave unset to keep them unmanaged.
    type: list
    elements: dict
    suboptions:
      port:
        description: Port of the listener.
        type: int
        required: true
      protocol:
        description: Protocol of the listener.
        type: str
        choices: [HTTP, HTTPS]
        required: true
      certificate_arn:
        description: Certificate in AWS Certificate Manager, already issued; required with V(HTTPS).
        type: str
      ssl_policy:
        description: Versions of TLS and ciphers that are offered; only used with V(HTTPS).
        type: str
        default: ELBSecurityPolicy-TLS13-1-2-2021-06
      default_actions:
        description: What happens to a request that no rule matches.
        type: list
        elements: dict
        required: true
        suboptions: &actions
          type:
            description:
              - Kind of the action.
              - V(authenticate_cognito) and V(jwt_validation) are followed by another action, the others stand last.
            type: str
            choices: [authenticate_cognito, fixed_response, forward, jwt_validation, redirect]
            required: true
          target_group_arn:
            description: Target group for V(forward).
            type: str
          alternate_target_group_arn:
            description:
              - For V(forward), a second target group with which somebody else shares the traffic, for example ECS in a
                blue/green deployment. The weights of the two are left as they are; any other group is taken out.
              - Where none of the two has traffic yet, O(listeners[].rules[].actions[].target_group_arn) gets all.
            type: str
          retiring_target_group:
            description:
              - For V(forward), name of a second target group that may still be there. As long as it is, the weights are
                left as they are. Leave unset to forward to O(listeners[].rules[].actions[].target_group_arn) alone.
            type: str
          user_pool_arn:
            description: Cognito user pool for V(authenticate_cognito).
            type: str
          user_pool_client_id:
            description: Client of the user pool, which must have a secret.
            type: str
          user_pool_domain:
            description: Custom domain of the user pool in full, or its prefix at Amazon.
            type: str
          scope:
            description: Claims that are asked for, V(openid) unless given.
            type: str
          session_timeout:
            description: Seconds until a login has to be repeated, V(604800) unless given.
            type: int
          session_cookie_name:
            description: Name of the cookie, V(AWSELBAuthSessionCookie) unless given.
            type: str
          on_unauthenticated_request:
            description: What happens without a login, V(authenticate) unless given.
            type: str
            choices: [allow, authenticate, deny]
          extra_params:
            description: Further query parameters for the login page.
            type: dict
          jwks_endpoint:
            description: Address of the public keys for V(jwt_validation), which the load balancer fetches by itself.
            type: str
          issuer:
            description: Issuer that a token for V(jwt_validation) must be of.
            type: str
          additional_claims:
            description:
              - Claims that a token for V(jwt_validation) must have besides a valid issuer and time, at most ten.
              - Leave unset to ask for none.
            type: list
            elements: dict
            suboptions:
              name:
                description: Name of the claim.
                type: str
                required: true
              format:
                description: How the token writes the claim.
                type: str
                choices: [single_string, string_array, space_separated_values]
                default: single_string
              values:
                description: Values that the claim may have, of which one is enough.
                type: list
                elements: str
                required: true
          protocol:
            description: Protocol to redirect to, the one of the request unless given.
            type: str
          port:
            description: Port to redirect to, the one of the request unless given.
            type: str
          host:
            description: Host to redirect to, the one of the request unless given.
            type: str
          path:
            description: Path to redirect to, the one of the request unless given.
            type: str
          query:
            description: Query to redirect to, the one of the request unless given.
            type: str
          status_code:
            description:
              - Status of a V(redirect), V(HTTP_301) unless given, or V(HTTP_302).
              - Status of a V(fixed_response), V(404) unless given.
            type: str
          content_type:
            description: Content type of a V(fixed_response), V(text/plain) unless given.
            type: str
          message_body:
            description: Body of a V(fixed_response), empty unless given.
            type: str
      rules:
        description: Rules, known by their priorities.
        type: list
        elements: dict
        default: []
        suboptions:
          priority:
            description: Place of the rule, V(1) to V(50000); the lowest number is tried first.
            type: int
            required: true
          path_patterns:
            description: Paths, of which one has to match; all conditions together may have five values.
            type: list
            elements: str
          host_headers:
            description: Host names, of which one has to match.
            type: list
            elements: str
          http_methods:
            description: Methods, of which one has to match.
            type: list
            elements: str
          source_ips:
            description: CIDR blocks of clients, of which one has to match.
            type: list
            elements: str
          http_headers:
            description: Headers, which all have to match.
            type: list
            elements: dict
            suboptions:
              name:
                description: Name of the header.
                type: str
                required: true
              values:
                description: Values, of which one has to match.
                type: list
                elements: str
                required: true
          query_strings:
            description: Query parameters, of which one has to match.
            type: list
            elements: dict
            suboptions:
              key:
                description: Name of the parameter; leave unset for any.
                type: str
              value:
                description: Value of the parameter.
                type: str
                required: true
          actions:
            description: What happens to a request that matches.
            type: list
            elements: dict
            required: true
            suboptions: *actions
  purge_listeners:
    description: Whether listeners at ports that O(listeners) does not name are deleted.
    type: bool
    default: true
  purge_rules:
    description: Whether rules that O(listeners[].rules) does not name are deleted.
    type: bool
    default: true
  force:
    description: Whether O(state=absent) also deletes a load balancer that is protected from it.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the load balancer is active, which takes some minutes after its creation.
      - With O(state=absent), whether to wait until it is gone.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 600
notes:
  - O(tags) are the tags of the load balancer, of its listeners and of their rules.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Serve an app behind a login
  gatehouse.fargate.elb_load_balancer:
    name: hello-dev
    subnet_ids: [subnet-0a1b2c3d4e5f67890, subnet-0b1c2d3e4f5a67891]
    security_group_ids: [sg-0a1b2c3d4e5f67890]
    access_logs:
      bucket: hello-dev-alb-logs
    listeners:
      - port: 80
        protocol: HTTP
        default_actions:
          - type: redirect
            protocol: HTTPS
            port: "443"
      - port: 443
        protocol: HTTPS
        certificate_arn: "{{ certificate.arn }}"
        default_actions:
          - type: fixed_response
        rules:
          - priority: 100
            path_patterns: ["/*"]
            actions:
              - type: authenticate_cognito
                user_pool_arn: "{{ user_pool.arn }}"
                user_pool_client_id: "{{ user_pool_client.client_id }}"
                user_pool_domain: auth.hello.example.com
              - type: forward
                target_group_arn: "{{ target_group.arn }}"
    tags:
      gatehouse:stack: hello-dev
"""

RETURN = r"""
load_balancer:
  description:
    - The load balancer as it is now, or as it will be in check mode; empty when it does not exist.
    - Holds every attribute under the name of its option as well.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the load balancer.
      type: str
      sample: arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/hello-dev/50dc6c495c0c9188
    name:
      description: Name of the load balancer.
      type: str
    dns_name:
      description: Name under which AWS answers for the load balancer.
      type: str
    hosted_zone_id:
      description: Hosted zone of RV(load_balancer.dns_name), for an alias record.
      type: str
    status:
      description: V(provisioning), V(active), V(active_impaired) or V(failed).
      type: str
    vpc_id:
      description: VPC of the load balancer.
      type: str
    scheme:
      description: V(internet-facing) or V(internal).
      type: str
    ip_address_type:
      description: Kinds of addresses that clients can use.
      type: str
    subnet_ids:
      description: Subnets, sorted.
      type: list
      elements: str
    security_group_ids:
      description: Security groups, sorted.
      type: list
      elements: str
    listeners:
      description: Listeners with their rules, by port and priority.
      type: list
      elements: dict
    tags:
      description: Tags of the load balancer.
      type: dict
changes:
  description: What was changed, or would be in check mode, one entry for each resource.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
    resource:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource.
      type: str
    before:
      description: The affected fields as they were.
      type: dict
    after:
      description: The affected fields as they are to be.
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

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2 import api
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.common import change_tags, refuse_bad_name
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.listeners import (
    Scope,
    apply_change,
    plan_listeners,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.transformations import ATTRIBUTES, LOGS
from ansible_collections.gatehouse.fargate.plugins.module_utils._ownership import guarded
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    differences,
    tag_differences,
    tags_after,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import run

CLAIM_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "format": {
        "type": "str",
        "choices": ["single_string", "string_array", "space_separated_values"],
        "default": "single_string",
    },
    "values": {"type": "list", "elements": "str", "required": True},
}
ACTION_SPEC: dict[str, Any] = {
    "type": {
        "type": "str",
        "choices": ["authenticate_cognito", "fixed_response", "forward", "jwt_validation", "redirect"],
        "required": True,
    },
    "target_group_arn": {"type": "str"},
    "alternate_target_group_arn": {"type": "str"},
    "retiring_target_group": {"type": "str"},
    "user_pool_arn": {"type": "str"},
    "user_pool_client_id": {"type": "str"},
    "user_pool_domain": {"type": "str"},
    "scope": {"type": "str"},
    "session_timeout": {"type": "int"},
    "session_cookie_name": {"type": "str"},
    "on_unauthenticated_request": {"type": "str", "choices": ["allow", "authenticate", "deny"]},
    "extra_params": {"type": "dict"},
    "jwks_endpoint": {"type": "str"},
    "issuer": {"type": "str"},
    "additional_claims": {"type": "list", "elements": "dict", "options": CLAIM_SPEC},
    "protocol": {"type": "str"},
    "port": {"type": "str"},
    "host": {"type": "str"},
    "path": {"type": "str"},
    "query": {"type": "str"},
    "status_code": {"type": "str"},
    "content_type": {"type": "str"},
    "message_body": {"type": "str"},
}
ACTIONS_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": ACTION_SPEC,
    "required_if": [
        ("type", "forward", ["target_group_arn"]),
        ("type", "authenticate_cognito", ["user_pool_arn", "user_pool_client_id", "user_pool_domain"]),
        ("type", "jwt_validation", ["jwks_endpoint", "issuer"]),
    ],
}
HEADER_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "values": {"type": "list", "elements": "str", "required": True},
}
QUERY_SPEC: dict[str, Any] = {
    "key": {"type": "str", "no_log": False},
    "value": {"type": "str", "required": True},
}
RULE_SPEC: dict[str, Any] = {
    "priority": {"type": "int", "required": True},
    "path_patterns": {"type": "list", "elements": "str"},
    "host_headers": {"type": "list", "elements": "str"},
    "http_methods": {"type": "list", "elements": "str"},
    "source_ips": {"type": "list", "elements": "str"},
    "http_headers": {"type": "list", "elements": "dict", "options": HEADER_SPEC},
    "query_strings": {"type": "list", "elements": "dict", "options": QUERY_SPEC},
    "actions": ACTIONS_SPEC,
}
LISTENER_SPEC: dict[str, Any] = {
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["HTTP", "HTTPS"], "required": True},
    "certificate_arn": {"type": "str"},
    "ssl_policy": {"type": "str", "default": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
    "default_actions": ACTIONS_SPEC,
    "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE_SPEC},
}
LOGS_SPEC: dict[str, Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": ""},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "scheme": {"type": "str", "choices": ["internet-facing", "internal"], "default": "internet-facing"},
    "ip_address_type": {
        "type": "str",
        "choices": ["ipv4", "dualstack", "dualstack-without-public-ipv4"],
        "default": "ipv4",
    },
    "subnet_ids": {"type": "list", "elements": "str"},
    "security_group_ids": {"type": "list", "elements": "str"},
    "idle_timeout": {"type": "int", "default": 60},
    "client_keep_alive": {"type": "int", "default": 3600},
    "deletion_protection": {"type": "bool", "default": False},
    "drop_invalid_header_fields": {"type": "bool", "default": True},
    "http2": {"type": "bool", "default": True},
    "preserve_host_header": {"type": "bool", "default": False},
    "desync_mitigation_mode": {
        "type": "str",
        "choices": ["monitor", "defensive", "strictest"],
        "default": "defensive",
    },
    "xff_header_processing_mode": {"type": "str", "choices": ["append", "preserve", "remove"], "default": "append"},
    "xff_client_port": {"type": "bool", "default": False},
    "tls_headers": {"type": "bool", "default": False},
    "waf_fail_open": {"type": "bool", "default": False},
    "zonal_shift": {"type": "bool", "default": False},
    "access_logs": {"type": "dict", "options": LOGS_SPEC},
    "connection_logs": {"type": "dict", "options": LOGS_SPEC},
    "listeners": {
        "type": "list",
        "elements": "dict",
        "options": LISTENER_SPEC,
        "required_if": [("protocol", "HTTPS", ["certificate_arn"])],
    },
    "purge_listeners": {"type": "bool", "default": True},
    "purge_rules": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "elb_load_balancer"


def describe(client: Any, params: Fields, check_mode: bool) -> Fields:
    """Returns the load balancer; one that needs no change any more is waited for."""
    current = api.describe(client, params["name"])
    waits = params["wait"] and params["state"] == "present" and not check_mode
    if not waits or not current or current["status"] == "active" or plan(current, params).changes:
        return current
    api.wait_active(client, current["arn"], params["wait_timeout"])
    return {**current, "status": "active"}


def plan(current: Fields, params: Fields) -> Plan:
    if params["state"] == "absent":
        return plan_absent(current, params)
    refuse_bad_name("load balancer", params["name"])
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields, params: Fields) -> Plan:
    if not current:
        return Plan({})
    if current["deletion_protection"] and not params["force"]:
        raise PlanRefusedError(
            f"deletion_protection of load balancer {params['name']} is on: turn it off, or set force to delete it."
        )
    return Plan({}, (Change(Action.DELETE, RESOURCE, params["name"], before=current),))


def desired_fields(params: Fields) -> Fields:
    groups = params["security_group_ids"]
    return {
        "scheme": params["scheme"],
        "ip_address_type": params["ip_address_type"],
        "subnet_ids": sorted(params["subnet_ids"]),
        "security_group_ids": None if groups is None else sorted(groups),
        **{name: params[name] for name in ATTRIBUTES},
        **{name: params[name] or {} for name in LOGS},
    }


def plan_create(params: Fields) -> Plan:
    fields = {"name": params["name"], **desired_fields(params), "tags": params["tags"] or {}}
    unknown = dict.fromkeys(("arn", "dns_name", "hosted_zone_id", "vpc_id"), KNOWN_AFTER_APPLY)
    listeners, changes = plan_listeners([], params["listeners"], Scope.of(params))
    create = Change(Action.CREATE, RESOURCE, params["name"], after={**fields, **unknown}, call=fields)
    status = "active" if params["wait"] else "provisioning"
    return Plan({**fields, **unknown, "status": status, "listeners": listeners}, (create, *changes))


def plan_update(current: Fields, params: Fields) -> Plan:
    before, after = differences(current, desired_fields(params))
    if "scheme" in after:
        raise PlanRefusedError(
            f"scheme of load balancer {params['name']} is {before['scheme']} and AWS cannot change it to "
            f"{after['scheme']}: keep {before['scheme']}, or delete the load balancer first."
        )
    modified = dict(after)
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    call = (modified, to_set, to_remove)
    own = [Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=call)] if after else []
    listeners, changes = plan_listeners(current["listeners"], params["listeners"], Scope.of(params))
    return Plan({**current, **after, "listeners": listeners}, (*own, *changes))


def apply(client: Any, params: Fields, planned: Plan) -> None:
    arn = planned.result.get("arn", "")
    listener_arns = {one["port"]: one["arn"] for one in planned.result.get("listeners", [])}
    for change in planned.changes:
        if change.resource != RESOURCE:
            apply_change(client, change, arn, listener_arns)
        elif change.action is Action.CREATE:
            arn = api.create(client, change.call)
        elif change.action is Action.DELETE:
            delete(client, change.before, params)
        else:
            fields, to_set, to_remove = change.call
            api.update(client, arn, fields)
            change_tags(client, arn, to_set, to_remove)


def delete(client: Any, current: Fields, params: Fields) -> None:
    if current["deletion_protection"]:
        api.set_attributes(client, current["arn"], {"deletion_protection": False})
    api.delete(client, current["arn"])
    if params["wait"]:
        api.wait_deleted(client, current["arn"], params["wait_timeout"])


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["subnet_ids"])],
        supports_check_mode=True,
    )
    client = aws_client(module, "elbv2")
    run(
        module,
        "load_balancer",
        describe=lambda: describe(client, module.params, module.check_mode),
        plan=guarded(
            f"load balancer {module.params['name']}", module.params, lambda current: plan(current, module.params)
        ),
        apply=lambda planned: apply(client, module.params, planned),
    )


if __name__ == "__main__":
    main()
