# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Breaks single links of a deployed stack through the API alone, and mends them again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import full_request

Fields = dict[str, Any]
EVERYWHERE = "0.0.0.0/0"
EPHEMERAL = (32768, 65535)
PATIENCE = 120
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: Fields) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True)
class Ground:
    """A deployed stack and the API of its account."""

    client: Callable[..., Any]
    name: str
    domain: str

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def vpc(self) -> str:
        owned = [{"Name": "tag:gatehouse:stack", "Values": [self.name]}]
        return str(self.ec2.describe_vpcs(Filters=owned)["Vpcs"][0]["VpcId"])

    def here(self, operation: str, key: str, **more: str) -> list[Fields]:
        filters = [{"Name": "vpc-id", "Values": [self.vpc()]}]
        filters += [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in more.items()]
        found: list[Fields] = getattr(self.ec2, operation)(Filters=filters)[key]
        return found

    def group(self, part: str) -> Fields:
        return self.here("describe_security_groups", "SecurityGroups", group_name=f"{self.name}-{part}")[0]

    def subnets(self, kind: str) -> list[str]:
        found = self.here("describe_subnets", "Subnets")
        return [one["SubnetId"] for one in found if kind in next(t["Value"] for t in one["Tags"] if t["Key"] == "Name")]

    def table(self, subnet: str) -> Fields:
        tables = self.here("describe_route_tables", "RouteTables")
        return next(one for one in tables if subnet in [link.get("SubnetId") for link in one["Associations"]])

    def endpoints(self) -> list[Fields]:
        return self.here("describe_vpc_endpoints", "VpcEndpoints")

    def endpoint(self, service: str) -> Fields:
        return next(one for one in self.endpoints() if one["ServiceName"].endswith(f".{service}"))

    def balancer(self) -> Fields:
        found: Fields = self.client("elbv2").describe_load_balancers(Names=[self.name])["LoadBalancers"][0]
        return found

    def listener(self, port: int) -> Fields:
        found = self.client("elbv2").describe_listeners(LoadBalancerArn=self.balancer()["LoadBalancerArn"])
        return next(one for one in found["Listeners"] if one["Port"] == port)

    def target_group(self) -> Fields:
        found: Fields = self.client("elbv2").describe_target_groups(Names=[self.name])["TargetGroups"][0]
        return found

    def pool(self) -> str:
        pools = self.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
        return next(str(one["Id"]) for one in pools if one["Name"] == self.name)

    def app_client(self) -> Fields:
        cognito, pool = self.client("cognito-idp"), self.pool()
        (found,) = cognito.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
        answer: Fields = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=found["ClientId"])
        return dict(answer["UserPoolClient"])

    def zone(self, name: str) -> str:
        zones = self.client("route53").list_hosted_zones_by_name(DNSName=name)["HostedZones"]
        return next(str(one["Id"]) for one in zones if one["Name"] == f"{name}.")


Case = Callable[[Ground], AbstractContextManager[None]]


def without_rule(part: str, direction: str, port: int, peer: str = "") -> Case:
    """Takes the rule for a port away from a security group; ``peer`` is the key of its list of peers."""
    key = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}[direction]

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        group = ground.group(part)
        rules = [only(one, peer) for one in group[key] if one.get("FromPort") == port and (not peer or one.get(peer))]
        request = {"GroupId": group["GroupId"], "IpPermissions": rules}
        assert rules
        getattr(ground.ec2, f"revoke_security_group_{direction}")(**request)
        yield
        getattr(ground.ec2, f"authorize_security_group_{direction}")(**request)

    return broken


def only(rule: Fields, peer: str) -> Fields:
    """Returns a rule with one of its lists of peers; AWS shows all rules for a port as one."""
    kept = {"IpProtocol", "FromPort", "ToPort", peer}
    return {key: value for key, value in rule.items() if not peer or key in kept}


def with_acl(kind: str, *denials: Fields) -> Case:
    """Puts one subnet behind a network ACL that denies some and allows the rest."""

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        subnet, ec2 = ground.subnets(kind)[0], ground.ec2
        acl = ec2.create_network_acl(VpcId=ground.vpc())["NetworkAcl"]["NetworkAclId"]
        for egress in (True, False):
            ec2.create_network_acl_entry(**entry(acl, 200, "allow", egress))
        for number, denial in enumerate(denials, 10):
            ec2.create_network_acl_entry(**entry(acl, number, "deny", **denial))
        old, link = association(ground, subnet)
        new = ec2.replace_network_acl_association(AssociationId=link, NetworkAclId=acl)["NewAssociationId"]
        yield
        ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=old)
        ec2.delete_network_acl(NetworkAclId=acl)

    return broken


