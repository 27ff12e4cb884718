# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Deletes single resources of a stack behind its back, as an interrupted run or a person in the console would."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.finders import FINDERS
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import Stack
from botocore.exceptions import ClientError
from conftest import LocalAws

Found = dict[str, Any]
PATIENCE = 30
STILL_IN_USE = ("DependencyViolation", "InvalidIPAddress.InUse", "ResourceInUse", "ResourceInUseException")


def stack_of(aws: LocalAws, name: str, domain: str) -> Stack:
    region, account = aws.environment["AWS_REGION"], aws.environment["AWS_ACCESS_KEY_ID"]
    return Stack(name, domain, region, "aws", f"{name}-alb-logs-{account}-{region}", aws.client)


def scan(stack: Stack) -> list[Found]:
    """Everything of the stack, in the order in which it can be deleted."""
    return [found for finder in FINDERS.values() for found in finder(stack)]


def wreck(aws: LocalAws, stack: Stack, kinds: Collection[str]) -> set[str]:
    """Deletes all resources of these kinds; returns the kinds of which there were any."""
    doomed = [found for found in scan(stack) if found["kind"] in kinds]
    for found in doomed:
        delete_when_free(aws, found)
    return {found["kind"] for found in doomed}


def delete_when_free(aws: LocalAws, found: Found) -> None:
    """Deletes a resource; what used it may take some seconds to let go."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return DELETIONS[found["kind"]](aws, found)
        except ClientError as error:
            if error.response["Error"]["Code"] not in STILL_IN_USE or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def delete_role(aws: LocalAws, role: Found) -> None:
    iam = aws.client("iam")
    for policy in iam.list_role_policies(RoleName=role["name"])["PolicyNames"]:
        iam.delete_role_policy(RoleName=role["name"], PolicyName=policy)
    iam.delete_role(RoleName=role["name"])


def delete_bucket(aws: LocalAws, bucket: Found) -> None:
    s3 = aws.client("s3")
    for held in s3.list_objects_v2(Bucket=bucket["name"]).get("Contents", []):
        s3.delete_object(Bucket=bucket["name"], Key=held["Key"])
    s3.delete_bucket(Bucket=bucket["name"])


def delete_security_group(aws: LocalAws, group: Found) -> None:
    ec2 = aws.client("ec2")
    mentions = [{"Name": "ip-permission.group-id", "Values": [group["id"]]}]
    for other in ec2.describe_security_groups(Filters=mentions)["SecurityGroups"]:
        ec2.revoke_security_group_ingress(GroupId=other["GroupId"], IpPermissions=other["IpPermissions"])
    mentions = [{"Name": "egress.ip-permission.group-id", "Values": [group["id"]]}]
    for other in ec2.describe_security_groups(Filters=mentions)["SecurityGroups"]:
        ec2.revoke_security_group_egress(GroupId=other["GroupId"], IpPermissions=other["IpPermissionsEgress"])
    ec2.delete_security_group(GroupId=group["id"])


def delete_route_table(aws: LocalAws, table: Found) -> None:
    ec2 = aws.client("ec2")
    (found,) = ec2.describe_route_tables(RouteTableIds=[table["id"]])["RouteTables"]
    for link in found["Associations"]:
        ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=table["id"])


def delete_internet_gateway(aws: LocalAws, gateway: Found) -> None:
    ec2 = aws.client("ec2")
    (found,) = ec2.describe_internet_gateways(InternetGatewayIds=[gateway["id"]])["InternetGateways"]
    for link in found["Attachments"]:
        ec2.detach_internet_gateway(InternetGatewayId=gateway["id"], VpcId=link["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway["id"])


def delete_record(aws: LocalAws, record: Found) -> None:
    route53 = aws.client("route53")
    name, kind = record["name"].split()
    held = route53.list_resource_record_sets(HostedZoneId=record["id"])["ResourceRecordSets"]
    changes = [
        {"Action": "DELETE", "ResourceRecordSet": one}
        for one in held
        if (one["Name"], one["Type"]) == (f"{name}.", kind)
    ]
    route53.change_resource_record_sets(HostedZoneId=record["id"], ChangeBatch={"Changes": changes})


def delete_certificate(aws: LocalAws, certificate: Found) -> None:
    region = certificate["id"].split(":")[3]
    aws.client("acm", region).delete_certificate(CertificateArn=certificate["id"])


def simple(service: str, operation: str, **arguments: str) -> Callable[[LocalAws, Found], None]:
    """Returns a deletion that takes one call; arguments name the field of the resource that each parameter gets."""

    def delete(aws: LocalAws, found: Found) -> None:
        getattr(aws.client(service), operation)(**{key: found[source] for key, source in arguments.items()})

    return delete


def delete_service(aws: LocalAws, service: Found) -> None:
    aws.client("ecs").delete_service(cluster=service["name"], service=service["name"], force=True)


def delete_alarm(aws: LocalAws, alarm: Found) -> None:
    aws.client("cloudwatch").delete_alarms(AlarmNames=[alarm["name"]])


def delete_repository(aws: LocalAws, repository: Found) -> None:
    aws.client("ecr").delete_repository(repositoryName=repository["name"], force=True)


def delete_endpoint(aws: LocalAws, endpoint: Found) -> None:
    aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[endpoint["id"]])


def delete_target(aws: LocalAws, target: Found) -> None:
    aws.client("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="ecs", ResourceId=target["name"], ScalableDimension="ecs:service:DesiredCount"
    )


DELETIONS: dict[str, Callable[[LocalAws, Found], None]] = {
    "login_domain": simple("cognito-idp", "delete_user_pool_domain", Domain="name", UserPoolId="id"),
    "scalable_target": delete_target,
    "ecs_service": delete_service,
    "alarm": delete_alarm,
    "ecs_task_definition": simple("ecs", "deregister_task_definition", taskDefinition="id"),
    "ecs_cluster": simple("ecs", "delete_cluster", cluster="name"),
    "log_group": simple("logs", "delete_log_group", logGroupName="name"),
    "iam_role": delete_role,
    "load_balancer": simple("elbv2", "delete_load_balancer", LoadBalancerArn="id"),
    "target_group": simple("elbv2", "delete_target_group", TargetGroupArn="id"),
    "ecr_repository": delete_repository,
    "user_pool": simple("cognito-idp", "delete_user_pool", UserPoolId="id"),
    "certificate": delete_certificate,
    "log_bucket": delete_bucket,
    "vpc_endpoint": delete_endpoint,
    "nat_gateway": simple("ec2", "delete_nat_gateway", NatGatewayId="id"),
    "elastic_ip": simple("ec2", "release_address", AllocationId="id"),
    "security_group": delete_security_group,
    "route_table": delete_route_table,
    "subnet": simple("ec2", "delete_subnet", SubnetId="id"),
    "internet_gateway": delete_internet_gateway,
    "vpc": simple("ec2", "delete_vpc", VpcId="id"),
    "dns_record": delete_record,
    "dns_zone": simple("route53", "delete_hosted_zone", Id="id"),
}
