# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Finds everything that belongs to a stack, kind by kind: by its tag, and by the names that Gatehouse gives.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import describe_raw_domain
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import (
    OWNER_TAG,
    Stack,
    is_own_record,
    resource,
)

Found = Iterator[Fields]
LOGIN_REGION = "us-east-1"
TAGS_AT_ONCE = 20
ABSENT_CODES = (
    "ClusterNotFoundException",
    "LoadBalancerNotFound",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchTagSet",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
    "TargetGroupNotFound",
    "404",
)
AbsentErrors = missing_is(*ABSENT_CODES)


@dataclass(frozen=True)
class Listing:
    """How EC2 lists one kind of resource."""

    operation: str
    items: str
    id_key: str
    filter_key: str = "Filters"


# What EC2 still lists for an hour after it was deleted.
GONE_STATES = ("deleted", "deleting")
LISTINGS = {
    "vpc_endpoint": Listing("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "nat_gateway": Listing("describe_nat_gateways", "NatGateways", "NatGatewayId", "Filter"),
    "elastic_ip": Listing("describe_addresses", "Addresses", "AllocationId"),
    "security_group": Listing("describe_security_groups", "SecurityGroups", "GroupId"),
    "route_table": Listing("describe_route_tables", "RouteTables", "RouteTableId"),
    "subnet": Listing("describe_subnets", "Subnets", "SubnetId"),
    "internet_gateway": Listing("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "vpc": Listing("describe_vpcs", "Vpcs", "VpcId"),
}


def tags_of(answer: Iterable[Any] | None) -> dict[str, str]:
    return dict(boto3_tag_list_to_ansible_dict(list(answer or [])))


def network_part(kind: str) -> Callable[[Stack], Found]:
    listing = LISTINGS[kind]

    def find(stack: Stack) -> Found:
        filters = [{"Name": f"tag:{OWNER_TAG}", "Values": [stack.name]}]
        for found in list_all(stack.client("ec2"), listing, filters):
            if str(found.get("State", "")).lower() not in GONE_STATES:
                tags, identifier = tags_of(found.get("Tags")), str(found[listing.id_key])
                yield from resource(stack, kind, tags.get("Name") or identifier, identifier, tags)

    return find


def list_all(client: Any, listing: Listing, filters: list[Fields]) -> list[Fields]:
    request = {listing.filter_key: filters}
    if not client.can_paginate(listing.operation):
        return list(getattr(client, listing.operation)(**request)[listing.items])
    return list(client.get_paginator(listing.operation).paginate(**request).build_full_result()[listing.items])


def load_balancers(stack: Stack) -> Found:
    client = stack.client("elbv2")
    pages = client.get_paginator("describe_load_balancers").paginate()
    named = {one["LoadBalancerArn"]: one["LoadBalancerName"] for page in pages for one in page["LoadBalancers"]}
    for arn, found in balancing(stack, "load_balancer", client, named):
        attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        protected = {"Key": "deletion_protection.enabled", "Value": "true"} in attributes
        yield {**found, "protected": protected}


def target_groups(stack: Stack) -> Found:
    client = stack.client("elbv2")
    pages = client.get_paginator("describe_target_groups").paginate()
    named = {one["TargetGroupArn"]: one["TargetGroupName"] for page in pages for one in page["TargetGroups"]}
    yield from (found for _arn, found in balancing(stack, "target_group", client, named))


def balancing(stack: Stack, kind: str, client: Any, named: dict[str, str]) -> Iterator[tuple[str, Fields]]:
    arns = list(named)
    for start in range(0, len(arns), TAGS_AT_ONCE):
        answer = client.describe_tags(ResourceArns=arns[start : start + TAGS_AT_ONCE])
        for one in answer["TagDescriptions"]:
            arn = one["ResourceArn"]
            owned = resource(stack, kind, named[arn], arn, tags_of(one["Tags"]), named[arn] == stack.name)
            yield from ((arn, found) for found in owned)


def clusters(stack: Stack) -> Found:
    client = stack.client("ecs")
    for cluster in client.describe_clusters(clusters=[stack.name], include=["TAGS"])["clusters"]:
        if cluster["status"] != "INACTIVE":
            tags = {tag["key"]: tag["value"] for tag in cluster.get("tags", [])}
            yield from resource(stack, "ecs_cluster", cluster["clusterName"], cluster["clusterArn"], tags, True)


@AbsentErrors.list_error_handler("describe the service", [])
def described_services(stack: Stack) -> list[Fields]:
    answer = stack.client("ecs").describe_services(cluster=stack.name, services=[stack.name], include=["TAGS"])
    return [service for service in answer["services"] if service["status"] != "INACTIVE"]


def services(stack: Stack) -> Found:
    for service in described_services(stack):
        tags = {tag["key"]: tag["value"] for tag in service.get("tags", [])}
        yield from resource(stack, "ecs_service", service["serviceName"], service["serviceArn"], tags, True)


def scalable_targets(stack: Stack) -> Found:
    client, resource_id = stack.client("application-autoscaling"), f"service/{stack.name}/{stack.name}"
    answer = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[resource_id])
    for target in answer["ScalableTargets"]:
        arn = target["ScalableTargetARN"]
        tags = client.list_tags_for_resource(ResourceARN=arn)["Tags"]
        yield from resource(stack, "scalable_target", resource_id, arn, tags, True)


def alarms(stack: Stack) -> Found:
    client, names = stack.client("cloudwatch"), [f"{stack.name}-5xx", f"{stack.name}-unhealthy"]
    for alarm in client.describe_alarms(AlarmNames=names)["MetricAlarms"]:
        tags = tags_of(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])
        yield from resource(stack, "alarm", alarm["AlarmName"], alarm["AlarmArn"], tags, True)