def entry(acl: str, number: int, action: str, egress: bool, ports: Any = None, cidr: str = EVERYWHERE) -> Fields:
    request = {"NetworkAclId": acl, "RuleNumber": number, "RuleAction": action, "Egress": egress, "CidrBlock": cidr}
    if ports is None:
        return {**request, "Protocol": "-1"}
    return {**request, "Protocol": "6", "PortRange": {"From": ports[0], "To": ports[1]}}


def association(ground: Ground, subnet: str) -> tuple[str, str]:
    for acl in ground.here("describe_network_acls", "NetworkAcls"):
        for link in acl["Associations"]:
            if link["SubnetId"] == subnet:
                return acl["NetworkAclId"], link["NetworkAclAssociationId"]
    raise AssertionError(f"{subnet} has no network ACL")


def without_default_route(kind: str) -> Case:
    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        table = ground.table(ground.subnets(kind)[0])
        (route,) = [one for one in table["Routes"] if one.get("DestinationCidrBlock") == EVERYWHERE]
        (key,) = [one for one in ("NatGatewayId", "GatewayId") if route.get(one)]
        where = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": EVERYWHERE}
        ground.ec2.delete_route(**where)
        yield
        ground.ec2.create_route(**where, **{key: route[key]})

    return broken


@contextmanager
def without_gateway(ground: Ground) -> Iterator[None]:
    attached = [{"Name": "attachment.vpc-id", "Values": [ground.vpc()]}]
    gateway = ground.ec2.describe_internet_gateways(Filters=attached)["InternetGateways"][0]["InternetGatewayId"]
    request = {"InternetGatewayId": gateway, "VpcId": ground.vpc()}
    ground.ec2.detach_internet_gateway(**request)
    yield
    ground.ec2.attach_internet_gateway(**request)


@contextmanager
def without_dns_names(ground: Ground) -> Iterator[None]:
    for value in (False, True):
        ground.ec2.modify_vpc_attribute(VpcId=ground.vpc(), EnableDnsHostnames={"Value": value})
        if not value:
            yield


def with_record(kind: str, zone: str, name: str, change: Callable[[Fields], Fields]) -> Case:
    """Changes a record; the names are completed with the stack's domain."""

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        route53, full = ground.client("route53"), name.format(ground.domain)
        where = ground.zone(zone.format(ground.domain, ground.domain.partition(".")[2]))
        pages = route53.list_resource_record_sets(HostedZoneId=where, StartRecordName=full, StartRecordType=kind)
        old = pages["ResourceRecordSets"][0]
        assert (old["Name"], old["Type"]) == (f"{full}.", kind)
        for record in (change(old), old):
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
            route53.change_resource_record_sets(HostedZoneId=where, ChangeBatch=batch)
            if record is not old:
                yield

    return broken


def elsewhere(record: Fields) -> Fields:
    return {**record, "AliasTarget": {**record["AliasTarget"], "DNSName": f"other.{record['AliasTarget']['DNSName']}"}}


def other_servers(record: Fields) -> Fields:
    return {**record, "ResourceRecords": [{"Value": "ns1.example.com."}]}


@contextmanager
def listener_elsewhere(ground: Ground) -> Iterator[None]:
    elb, arn = ground.client("elbv2"), ground.listener(80)["ListenerArn"]
    elb.modify_listener(ListenerArn=arn, Port=8080)
    yield
    elb.modify_listener(ListenerArn=arn, Port=80)


@contextmanager
def other_certificate(ground: Ground) -> Iterator[None]:
    """Serves a certificate that is valid, but not for the domain."""
    acm, elb, listener = ground.client("acm"), ground.client("elbv2"), ground.listener(443)
    arn = acm.request_certificate(DomainName=f"other.{ground.domain}", ValidationMethod="DNS")["CertificateArn"]
    record = patiently(lambda: validation(acm, arn))
    change(ground, "UPSERT", record)
    patiently(lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED")
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Certificates=[{"CertificateArn": arn}])
    yield
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Certificates=listener["Certificates"])
    change(ground, "DELETE", record)
    acm.delete_certificate(CertificateArn=arn)


def validation(acm: Any, arn: str) -> Fields:
    options = acm.describe_certificate(CertificateArn=arn)["Certificate"].get("DomainValidationOptions", [{}])
    record = options[0].get("ResourceRecord")
    if not record:
        return {}
    return {"Name": record["Name"], "Type": record["Type"], "TTL": 60, "ResourceRecords": [{"Value": record["Value"]}]}


def change(ground: Ground, action: str, record: Fields) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    ground.client("route53").change_resource_record_sets(HostedZoneId=ground.zone(ground.domain), ChangeBatch=batch)


