#!/usr/bin/python

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_service_roles
version_added: 0.1.0
short_description: Manage IAM roles for AWS services, with all their policies, in one call
description:
  - Creates, changes or deletes roles together with their trust policies, all their inline policies, managed policies
    and tags.
  - Policies are compared by meaning. An inline policy that is not declared is found and removed.
  - Works in check mode when the roles do not exist yet.
author:
  - Gatehouse contributors (@gatehouse)
options:
  roles:
    description: The roles.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the role.
        type: str
        required: true
      path:
        description:
          - Path of the role.
          - AWS cannot change this after creation; a different value on an existing role is refused.
        type: str
        default: /
      description:
        description: What the role is for.
        type: str
        default: ''
      service:
        description:
          - Service that may assume the role, for example V(ecs-tasks.amazonaws.com).
          - One of O(roles[].service) and O(roles[].assume_role_policy_document) is required when O(state=present).
        type: str
      service_condition:
        description: Condition under which O(roles[].service) may assume the role, as in a policy statement.
        type: dict
      assume_role_policy_document:
        description: The whole trust policy.
        type: dict
      max_session_duration:
        description: Seconds that a session of the role may last.
        type: int
        default: 3600
      permissions_boundary:
        description:
          - ARN of the managed policy that limits what the role can be allowed; V('') for none.
          - Leave unset to keep it unmanaged.
        type: str
      policies:
        description:
          - All inline policies, name and document. Others are removed.
          - Leave unset to keep inline policies unmanaged.
        type: dict
      managed_policies:
        description:
          - ARNs of all managed policies. Others are detached.
          - Leave unset to keep managed policies unmanaged.
        type: list
        elements: str
  state:
    description: Whether the roles should exist.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - gatehouse.fargate.attributes
  - gatehouse.fargate.ownership
"""

EXAMPLES = r"""
- name: Let ECS start tasks, and tasks open the channels of ECS Exec
  gatehouse.fargate.iam_service_roles:
    roles:
      - name: hello-dev-execution
        path: /gatehouse/
        service: ecs-tasks.amazonaws.com
        managed_policies: ["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"]
      - name: hello-dev-task
        path: /gatehouse/
        service: ecs-tasks.amazonaws.com
        service_condition:
          StringEquals:
            aws:SourceAccount: "123456789012"
        policies:
          exec:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action:
                  - ssmmessages:CreateControlChannel
                  - ssmmessages:CreateDataChannel
                  - ssmmessages:OpenControlChannel
                  - ssmmessages:OpenDataChannel
                Resource: "*"
"""

RETURN = r"""
roles:
  description: Each role by its name as it is now, or as it will be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the role.
      type: str
    arn:
      description: ARN of the role.
      type: str
      sample: arn:aws:iam::123456789012:role/gatehouse/hello-dev-task
    path:
      description: Path of the role.
      type: str
    description:
      description: What the role is for.
      type: str
    assume_role_policy_document:
      description: The trust policy.
      type: dict
    max_session_duration:
      description: Seconds that a session of the role may last.
      type: int
    permissions_boundary:
      description: ARN of the permissions boundary, or an empty string.
      type: str
    policies:
      description: The inline policies, name and document.
      type: dict
    managed_policies:
      description: ARNs of the managed policies.
      type: list
      elements: str
    tags:
      description: Tags of the role.
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

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client, missing_is
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

