# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Requests for what the doctor judges, each about one thing; nothing when it does not exist.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import ipv4
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import Image, Secret
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import describe_records, host_name
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.finders import GONE_STATES, Listing, list_all
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import Stack

Missing = missing_is(
    "ImageNotFoundException",
    "InvalidPrefixListID.NotFound",
    "NoSuchEntity",
    "NotFoundException",
    "RepositoryNotFoundException",
    "RepositoryPolicyNotFoundException",
    "ResourceNotFoundException",
    "TargetGroupNotFound",
)
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "UnauthorizedAccess")
PREFIX_LISTS = Listing("describe_managed_prefix_lists", "PrefixLists", "PrefixListId")


def first(found: Iterable[Fields]) -> Fields:
    return next(iter(found), {})


def living(client: Any, listing: Listing, filters: list[Fields]) -> list[Fields]:
    """Returns what EC2 lists, without what it only remembers."""
    return [one for one in list_all(client, listing, filters) if str(one["State"]).lower() not in GONE_STATES]


def zone_named(stack: Stack, name: str) -> Fields:
    """Returns the public zone of a name with the name servers that it has."""
    client = stack.client("route53")
    zones = client.list_hosted_zones_by_name(DNSName=f"{name}.")["HostedZones"] if name else []
    for zone in zones:
        if zone["Name"] == f"{name}." and not zone.get("Config", {}).get("PrivateZone"):
            zone_id = zone["Id"].removeprefix("/hostedzone/")
            servers = client.get_hosted_zone(Id=zone_id)["DelegationSet"]["NameServers"]
            return {"id": zone_id, "name": name, "name_servers": sorted(map(host_name, servers))}
    return {}


def s3_prefix_lists(stack: Stack) -> list[str]:
    names = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{stack.region}.s3"]}]
    return [one["PrefixListId"] for one in list_all(stack.client("ec2"), PREFIX_LISTS, names)]


def record(stack: Stack, zone: Fields, name: str, kind: str) -> Fields:
    """Returns one record of a zone."""
    found = describe_records(stack.client("route53"), zone["id"], [(name, kind)])
    return dict(found.get((name, kind), {}))


def vpc_attribute(client: Any, vpc: str, name: str) -> bool:
    answer = client.describe_vpc_attribute(VpcId=vpc, Attribute=name)
    return bool(answer[name[0].upper() + name[1:]]["Value"])


@Missing.list_error_handler("describe the app client", {})
def app_client(client: Any, pool_id: str, client_id: str) -> Fields:
    return dict(client.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"])


@Missing.list_error_handler("describe the certificate", {})
def certificate(stack: Stack, arn: str) -> Fields:
    client = stack.client("acm", arn.split(":")[3])
    return dict(client.describe_certificate(CertificateArn=arn)["Certificate"])


@Missing.list_error_handler("describe the target groups", [])
def target_groups(client: Any, balancer: str) -> list[Fields]:
    found = client.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    return [{**one, "health": target_health(client, one["TargetGroupArn"])} for one in found]


def target_health(client: Any, group: str) -> list[Fields]:
    found: list[Fields] = client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return found


def task_definition(stack: Stack, arn: str) -> Fields:
    return dict(stack.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])


def stopped(stack: Stack, service: Fields) -> str:
    """Returns why the newest stopped task of the service stopped; ECS remembers that for an hour."""
    client, where = stack.client("ecs"), service["cluster_arn"]
    arns = client.list_tasks(cluster=where, serviceName=service["name"], desiredStatus="STOPPED")["taskArns"]
    tasks: list[Fields] = client.describe_tasks(cluster=where, tasks=arns[:100])["tasks"] if arns else []
    newest = sorted(tasks, key=lambda task: str(task.get("stoppedAt", "")))
    return str(newest[-1].get("stoppedReason", "")) if newest else ""


@Missing.list_error_handler("read the prefix list", ())
def entries(stack: Stack, list_id: str) -> tuple[Any, ...]:
    pages = stack.client("ec2").get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=list_id)
    return ipv4(entry["Cidr"] for page in pages for entry in page["Entries"])


@Missing.list_error_handler("read the role", {})
def role(stack: Stack, arn: str) -> Fields:
    return dict(stack.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"])


@Missing.list_error_handler("look for the image", {})
def image(stack: Stack, wanted: Image) -> Fields:
    where = {"registryId": wanted.account, "repositoryName": wanted.repository}
    return dict(stack.client("ecr").describe_images(**where, imageIds=[wanted.identifier])["imageDetails"][0])


@Missing.list_error_handler("read the policy of the repository", "")
def repository_policy(stack: Stack, wanted: Image) -> str:
    where = {"registryId": wanted.account, "repositoryName": wanted.repository}
    return str(stack.client("ecr").get_repository_policy(**where)["policyText"])


@Missing.list_error_handler("look for the log group", False)
def log_group(stack: Stack, name: str) -> bool:
    pages = stack.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return name in [group["logGroupName"] for page in pages for group in page["logGroups"]]


def secret(stack: Stack, wanted: Secret) -> Fields:
    return managed_secret(stack, wanted) if wanted.service == "secretsmanager" else parameter(stack, wanted)


@Missing.list_error_handler("describe the secret", {})
def managed_secret(stack: Stack, wanted: Secret) -> Fields:
    """Returns what is known of a secret, never its value."""
    client = stack.client("secretsmanager")
    found = client.describe_secret(SecretId=wanted.arn)
    policy = client.get_resource_policy(SecretId=wanted.arn).get("ResourcePolicy", "")
    return {"policy": policy, "key": found.get("KmsKeyId", ""), "deleted": str(found.get("DeletedDate") or "")}


@Missing.list_error_handler("describe the parameter", {})
def parameter(stack: Stack, wanted: Secret) -> Fields:
    """Returns what is known of a parameter, never its value."""
    name = wanted.arn.split(":parameter", 1)[-1]
    names = [name, name.removeprefix("/")]
    filters = [{"Key": "Name", "Option": "Equals", "Values": names}]
    pages = stack.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters)
    found = first(one for page in pages for one in page["Parameters"] if one["Name"] in names)
    return {"policy": "", "key": found.get("KeyId", ""), "deleted": ""} if found else {}


@Missing.list_error_handler("describe the key", {})
def kms_key(stack: Stack, name: str) -> Fields:
    client = stack.client("kms")
    found = client.describe_key(KeyId=name)["KeyMetadata"]
    customer = found.get("KeyManager") == "CUSTOMER"
    policy = client.get_key_policy(KeyId=found["KeyId"], PolicyName="default")["Policy"] if customer else ""
    return {"arn": found["Arn"], "state": found["KeyState"], "customer": customer, "policy": policy}