def patiently(read: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := read()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@contextmanager
def without_login_rule(ground: Ground) -> Iterator[None]:
    elb, listener = ground.client("elbv2"), ground.listener(443)
    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    asking = [one for one in rules if one["Actions"][0]["Type"] == "authenticate-cognito"]
    for one in asking:
        elb.modify_rule(RuleArn=one["RuleArn"], Actions=[one["Actions"][-1]])
    yield
    for one in asking:
        elb.modify_rule(RuleArn=one["RuleArn"], Actions=one["Actions"])


def with_client(**settings: Any) -> Case:
    """Changes settings of the app client; an update resets whatever it does not repeat."""

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        cognito, held = ground.client("cognito-idp"), ground.app_client()
        cognito.update_user_pool_client(**full_request(cognito, "UpdateUserPoolClient", held, settings))
        yield
        cognito.update_user_pool_client(**full_request(cognito, "UpdateUserPoolClient", held, {}))

    return broken


@contextmanager
def without_branding(ground: Ground) -> Iterator[None]:
    cognito, where = ground.client("cognito-idp"), {"UserPoolId": ground.pool()}
    client = ground.app_client()["ClientId"]
    found = cognito.describe_managed_login_branding_by_client(**where, ClientId=client)["ManagedLoginBranding"]
    cognito.delete_managed_login_branding(**where, ManagedLoginBrandingId=found["ManagedLoginBrandingId"])
    yield
    cognito.create_managed_login_branding(**where, ClientId=client, UseCognitoProvidedValues=True)


@contextmanager
def ill_target(ground: Ground) -> Iterator[None]:
    """Registers an address at which nothing answers, and checks it often."""
    elb, group = ground.client("elbv2"), ground.target_group()
    where, target = {"TargetGroupArn": group["TargetGroupArn"]}, [{"Id": "10.0.32.10", "Port": 3000}]
    names = ("HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds")
    elb.modify_target_group(**where, **dict(zip(names, (5, 2), strict=True)))
    elb.register_targets(**where, Targets=target)
    patiently(lambda: unhealthy(elb, where))
    yield
    elb.deregister_targets(**where, Targets=target)
    elb.modify_target_group(**where, **{name: group[name] for name in names})


def unhealthy(elb: Any, where: Fields) -> bool:
    found = elb.describe_target_health(**where)["TargetHealthDescriptions"]
    return "unhealthy" in [one["TargetHealth"]["State"] for one in found]


@contextmanager
def without_endpoint(ground: Ground) -> Iterator[None]:
    old, ec2 = ground.endpoint("logs"), ground.ec2
    ec2.delete_vpc_endpoints(VpcEndpointIds=[old["VpcEndpointId"]])
    # As long as it goes, its names are taken.
    patiently(lambda: old["VpcEndpointId"] not in [one["VpcEndpointId"] for one in ground.endpoints()])
    yield
    new = ec2.create_vpc_endpoint(
        VpcId=old["VpcId"],
        ServiceName=old["ServiceName"],
        VpcEndpointType="Interface",
        SubnetIds=old["SubnetIds"],
        SecurityGroupIds=[one["GroupId"] for one in old["Groups"]],
        PrivateDnsEnabled=True,
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": old["Tags"]}],
    )["VpcEndpoint"]["VpcEndpointId"]
    wanted = {"VpcEndpointIds": [new]}
    patiently(lambda: ec2.describe_vpc_endpoints(**wanted)["VpcEndpoints"][0]["State"].lower() == "available")


def with_endpoint(service: str, **settings: Any) -> Case:
    """Changes an endpoint; settings that end with a policy get the old one back."""

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        old = ground.endpoint(service)
        where = {"VpcEndpointId": old["VpcEndpointId"]}
        back: Fields = {"PolicyDocument": old["PolicyDocument"]} if "PolicyDocument" in settings else {}
        back |= {"PrivateDnsEnabled": True} if "PrivateDnsEnabled" in settings else {}
        ground.ec2.modify_vpc_endpoint(**where, **settings)
        yield
        ground.ec2.modify_vpc_endpoint(**where, **back)

    return broken


@contextmanager
def s3_off_a_table(ground: Ground) -> Iterator[None]:
    where = {"VpcEndpointId": ground.endpoint("s3")["VpcEndpointId"]}
    table = ground.table(ground.subnets("private")[0])["RouteTableId"]
    ground.ec2.modify_vpc_endpoint(**where, RemoveRouteTableIds=[table])
    yield
    ground.ec2.modify_vpc_endpoint(**where, AddRouteTableIds=[table])


def without_permission(part: str, action: str) -> Case:
    """Takes an action out of the policies of a role."""

    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        iam, role = ground.client("iam"), f"{ground.name}-{part}"
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            old = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            new = [less(one, action) for one in old["Statement"]]
            where = {"RoleName": role, "PolicyName": policy}
            iam.put_role_policy(**where, PolicyDocument=document(*new))
        yield
        iam.put_role_policy(**where, PolicyDocument=json.dumps(old))

    return broken


def less(statement: Fields, action: str) -> Fields:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    return {**statement, "Action": [one for one in actions if one != action] or ["sts:GetCallerIdentity"]}


def with_denial(action: str) -> Case:
    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        iam, where = ground.client("iam"), {"RoleName": f"{ground.name}-execution", "PolicyName": "denial"}
        denial = {"Effect": "Deny", "Action": action, "Resource": "*"}
        iam.put_role_policy(**where, PolicyDocument=document(denial))
        yield
        iam.delete_role_policy(**where)

    return broken


@contextmanager
def with_boundary(ground: Ground) -> Iterator[None]:
    iam, role = ground.client("iam"), f"{ground.name}-execution"
    but = {"Effect": "Allow", "NotAction": "logs:PutLogEvents", "Resource": "*"}
    arn = iam.create_policy(PolicyName="boundary", PolicyDocument=document(but))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=arn)
    yield
    iam.delete_role_permissions_boundary(RoleName=role)
    iam.delete_policy(PolicyArn=arn)