ROLE_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/"},
    "description": {"type": "str", "default": ""},
    "service": {"type": "str"},
    "service_condition": {"type": "dict"},
    "assume_role_policy_document": {"type": "dict"},
    "max_session_duration": {"type": "int", "default": 3600},
    "permissions_boundary": {"type": "str"},
    "policies": {"type": "dict"},
    "managed_policies": {"type": "list", "elements": "str"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "roles": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": ROLE_SPEC,
        "mutually_exclusive": [["service", "assume_role_policy_document"]],
        "required_by": {"service_condition": ["service"]},
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "adopt": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
RESOURCE = "iam_role"

RoleErrors = missing_is("NoSuchEntity", "NoSuchEntityException")


def describe(client: Any, params: Fields) -> Fields:
    return {role["name"]: describe_role(client, role["name"]) for role in params["roles"]}


@RoleErrors.list_error_handler("describe the role", {})
def describe_role(client: Any, name: str) -> Fields:
    role = client.get_role(RoleName=name)["Role"]
    return {
        "name": name,
        "arn": role["Arn"],
        "path": role["Path"],
        "description": role.get("Description", ""),
        "assume_role_policy_document": role["AssumeRolePolicyDocument"],
        "max_session_duration": role.get("MaxSessionDuration", 3600),
        "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "policies": describe_policies(client, name),
        "managed_policies": describe_managed_policies(client, name),
        "tags": boto3_tag_list_to_ansible_dict(role.get("Tags", [])),
    }


def describe_policies(client: Any, role: str) -> Fields:
    pages = client.get_paginator("list_role_policies").paginate(RoleName=role)
    names = [name for page in pages for name in page["PolicyNames"]]
    return {name: client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}


def describe_managed_policies(client: Any, role: str) -> list[str]:
    pages = client.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return sorted(policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"])


def trust_policy(params: Fields) -> Fields:
    if params["assume_role_policy_document"]:
        return dict(params["assume_role_policy_document"])
    statement = {"Effect": "Allow", "Principal": {"Service": params["service"]}, "Action": "sts:AssumeRole"}
    if params["service_condition"]:
        statement["Condition"] = params["service_condition"]
    return {"Version": "2012-10-17", "Statement": [statement]}


def plan(current: Fields, params: Fields) -> Plan:
    names = [role["name"] for role in params["roles"]]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise PlanRefusedError(f"roles: {twice[0]} is listed more than once: name each role once.")
    common = {key: params[key] for key in ("state", "adopt", "tags", "purge_tags")}
    plans = {role["name"]: plan_own(current[role["name"]], {**common, **role}) for role in params["roles"]}
    changes = tuple(change for planned in plans.values() for change in planned.changes)
    return Plan({name: planned.result for name, planned in plans.items()}, changes)


def plan_own(current: Fields, params: Fields) -> Plan:
    return guarded(f"role {params['name']}", params, lambda found: plan_role(found, params))(current)


def plan_role(current: Fields, params: Fields) -> Plan:
    if params["state"] == "present" and not (params["service"] or params["assume_role_policy_document"]):
        raise PlanRefusedError(
            f"roles: {params['name']} has neither service nor assume_role_policy_document: give one of them."
        )
    if params["state"] == "absent":
        return plan_absent(current)
    return plan_update(current, params) if current else plan_create(params)


def plan_absent(current: Fields) -> Plan:
    return Plan({}, (Change(Action.DELETE, RESOURCE, current["name"], before=current),)) if current else Plan({})


def plan_create(params: Fields) -> Plan:
    result = {
        "name": params["name"],
        "arn": KNOWN_AFTER_APPLY,
        "path": params["path"],
        "description": params["description"],
        "assume_role_policy_document": trust_policy(params),
        "max_session_duration": params["max_session_duration"],
        "permissions_boundary": params["permissions_boundary"] or "",
        "policies": params["policies"] or {},
        "managed_policies": sorted(params["managed_policies"] or []),
        "tags": params["tags"] or {},
    }
    return Plan(result, (Change(Action.CREATE, RESOURCE, params["name"], after=result),))


def plan_update(current: Fields, params: Fields) -> Plan:
    if current["path"] != params["path"]:
        raise PlanRefusedError(
            f"path of role {params['name']} is {current['path']} and AWS cannot change it to {params['path']}: "
            f"keep {current['path']}, or delete the role first."
        )
    before, after = differences(current, adopt_equal_policies(current, desired(params)))
    to_set, to_remove = tag_differences(current["tags"], params["tags"], params["purge_tags"])
    if to_set or to_remove:
        before["tags"], after["tags"] = current["tags"], tags_after(current["tags"], to_set, to_remove)
    if not after:
        return Plan(current)
    change = Change(Action.UPDATE, RESOURCE, params["name"], before, after, call=(to_set, to_remove))
    return Plan({**current, **after}, (change,))


def desired(params: Fields) -> Fields:
    """Returns the declared fields that AWS can change; None stands for unmanaged."""
    managed = params["managed_policies"]
    return {
        "description": params["description"],
        "assume_role_policy_document": trust_policy(params),
        "max_session_duration": params["max_session_duration"],
        "permissions_boundary": params["permissions_boundary"],
        "policies": params["policies"],
        "managed_policies": None if managed is None else sorted(managed),
    }


def adopt_equal_policies(current: Fields, fields: Fields) -> Fields:
    """Replaces declared documents by the current ones that mean the same."""
    trust, policies = fields["assume_role_policy_document"], fields["policies"]
    return {
        **fields,
        "assume_role_policy_document": equal_or_declared(current["assume_role_policy_document"], trust),
        "policies": None
        if policies is None
        else {name: equal_or_declared(current["policies"].get(name), document) for name, document in policies.items()},
    }


def equal_or_declared(current: Mapping[str, Any] | None, declared: Mapping[str, Any]) -> Any:
    return current if current and not compare_policies(current, declared) else declared


@RoleErrors.common_error_handler("change the role")
def apply(client: Any, planned: Plan) -> None:
    for change in planned.changes:
        if change.action is Action.DELETE:
            delete(client, change)
        elif change.action is Action.CREATE:
            create(client, change.after)
        else:
            update(client, change)


def create(client: Any, fields: Fields) -> None:
    client.create_role(**create_request(fields))
    client.get_waiter("role_exists").wait(RoleName=fields["name"])
    change_policies(client, fields["name"], {}, fields["policies"])
    change_managed_policies(client, fields["name"], [], fields["managed_policies"])


def create_request(fields: Fields) -> Fields:
    request = {
        "RoleName": fields["name"],
        "Path": fields["path"],
        "Description": fields["description"],
        "AssumeRolePolicyDocument": json.dumps(fields["assume_role_policy_document"]),
        "MaxSessionDuration": fields["max_session_duration"],
        "Tags": ansible_dict_to_boto3_tag_list(fields["tags"]),
    }
    if fields["permissions_boundary"]:
        request["PermissionsBoundary"] = fields["permissions_boundary"]
    return request


def update(client: Any, change: Change) -> None:
    name, before, after = change.name, change.before, change.after
    settings = {
        api: after[field]
        for field, api in (("description", "Description"), ("max_session_duration", "MaxSessionDuration"))
        if field in after
    }
    if settings:
        client.update_role(RoleName=name, **settings)
    if "assume_role_policy_document" in after:
        document = json.dumps(after["assume_role_policy_document"])
        client.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    if "permissions_boundary" in after:
        change_boundary(client, name, after["permissions_boundary"])
    change_policies(client, name, before.get("policies", {}), after.get("policies", {}))
    change_managed_policies(client, name, before.get("managed_policies", []), after.get("managed_policies", []))
    change_role_tags(client, name, *change.call)


def change_boundary(client: Any, role: str, arn: str) -> None:
    if arn:
        client.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=arn)
    else:
        client.delete_role_permissions_boundary(RoleName=role)


def change_policies(client: Any, role: str, before: Fields, after: Fields) -> None:
    """Writes what is new or different first, so that a renamed permission is never missing in between."""
    for name, document in after.items():
        if before.get(name) != document:
            client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    for name in before.keys() - after.keys():
        client.delete_role_policy(RoleName=role, PolicyName=name)


def change_managed_policies(client: Any, role: str, before: list[str], after: list[str]) -> None:
    for arn in sorted(set(after) - set(before)):
        client.attach_role_policy(RoleName=role, PolicyArn=arn)
    for arn in sorted(set(before) - set(after)):
        client.detach_role_policy(RoleName=role, PolicyArn=arn)


def change_role_tags(client: Any, role: str, to_set: dict[str, str], to_remove: list[str]) -> None:
    if to_remove:
        client.untag_role(RoleName=role, TagKeys=to_remove)
    if to_set:
        client.tag_role(RoleName=role, Tags=ansible_dict_to_boto3_tag_list(to_set))


@RoleErrors.deletion_error_handler("delete the role")
def delete(client: Any, change: Change) -> None:
    change_policies(client, change.name, change.before["policies"], {})
    change_managed_policies(client, change.name, change.before["managed_policies"], [])
    client.delete_role(RoleName=change.name)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    client = aws_client(module, "iam")
    run(
        module,
        "roles",
        describe=lambda: describe(client, module.params),
        plan=lambda current: plan(current, module.params),
        apply=lambda planned: apply(client, planned),
    )


if __name__ == "__main__":
    main()