def task_definitions(stack: Stack) -> Found:
    client = stack.client("ecs")
    pages = client.get_paginator("list_task_definitions").paginate(familyPrefix=stack.name, status="ACTIVE")
    for arn in (arn for page in pages for arn in page["taskDefinitionArns"]):
        revision = arn.rsplit("/", 1)[-1]
        if revision.rsplit(":", 1)[0] == stack.name:
            answer = client.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
            yield from resource(stack, "ecs_task_definition", revision, arn, tags, True)


@AbsentErrors.list_error_handler("describe the repository", [])
def repositories(stack: Stack) -> list[Fields]:
    client = stack.client("ecr")
    (found,) = client.describe_repositories(repositoryNames=[stack.name])["repositories"]
    arn = found["repositoryArn"]
    tags = tags_of(client.list_tags_for_resource(resourceArn=arn)["tags"])
    images = client.list_images(repositoryName=stack.name)["imageIds"]
    return resource(stack, "ecr_repository", stack.name, arn, tags, True, holds="images" if images else "")


def log_groups(stack: Stack) -> Found:
    client, name = stack.client("logs"), f"/gatehouse/{stack.name}"
    own = (name, f"{name}/exec")
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    for group in (group for page in pages for group in page["logGroups"] if group["logGroupName"] in own):
        name, arn = group["logGroupName"], group["arn"].removesuffix(":*")
        tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
        yield from resource(stack, "log_group", name, arn, tags, True)


def buckets(stack: Stack) -> list[Fields]:
    client = stack.client("s3")
    if not bucket_exists(client, stack.log_bucket):
        return []
    held = client.list_objects_v2(Bucket=stack.log_bucket, MaxKeys=1).get("KeyCount", 0)
    return resource(
        stack, "log_bucket", stack.log_bucket, f"arn:{stack.partition}:s3:::{stack.log_bucket}",
        bucket_tags(client, stack.log_bucket), True, holds="logs" if held else "",
    )  # fmt: skip


@AbsentErrors.list_error_handler("look for the log bucket", False)
def bucket_exists(client: Any, name: str) -> bool:
    client.head_bucket(Bucket=name)
    return True


@AbsentErrors.list_error_handler("read the tags of the log bucket", {})
def bucket_tags(client: Any, name: str) -> dict[str, str]:
    return tags_of(client.get_bucket_tagging(Bucket=name)["TagSet"])


def roles(stack: Stack) -> Found:
    for name in (f"{stack.name}-execution", f"{stack.name}-task", f"{stack.name}-traffic"):
        yield from service_role(stack, name)