def with_trust(part: str, **changes: Any) -> Case:
    @contextmanager
    def broken(ground: Ground) -> Iterator[None]:
        iam, role = ground.client("iam"), f"{ground.name}-{part}"
        old = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        new = document(*({**one, **changes} for one in old["Statement"]))
        for trust in (new, json.dumps(old)):
            iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
            if trust is new:
                yield

    return broken


@contextmanager
def without_image(ground: Ground) -> Iterator[None]:
    ecr, where = ground.client("ecr"), {"repositoryName": ground.name}
    ids = ecr.list_images(**where)["imageIds"]
    held = ecr.batch_get_image(**where, imageIds=ids)["images"]
    ecr.batch_delete_image(**where, imageIds=[{"imageDigest": one["imageDigest"]} for one in ids])
    yield
    for one in held:
        tag = {"imageTag": one["imageId"]["imageTag"]} if "imageTag" in one["imageId"] else {}
        ecr.put_image(**where, imageManifest=one["imageManifest"], **tag)


@contextmanager
def with_repository_policy(ground: Ground) -> Iterator[None]:
    ecr, where = ground.client("ecr"), {"repositoryName": ground.name}
    denial = {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
    ecr.set_repository_policy(**where, policyText=document(denial))
    yield
    ecr.delete_repository_policy(**where)


@contextmanager
def without_log_group(ground: Ground) -> Iterator[None]:
    logs, name = ground.client("logs"), f"/gatehouse/{ground.name}"
    logs.delete_log_group(logGroupName=name)
    yield
    logs.create_log_group(logGroupName=name)


@contextmanager
def secret_going(ground: Ground) -> Iterator[None]:
    secrets = ground.client("secretsmanager")
    secrets.delete_secret(SecretId="token")
    yield
    secrets.restore_secret(SecretId="token")


@contextmanager
def with_secret_policy(ground: Ground) -> Iterator[None]:
    secrets = ground.client("secretsmanager")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    secrets.put_resource_policy(SecretId="token", ResourcePolicy=document(denial))
    yield
    secrets.delete_resource_policy(SecretId="token")


@contextmanager
def key_off(ground: Ground) -> Iterator[None]:
    key = {"KeyId": ground.client("secretsmanager").describe_secret(SecretId="token")["KmsKeyId"]}
    ground.client("kms").disable_key(**key)
    yield
    ground.client("kms").enable_key(**key)


@contextmanager
def without_parameter(ground: Ground) -> Iterator[None]:
    ssm = ground.client("ssm")
    ssm.delete_parameter(Name="/app/mode")
    yield
    ssm.put_parameter(Name="/app/mode", Value="quick", Type="String")


@contextmanager
def without_nat(ground: Ground) -> Iterator[None]:
    """Leads the tasks' default route to a NAT gateway that is no more; the gateway stays, for the next case."""
    ec2, table = ground.ec2, ground.table(ground.subnets("private")[0])
    (route,) = [one for one in table["Routes"] if one.get("NatGatewayId")]
    where = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": EVERYWHERE}
    other = ec2.create_nat_gateway(SubnetId=ground.subnets("private")[0], ConnectivityType="private")["NatGateway"]
    patiently(lambda: nat_state(ec2, other["NatGatewayId"]) == "available")
    ec2.replace_route(**where, NatGatewayId=other["NatGatewayId"])
    ec2.delete_nat_gateway(NatGatewayId=other["NatGatewayId"])
    yield
    ec2.replace_route(**where, NatGatewayId=route["NatGatewayId"])


def nat_state(ec2: Any, nat: str) -> str:
    return str(ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])