@AbsentErrors.list_error_handler("read the role", [])
def service_role(stack: Stack, name: str) -> list[Fields]:
    role = stack.client("iam").get_role(RoleName=name)["Role"]
    return resource(stack, "iam_role", name, role["Arn"], tags_of(role.get("Tags")), True)


def user_pools(stack: Stack) -> Found:
    client = stack.client("cognito-idp")
    pages = client.get_paginator("list_user_pools").paginate(MaxResults=60)
    for found in (pool for page in pages for pool in page["UserPools"] if pool["Name"] == stack.name):
        pool = client.describe_user_pool(UserPoolId=found["Id"])["UserPool"]
        for one in resource(stack, "user_pool", pool["Name"], pool["Id"], pool.get("UserPoolTags", {}), True):
            yield {**one, "protected": pool.get("DeletionProtection") == "ACTIVE"}


def login_domains(stack: Stack) -> Found:
    """A domain has no tags; it belongs to whom its pool belongs."""
    if not stack.domain:
        return
    raw = describe_raw_domain(stack.client("cognito-idp"), stack.login_domain)
    owners = [pool for pool in user_pools(stack) if pool["id"] == raw.get("UserPoolId")]
    for owner in owners:
        yield {**owner, "kind": "login_domain", "name": stack.login_domain, "protected": False}


def certificates(stack: Stack) -> Found:
    """Others may well have a certificate of the same name, so the tag alone decides."""
    for region in dict.fromkeys((stack.region, LOGIN_REGION)):
        client = stack.client("acm", region)
        for page in client.get_paginator("list_certificates").paginate():
            for one in page["CertificateSummaryList"]:
                if one["DomainName"] in (stack.domain, stack.login_domain):
                    tags = tags_of(client.list_tags_for_certificate(CertificateArn=one["CertificateArn"])["Tags"])
                    yield from resource(stack, "certificate", one["DomainName"], one["CertificateArn"], tags)


def zones(stack: Stack) -> Found:
    if not stack.domain:
        return
    client = stack.client("route53")
    for zone in client.list_hosted_zones_by_name(DNSName=f"{stack.domain}.")["HostedZones"]:
        if zone["Name"] == f"{stack.domain}." and not zone.get("Config", {}).get("PrivateZone"):
            zone_id = zone["Id"].removeprefix("/hostedzone/")
            answer = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
            tags = tags_of(answer["ResourceTagSet"]["Tags"]) or owner_of(zone["CallerReference"])
            yield from resource(stack, "dns_zone", stack.domain, zone_id, tags)


def owner_of(caller_reference: str) -> dict[str, str]:
    """A zone is created without tags; one of an interrupted run says in its caller reference whose it is."""
    mark = caller_reference.rpartition(" ")[0]
    owner = mark.removeprefix(f"{OWNER_TAG}=")
    return {OWNER_TAG: owner} if owner != mark else {}


def records(stack: Stack) -> Found:
    for zone in zones(stack):
        pages = stack.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["id"])
        for record in (record for page in pages for record in page["ResourceRecordSets"]):
            apex = record["Name"] == f"{stack.domain}." and record["Type"] in ("NS", "SOA")
            if not apex:
                # Route 53 writes an asterisk as an octal escape.
                name = record["Name"].rstrip(".").replace("\\052", "*")
                yield {
                    "kind": "dns_record", "name": f"{name} {record['Type']}", "id": zone["id"], "found_by": "zone",
                    "protected": False, "holds": "", "foreign": not is_own_record(stack, name, record),
                }  # fmt: skip


# In the order in which they are removed.
FINDERS: dict[str, Callable[[Stack], Iterable[Fields]]] = {
    "login_domain": login_domains,
    "scalable_target": scalable_targets,
    "ecs_service": services,
    "alarm": alarms,
    "ecs_task_definition": task_definitions,
    "ecs_cluster": clusters,
    "log_group": log_groups,
    "iam_role": roles,
    "load_balancer": load_balancers,
    "target_group": target_groups,
    "ecr_repository": repositories,
    "user_pool": user_pools,
    "certificate": certificates,
    "log_bucket": buckets,
    **{kind: network_part(kind) for kind in LISTINGS},
    "dns_record": records,
    "dns_zone": zones,
}
