# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How each attribute of each kind of resource is changed behind the back of the roles, through the API alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]
STRAY = "stray"
DOMAIN = "hello.gatehouse.localhost"
STACK = "hello"
ISSUE_SECONDS = 60
CLOUDFRONT = "Z2FDTNDATAQYW2"


class Subject:
    """One resource, the attribute to change on it, and the API."""

    def __init__(self, client: Callable[..., Any], kind: str, name: str, path: str) -> None:
        self.client = client
        self.kind = kind
        self.name = name
        self.path = path
        self.leaf = path.rsplit("/", 1)[-1]

    def api(self) -> str:
        """Returns the attribute's last word as the API spells it."""
        return camel(self.leaf)


# Returns False for a resource on which AWS would refuse the change.
Mutator = Callable[[Subject], bool | None]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def low_camel(name: str) -> str:
    return name[0].lower() + camel(name)[1:]


# --- EC2
EC2_KINDS = {
    "vpc": ("describe_vpcs", "Vpcs", "VpcId"),
    "internet_gateway": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "subnet": ("describe_subnets", "Subnets", "SubnetId"),
    "route_table": ("describe_route_tables", "RouteTables", "RouteTableId"),
    "security_group": ("describe_security_groups", "SecurityGroups", "GroupId"),
    "vpc_endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
}


def ec2_named(s: Subject, kind: str, name: str) -> Fields:
    operation, key, _identifier = EC2_KINDS[kind]
    filters = [{"Name": "tag:Name", "Values": [name]}, {"Name": "tag:gatehouse:stack", "Values": [STACK]}]
    (found,) = getattr(s.client("ec2"), operation)(Filters=filters)[key]
    return dict(found)


def ec2_item(s: Subject) -> Fields:
    return ec2_named(s, s.kind, f"{STACK}-{s.name}" if s.kind == "vpc_endpoint" else s.name)


def ec2_id(s: Subject) -> str:
    return str(ec2_item(s)[EC2_KINDS[s.kind][2]])


def group_id(s: Subject, part: str) -> str:
    return str(ec2_named(s, "security_group", f"{STACK}-{part}")["GroupId"])


def subnet_ids(s: Subject, part: str) -> list[str]:
    filters = [{"Name": "tag:Name", "Values": [f"{STACK}-{part}-*"]}]
    return [subnet["SubnetId"] for subnet in s.client("ec2").describe_subnets(Filters=filters)["Subnets"]]


def add_range(s: Subject) -> None:
    s.client("ec2").associate_vpc_cidr_block(VpcId=ec2_id(s), CidrBlock="10.1.0.0/16")


def vpc_attribute(s: Subject) -> None:
    s.client("ec2").modify_vpc_attribute(VpcId=ec2_id(s), **{s.api(): {"Value": False}})


def detach(s: Subject) -> None:
    gateway = ec2_item(s)
    vpc = gateway["Attachments"][0]["VpcId"]
    s.client("ec2").detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)


def subnet_attribute(attribute: str) -> Mutator:
    def change(s: Subject) -> None:
        subnet = ec2_item(s)
        held = {
            "MapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
            "EnableResourceNameDnsARecordOnLaunch": subnet.get("PrivateDnsNameOptionsOnLaunch", {}).get(
                "EnableResourceNameDnsARecord", False
            ),
        }
        s.client("ec2").modify_subnet_attribute(
            SubnetId=subnet["SubnetId"], **{attribute: {"Value": not held[attribute]}}
        )

    return change


def change_routes(s: Subject) -> None:
    ec2, table = s.client("ec2"), ec2_id(s)
    gateway = ec2_named(s, "internet_gateway", f"{STACK}-igw")["InternetGatewayId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", GatewayId=gateway)
    if "public" in s.name:
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


def disassociate(s: Subject) -> None:
    links = [link for link in ec2_item(s)["Associations"] if link.get("SubnetId")]
    s.client("ec2").disassociate_route_table(AssociationId=links[0]["RouteTableAssociationId"])


def change_rules(s: Subject) -> None:
    """One rule more, one less, and another description where a rule is left."""
    ec2, group = s.client("ec2"), ec2_item(s)
    held = group["IpPermissions" if s.path == "ingress" else "IpPermissionsEgress"]
    subject = {"GroupId": group["GroupId"]}
    stray = {"IpProtocol": "tcp", "FromPort": 8, "ToPort": 8, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    getattr(ec2, f"authorize_security_group_{s.path}")(**subject, IpPermissions=[stray])
    if held:
        getattr(ec2, f"revoke_security_group_{s.path}")(**subject, IpPermissions=held[:1])
    ranges = [one for one in held[1:] if one.get("IpRanges")]
    if ranges:
        renamed = {**ranges[0], "IpRanges": [{**ranges[0]["IpRanges"][0], "Description": STRAY}]}
        renamed = {key: value for key, value in renamed.items() if value}
        getattr(ec2, f"update_security_group_rule_descriptions_{s.path}")(**subject, IpPermissions=[renamed])


def endpoint_change(s: Subject) -> None:
    endpoint = ec2_item(s)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    requests: dict[str, Callable[[], Fields]] = {
        "policy": lambda: {"PolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]})},
        "subnet_ids": lambda: {"RemoveSubnetIds": endpoint["SubnetIds"][:1]},
        "security_group_ids": lambda: {"AddSecurityGroupIds": [group_id(s, "alb")]},
        "private_dns": lambda: {"PrivateDnsEnabled": False},
        "route_table_ids": lambda: {"RemoveRouteTableIds": endpoint["RouteTableIds"][:1]},
    }
    s.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], **requests[s.path]())


# --- Route 53
def zone_id(s: Subject, domain: str) -> str:
    zones = s.client("route53").list_hosted_zones_by_name(DNSName=domain)["HostedZones"]
    return next(str(zone["Id"]).rsplit("/", 1)[1] for zone in zones if zone["Name"] == f"{domain}.")


def zone_comment(s: Subject) -> None:
    s.client("route53").update_hosted_zone_comment(Id=zone_id(s, s.name), Comment=STRAY)


def record_of(s: Subject) -> tuple[str, Fields]:
    """Returns the zone and the record set that a resource of DNS stands for."""
    if s.kind == "route53_delegation":
        zone, wanted, kind = zone_id(s, s.name.partition(".")[2]), s.name, "NS"
    elif s.kind == "acm_validation_record":
        acm = s.client("acm", certificate_region(s.name))
        option = acm.describe_certificate(CertificateArn=certificate_arn(s))["Certificate"]["DomainValidationOptions"]
        zone, wanted, kind = zone_id(s, DOMAIN), option[0]["ResourceRecord"]["Name"].rstrip("."), "CNAME"
    else:
        wanted, kind = s.name.split(" ")
        zone = zone_id(s, DOMAIN)
    sets = s.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return zone, next(one for one in sets if one["Name"] == f"{wanted}." and one["Type"] == kind)


def other_target(s: Subject, held: Fields) -> Fields:
    """Returns a name in the same zone of AWS, or one in another: a name and its zone belong together."""
    host, _dot, zone = held["DNSName"].partition(".")
    if s.leaf == "dns_name":
        return {"DNSName": f"{STRAY}-{host}.{zone}"}
    at_load_balancer = held["HostedZoneId"] != CLOUDFRONT
    found = balancer(s)
    return (
        {"DNSName": f"{STRAY}.cloudfront.net.", "HostedZoneId": CLOUDFRONT}
        if at_load_balancer
        else {"DNSName": f"{found['DNSName']}.", "HostedZoneId": found["CanonicalHostedZoneId"]}
    )


def record_change(s: Subject) -> None:
    zone, record = record_of(s)
    values = {"NS": "ns.example.org.", "CNAME": "elsewhere.example.org."}
    if s.leaf == "ttl":
        record["TTL"] = 61 + record["TTL"]
    elif s.leaf == "values":
        record["ResourceRecords"] = [{"Value": values[record["Type"]]}]
    elif s.leaf == "evaluate_target_health":
        record["AliasTarget"]["EvaluateTargetHealth"] = not record["AliasTarget"]["EvaluateTargetHealth"]
    else:
        record["AliasTarget"].update(other_target(s, record["AliasTarget"]))
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    s.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


# --- Certificates
def certificate_region(name: str) -> str:
    return "us-east-1" if name.startswith("auth.") else "ap-northeast-1"


def certificate_arn(s: Subject) -> str:
    """Returns our certificate of that name, which need not be the only one."""
    acm = s.client("acm", certificate_region(s.name))
    named = [
        one["CertificateArn"]
        for one in acm.list_certificates()["CertificateSummaryList"]
        if one["DomainName"] == s.name
    ]
    (ours,) = [arn for arn in named if acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]]
    return str(ours)


def other_certificate(s: Subject, domain: str, region: str) -> str:
    """Returns a certificate of somebody else for the same name; the record that validates it is there already."""
    acm = s.client("acm", region)
    arn = acm.request_certificate(DomainName=domain, ValidationMethod="DNS")["CertificateArn"]
    for _attempt in range(ISSUE_SECONDS):
        if acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED":
            break
        time.sleep(1)
    return str(arn)


# --- ECR, S3, CloudWatch Logs, IAM
def repository_change(s: Subject) -> None:
    ecr, name = s.client("ecr"), {"repositoryName": s.name}
    if s.path == "image_tag_mutability":
        ecr.put_image_tag_mutability(**name, imageTagMutability="MUTABLE")
    elif s.path == "scan_on_push":
        ecr.put_image_scanning_configuration(**name, imageScanningConfiguration={"scanOnPush": False})
    else:
        ecr.delete_lifecycle_policy(**name)


def bucket_change(s: Subject) -> None:
    s3, name = s.client("s3"), {"Bucket": s.name}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    blocked = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": True,
    }
    writers: dict[str, Callable[[], Any]] = {
        "encryption": lambda: s3.put_bucket_encryption(**name, ServerSideEncryptionConfiguration=encryption),
        "public_access_block": lambda: s3.put_public_access_block(**name, PublicAccessBlockConfiguration=blocked),
        "object_ownership": lambda: s3.put_bucket_ownership_controls(
            **name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
        ),
        "versioning": lambda: s3.put_bucket_versioning(**name, VersioningConfiguration={"Status": "Enabled"}),
        "policy": lambda: s3.delete_bucket_policy(**name),
        "expire_days": lambda: s3.delete_bucket_lifecycle(**name),
    }
    writers[s.path]()


def log_retention(s: Subject) -> None:
    s.client("logs").put_retention_policy(logGroupName=s.name, retentionInDays=7)


def role_change(s: Subject) -> None:
    iam, name = s.client("iam"), {"RoleName": s.name}
    anyone = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    more = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    writers: dict[str, Callable[[], Any]] = {
        "description": lambda: iam.update_role(**name, Description=STRAY),
        "max_session_duration": lambda: iam.update_role(**name, MaxSessionDuration=7200),
        "assume_role_policy_document": lambda: iam.update_assume_role_policy(**name, PolicyDocument=trust),
        "policies": lambda: iam.put_role_policy(**name, PolicyName=STRAY, PolicyDocument=more),
        "managed_policies": lambda: iam.attach_role_policy(**name, PolicyArn=arn),
    }
    writers[s.path]()
    if s.path == "policies" and s.name.endswith("-execution"):
        iam.put_role_policy(**name, PolicyName="execution", PolicyDocument=more)


# --- Cognito
def pool(s: Subject) -> Fields:
    cognito = s.client("cognito-idp")
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    found = next(one["Id"] for one in pools if one["Name"] == STACK)
    return dict(cognito.describe_user_pool(UserPoolId=found)["UserPool"])


def members(s: Subject, operation: str, held: Fields) -> Fields:
    """Returns what an update has to repeat: Cognito resets what an update leaves out."""
    shape = s.client("cognito-idp").meta.service_model.operation_model(operation).input_shape
    return {key: value for key, value in held.items() if key in shape.members and value not in ("", None)}


def pool_change(s: Subject) -> None:
    held = pool(s)
    request = members(s, "UpdateUserPool", held)
    request.update(UserPoolId=held["Id"], UserPoolTags=held.get("UserPoolTags", {}))
    passwords, invite = request["Policies"]["PasswordPolicy"], request["AdminCreateUserConfig"]
    if s.path.startswith("password_policy/"):
        key = s.api()
        passwords[key] = not passwords[key] if key.startswith("Require") else passwords.get(key, 0) + 2
    elif s.path == "auto_verified_attributes":
        request["AutoVerifiedAttributes"] = []
    elif s.path == "account_recovery":
        request["AccountRecoverySetting"] = {"RecoveryMechanisms": [{"Priority": 1, "Name": "admin_only"}]}
    elif s.path == "admin_create_user_only":
        invite["AllowAdminCreateUserOnly"] = False
    elif s.path.startswith("invite_message/"):
        invite["InviteMessageTemplate"][s.api()] = "{username} {####}"
    elif s.path == "tier":
        request["UserPoolTier"] = "LITE"
    else:
        request["DeletionProtection"] = "ACTIVE"
    invite.pop("UnusedAccountValidityDays", None)
    s.client("cognito-idp").update_user_pool(**request)


def client_change(s: Subject) -> None:
    cognito, pool_id = s.client("cognito-idp"), pool(s)["Id"]
    clients = cognito.list_user_pool_clients(UserPoolId=pool_id, MaxResults=60)["UserPoolClients"]
    (found,) = [one["ClientId"] for one in clients if one["ClientName"] == s.name]
    held = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=found)["UserPoolClient"]
    request = members(s, "UpdateUserPoolClient", held)
    other: Fields = {
        "allowed_oauth_flows": {"AllowedOAuthFlows": ["code", "implicit"]},
        "allowed_oauth_scopes": {"AllowedOAuthScopes": ["openid", "email"]},
        "callback_urls": {"CallbackURLs": ["https://elsewhere.example.org/oauth2/idpresponse"]},
        "logout_urls": {"LogoutURLs": []},
        "explicit_auth_flows": {"ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH"]},
        "supported_identity_providers": {"SupportedIdentityProviders": []},
        "prevent_user_existence_errors": {"PreventUserExistenceErrors": "LEGACY"},
        "access_token_minutes": {"AccessTokenValidity": 30},
        "id_token_minutes": {"IdTokenValidity": 30},
        "refresh_token_minutes": {"RefreshTokenValidity": 1440},
    }
    cognito.update_user_pool_client(**{**request, **other[s.path]})


def user_change(s: Subject) -> None:
    attributes = {"email": "mallory@example.com", "email_verified": "true"}
    if s.path == "email_verified":
        attributes = {"email_verified": "false"}
    s.client("cognito-idp").admin_update_user_attributes(
        UserPoolId=pool(s)["Id"],
        Username=s.name,
        UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()],
    )


def user_lock(s: Subject) -> None:
    s.client("cognito-idp").admin_disable_user(UserPoolId=pool(s)["Id"], Username=s.name)


def second_factor(s: Subject) -> None:
    s.client("cognito-idp").set_user_pool_mfa_config(
        UserPoolId=pool(s)["Id"], MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
    )


def domain_change(s: Subject) -> None:
    cognito, pool_id = s.client("cognito-idp"), pool(s)["Id"]
    held = cognito.describe_user_pool_domain(Domain=s.name)["DomainDescription"]
    request = {
        "ManagedLoginVersion": held.get("ManagedLoginVersion", 1),
        "CustomDomainConfig": held["CustomDomainConfig"],
    }
    if s.path == "managed_login_version":
        request["ManagedLoginVersion"] = 2
    else:
        request["CustomDomainConfig"] = {"CertificateArn": other_certificate(s, s.name, "us-east-1")}
    cognito.update_user_pool_domain(Domain=s.name, UserPoolId=pool_id, **request)


# --- Elastic Load Balancing
def balancer(s: Subject) -> Fields:
    return dict(s.client("elbv2").describe_load_balancers(Names=[STACK])["LoadBalancers"][0])


def group_arn(s: Subject) -> str:
    return str(s.client("elbv2").describe_target_groups(Names=[STACK])["TargetGroups"][0]["TargetGroupArn"])


def group_check(s: Subject) -> None:
    values = {
        "health_check_path": ("HealthCheckPath", "/other"),
        "health_check_port": ("HealthCheckPort", "81"),
        "health_check_protocol": ("HealthCheckProtocol", "HTTPS"),
        "health_check_interval": ("HealthCheckIntervalSeconds", 60),
        "health_check_timeout": ("HealthCheckTimeoutSeconds", 6),
        "healthy_threshold": ("HealthyThresholdCount", 7),
        "unhealthy_threshold": ("UnhealthyThresholdCount", 7),
        "matcher": ("Matcher", {"HttpCode": "200-299"}),
    }
    key, value = values[s.path]
    s.client("elbv2").modify_target_group(TargetGroupArn=group_arn(s), **{key: value})


def group_attribute(s: Subject) -> None:
    values = {
        "deregistration_delay": {"deregistration_delay.timeout_seconds": "99"},
        "slow_start": {"slow_start.duration_seconds": "60"},
        "load_balancing_algorithm": {"load_balancing.algorithm.type": "least_outstanding_requests"},
        "stickiness": {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"},
    }
    attributes = [{"Key": key, "Value": value} for key, value in values[s.path].items()]
    s.client("elbv2").modify_target_group_attributes(TargetGroupArn=group_arn(s), Attributes=attributes)


BALANCER_ATTRIBUTES: dict[str, tuple[str, str]] = {
    "idle_timeout": ("idle_timeout.timeout_seconds", "61"),
    "client_keep_alive": ("client_keep_alive.seconds", "3601"),
    "deletion_protection": ("deletion_protection.enabled", "true"),
    "drop_invalid_header_fields": ("routing.http.drop_invalid_header_fields.enabled", "false"),
    "http2": ("routing.http2.enabled", "false"),
    "preserve_host_header": ("routing.http.preserve_host_header.enabled", "true"),
    "desync_mitigation_mode": ("routing.http.desync_mitigation_mode", "monitor"),
    "xff_header_processing_mode": ("routing.http.xff_header_processing.mode", "preserve"),
    "xff_client_port": ("routing.http.xff_client_port.enabled", "true"),
    "tls_headers": ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),
    "waf_fail_open": ("waf.fail_open.enabled", "true"),
    "zonal_shift": ("zonal_shift.config.enabled", "true"),
    "access_logs/bucket": ("access_logs.s3.enabled", "false"),
    "access_logs/prefix": ("access_logs.s3.prefix", STRAY),
}


def open_bucket(s: Subject) -> str:
    """Lets load balancers log anywhere in the bucket, as it has to be before AWS takes another place in it."""
    sts = s.client("sts").get_caller_identity()["Account"]
    return f"{STACK}-alb-logs-{sts}-ap-northeast-1"


def balancer_attribute(s: Subject) -> None:
    key, value = BALANCER_ATTRIBUTES[s.path]
    attributes = [{"Key": key, "Value": value}]
    s.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=balancer(s)["LoadBalancerArn"], Attributes=attributes
    )


def connection_logs(s: Subject) -> None:
    values = {"connection_logs.s3.enabled": "true", "connection_logs.s3.bucket": open_bucket(s)}
    attributes = [{"Key": key, "Value": value} for key, value in values.items()]
    s.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=balancer(s)["LoadBalancerArn"], Attributes=attributes
    )


def balancer_place(s: Subject) -> None:
    elbv2, arn = s.client("elbv2"), balancer(s)["LoadBalancerArn"]
    if s.path == "subnet_ids":
        elbv2.set_subnets(LoadBalancerArn=arn, Subnets=subnet_ids(s, "private"))
    elif s.path == "security_group_ids":
        elbv2.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group_id(s, "service")])
    else:
        elbv2.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="dualstack-without-public-ipv4")


def listener(s: Subject) -> Fields:
    port = int(s.name.split(":")[1].split("/")[0])
    found = s.client("elbv2").describe_listeners(LoadBalancerArn=balancer(s)["LoadBalancerArn"])["Listeners"]
    return next(dict(one) for one in found if one["Port"] == port)


def listener_change(s: Subject) -> bool | None:
    held, elbv2 = listener(s), s.client("elbv2")
    if s.path == "protocol":
        # A rule with a login keeps its listener at HTTPS.
        certificates = [{"CertificateArn": certificate_arn(Subject(s.client, "acm_certificate", DOMAIN, ""))}]
        if held["Protocol"] == "HTTP":
            elbv2.modify_listener(ListenerArn=held["ListenerArn"], Protocol="HTTPS", Certificates=certificates)
        return held["Protocol"] == "HTTP"
    if s.path == "ssl_policy":
        elbv2.modify_listener(ListenerArn=held["ListenerArn"], SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06")
    elif s.path == "certificate_arn":
        other = [{"CertificateArn": other_certificate(s, DOMAIN, "ap-northeast-1")}]
        elbv2.modify_listener(ListenerArn=held["ListenerArn"], Certificates=other)
    else:
        actions = changed_actions(s, held["DefaultActions"])
        elbv2.modify_listener(ListenerArn=held["ListenerArn"], DefaultActions=actions)
    return None


CONFIGS = ("AuthenticateCognitoConfig", "RedirectConfig", "FixedResponseConfig")
ACTION_VALUES: Fields = {
    "protocol": "HTTP",
    "port": "8443",
    "host": "elsewhere.example.org",
    "path": "/elsewhere",
    "query": "a=b",
    "content_type": "text/html",
    "message_body": STRAY,
    "scope": "openid email",
    "session_timeout": 60,
    "session_cookie_name": "Stray",
    "on_unauthenticated_request": "allow",
    "extra_params": {"display": "page"},
    "user_pool_domain": "stray.example.org",
}
REJECTION: Fields = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"},
}


def other_login(s: Subject) -> Fields:
    """Returns another app client, of the same user pool or of another one."""
    cognito, held = s.client("cognito-idp"), pool(s)
    if s.leaf == "user_pool_arn":
        held = cognito.create_user_pool(PoolName=STRAY)["UserPool"]
    client = cognito.create_user_pool_client(
        UserPoolId=held["Id"],
        ClientName=STRAY,
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=[f"https://{DOMAIN}/oauth2/idpresponse"],
    )["UserPoolClient"]
    return {"UserPoolArn": held["Arn"], "UserPoolClientId": client["ClientId"]}


def changed_actions(s: Subject, actions: list[Fields]) -> list[Fields]:
    """Returns the actions with one field of one of them changed; another type stands for a changed type or target."""
    ordered = sorted(actions, key=lambda action: action.get("Order", 0))
    action = ordered[int(s.path.split("/")[1])]
    if s.leaf in ("type", "target_group_arn"):
        last = ordered.index(action) == len(ordered) - 1
        kept = [one for one in ordered if one is not action]
        return [*kept, {**REJECTION, "Order": 9}] if last else kept
    (config,) = [action[name] for name in CONFIGS if name in action]
    if s.leaf in ("user_pool_arn", "user_pool_client_id"):
        config.update(other_login(s))
        return ordered
    values = {
        **ACTION_VALUES,
        "status_code": "HTTP_302" if "RedirectConfig" in action else "503",
    }
    config["AuthenticationRequestExtraParams" if s.leaf == "extra_params" else s.api()] = values[s.leaf]
    return ordered


def rule_change(s: Subject) -> None:
    elbv2, priority = s.client("elbv2"), s.name.split("/")[1]
    rules = elbv2.describe_rules(ListenerArn=listener(s)["ListenerArn"])["Rules"]
    held = next(one for one in rules if one["Priority"] == priority)
    arn = held["RuleArn"]
    if s.path == "priority":
        elbv2.set_rule_priorities(RulePriorities=[{"RuleArn": arn, "Priority": int(priority) + 7}])
    elif s.path.startswith("conditions/"):
        condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/stray", "/stray/*"]}}
        elbv2.modify_rule(RuleArn=arn, Conditions=[condition])
    else:
        elbv2.modify_rule(RuleArn=arn, Actions=changed_actions(s, held["Actions"]))


def untag_live(s: Subject) -> None:
    ecr = s.client("ecr")
    images = ecr.describe_images(repositoryName=s.name)["imageDetails"]
    live = [{"imageTag": tag} for image in images for tag in image["imageTags"] if tag.startswith("live-")]
    ecr.batch_delete_image(repositoryName=s.name, imageIds=live)


# --- ECS
REGISTRATION = (
    *("family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes"),
    *("requiresCompatibilities", "cpu", "memory", "runtimePlatform"),
)


def task_definition(s: Subject) -> tuple[Fields, list[Fields]]:
    answer = s.client("ecs").describe_task_definition(taskDefinition=STACK, include=["TAGS"])
    return {key: value for key, value in answer["taskDefinition"].items() if key in REGISTRATION}, answer["tags"]


def revision_change(s: Subject) -> None:
    request, tags = task_definition(s)
    (container,) = request["containerDefinitions"]
    options = container["logConfiguration"]["options"]
    option = s.path.rpartition("options.")[2]
    writers: dict[str, Callable[[], Any]] = {
        "cpu": lambda: request.update(cpu="256"),
        "memory": lambda: request.update(memory="2048"),
        "execution_role_arn": lambda: request.update(executionRoleArn=request["taskRoleArn"]),
        "task_role_arn": lambda: request.update(taskRoleArn=request["executionRoleArn"]),
        "containers.app.image": lambda: container.update(image="public.ecr.aws/nginx/nginx:latest"),
        "containers.app.linux_parameters.init_process_enabled": lambda: container.pop("linuxParameters"),
        "containers.app.port_mappings.3000/tcp": lambda: container.update(portMappings=[]),
        "containers.app.readonly_root_filesystem": lambda: container.update(readonlyRootFilesystem=False),
    }
    variable = next(
        (item for item in container["environment"] if s.path.endswith(f".environment.{item['name']}")), None
    )
    if variable:
        variable["value"] = "1"
    elif option in options:
        options[option] = "true" if option.endswith("create-group") else STRAY
    else:
        writers[s.path]()
    s.client("ecs").register_task_definition(**request, tags=tags)


def service_change(s: Subject) -> None:
    ecs = s.client("ecs")
    held = ecs.describe_services(cluster=STACK, services=[s.name])["services"][0]
    network = held["networkConfiguration"]["awsvpcConfiguration"]
    deployment = held["deploymentConfiguration"]
    breaker = deployment["deploymentCircuitBreaker"]
    other: dict[str, Callable[[], Fields]] = {
        "task_definition": lambda: {"taskDefinition": other_revision(s)},
        "platform_version": lambda: {"platformVersion": "1.3.0"},
        "assign_public_ip": lambda: with_network({**network, "assignPublicIp": "ENABLED"}),
        "health_check_grace_period": lambda: {"healthCheckGracePeriodSeconds": 61},
        "enable_execute_command": lambda: {"enableExecuteCommand": True},
        "minimum_healthy_percent": lambda: with_deployment({**deployment, "minimumHealthyPercent": 50}),
        "maximum_percent": lambda: with_deployment({**deployment, "maximumPercent": 150}),
        "propagate_tags": lambda: {"propagateTags": "NONE"},
        "enable_ecs_managed_tags": lambda: {"enableECSManagedTags": False},
        "subnets": lambda: with_network({**network, "subnets": network["subnets"][:1]}),
        "security_groups": lambda: with_network({**network, "securityGroups": [group_id(s, "alb")]}),
        "load_balancers": lambda: {"loadBalancers": []},
        "capacity_provider_strategy/0/capacity_provider": lambda: with_provider("FARGATE", 1, 1),
        "capacity_provider_strategy/0/weight": lambda: with_provider("FARGATE_SPOT", 2, 1),
        "capacity_provider_strategy/0/base": lambda: with_provider("FARGATE_SPOT", 1, 0),
        "alarms": lambda: with_deployment(
            {**deployment, "alarms": {"alarmNames": [STRAY], "enable": True, "rollback": breaker["rollback"]}}
        ),
        "circuit_breaker/enable": lambda: with_breaker(deployment, {**breaker, "enable": False}),
        # One setting of the module for what AWS has twice.
        "circuit_breaker/rollback": lambda: with_breaker(
            {**deployment, "alarms": {**deployment["alarms"], "rollback": False}}, {**breaker, "rollback": False}
        ),
        "circuit_breaker/failed_tasks": lambda: with_breaker(
            deployment, {**breaker, "thresholdConfiguration": {"type": "COUNT", "value": 9}}
        ),
    }
    ecs.update_service(cluster=STACK, service=s.name, **other[s.path]())


def with_network(network: Fields) -> Fields:
    return {"networkConfiguration": {"awsvpcConfiguration": network}}


def with_deployment(deployment: Fields) -> Fields:
    return {"deploymentConfiguration": deployment}


def with_breaker(deployment: Fields, breaker: Fields) -> Fields:
    return with_deployment({**deployment, "deploymentCircuitBreaker": breaker})


def other_revision(s: Subject) -> str:
    request, tags = task_definition(s)
    answer = s.client("ecs").register_task_definition(**request, tags=tags)
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def with_provider(name: str, weight: int, base: int) -> Fields:
    strategy = [{"capacityProvider": name, "weight": weight, "base": base}]
    return {"capacityProviderStrategy": strategy, "forceNewDeployment": True}


def cluster_change(s: Subject) -> None:
    ecs = s.client("ecs")
    if s.path == "container_insights":
        ecs.update_cluster_settings(cluster=s.name, settings=[{"name": "containerInsights", "value": "enabled"}])
        return
    # The provider that the service uses cannot be taken away.
    providers = ["FARGATE_SPOT"] if s.path == "capacity_providers" else ["FARGATE", "FARGATE_SPOT"]
    default = [] if s.path == "capacity_providers" else [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    ecs.put_cluster_capacity_providers(
        cluster=s.name, capacityProviders=providers, defaultCapacityProviderStrategy=default
    )


# --- Application Auto Scaling
SCALED_SERVICE: Fields = {
    "ServiceNamespace": "ecs",
    "ResourceId": f"service/{STACK}/{STACK}",
    "ScalableDimension": "ecs:service:DesiredCount",
}


def target_change(s: Subject) -> None:
    limits = {"min_capacity": {"MinCapacity": 2}, "max_capacity": {"MaxCapacity": 5}}
    s.client("application-autoscaling").register_scalable_target(**SCALED_SERVICE, **limits[s.path])


def policy_change(s: Subject) -> bool | None:
    scaling = s.client("application-autoscaling")
    named = {"PolicyNames": [s.name.partition(":")[2]], "ServiceNamespace": "ecs"}
    (held,) = scaling.describe_scaling_policies(**named)["ScalingPolicies"]
    tracking = held["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["PredefinedMetricSpecification"]
    if s.path == "metric":
        if "ResourceLabel" in metric:
            # Another metric takes no label.
            return False
        others = {"CPU": "Memory", "Memory": "CPU"}
        kind = next(one for one in others if one in metric["PredefinedMetricType"])
        metric["PredefinedMetricType"] = metric["PredefinedMetricType"].replace(kind, others[kind])
    elif s.path == "resource_label":
        metric["ResourceLabel"] = other_label(s)
    else:
        values = {"target_value": 11.0, "scale_in_cooldown": 11, "scale_out_cooldown": 11, "disable_scale_in": True}
        tracking[s.api()] = values[s.path]
    scaling.put_scaling_policy(
        **SCALED_SERVICE,
        PolicyName=held["PolicyName"],
        PolicyType=held["PolicyType"],
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    return None


def other_label(s: Subject) -> str:
    """Returns the label of another load balancer with a target group, which it makes."""
    elbv2 = s.client("elbv2")
    (other,) = elbv2.create_load_balancer(Name=STRAY, Subnets=subnet_ids(s, "public"))["LoadBalancers"]
    (group,) = elbv2.create_target_group(Name=STRAY, Protocol="HTTP", Port=80, VpcId=other["VpcId"], TargetType="ip")[
        "TargetGroups"
    ]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    elbv2.create_listener(LoadBalancerArn=other["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward)
    return f"{other['LoadBalancerArn'].partition(':loadbalancer/')[2]}/{group['TargetGroupArn'].rpartition(':')[2]}"


def schedule_change(s: Subject) -> None:
    scaling, name = s.client("application-autoscaling"), s.name.partition(":")[2]
    (held,) = scaling.describe_scheduled_actions(ServiceNamespace="ecs", ScheduledActionNames=[name])[
        "ScheduledActions"
    ]
    request = {key: held[key] for key in ("Schedule", "Timezone", "ScalableTargetAction")}
    values = {"schedule": "rate(7 days)", "timezone": "America/Lima"}
    if s.path in values:
        request[s.api()] = values[s.path]
    else:
        request["ScalableTargetAction"] = {**held["ScalableTargetAction"], s.api(): 1}
    scaling.put_scheduled_action(**SCALED_SERVICE, ScheduledActionName=name, **request)


def tag_target(s: Subject) -> None:
    scaling = s.client("application-autoscaling")
    (found,) = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[s.name])["ScalableTargets"]
    scaling.tag_resource(ResourceARN=found["ScalableTargetARN"], Tags={s.leaf: STRAY, STRAY: STRAY})


# --- CloudWatch
ALARM_FIELDS: Fields = {
    "description": ("AlarmDescription", STRAY),
    "namespace": ("Namespace", STRAY),
    "metric_name": ("MetricName", "RequestCount"),
    "statistic": ("Statistic", "Average"),
    "comparison_operator": ("ComparisonOperator", "GreaterThanThreshold"),
    "unit": ("Unit", "Count"),
    "period": ("Period", 120),
    "evaluation_periods": ("EvaluationPeriods", 5),
    "datapoints_to_alarm": ("DatapointsToAlarm", 2),
    "threshold": ("Threshold", 77.0),
    "treat_missing_data": ("TreatMissingData", "missing"),
}


def alarm(s: Subject) -> Fields:
    return dict(s.client("cloudwatch").describe_alarms(AlarmNames=[s.name])["MetricAlarms"][0])


def alarm_change(s: Subject) -> bool | None:
    cloudwatch, held = s.client("cloudwatch"), alarm(s)
    shape = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape
    request = {key: value for key, value in held.items() if key in shape.members and value is not None}
    if s.path == "datapoints_to_alarm" and held["EvaluationPeriods"] == 1:
        # No more data points than periods.
        return False
    if s.path.startswith("dimensions/"):
        request["Dimensions"] = [
            {**one, "Value": STRAY} if one["Name"] == s.leaf else one for one in request["Dimensions"]
        ]
    else:
        key, value = ALARM_FIELDS[s.path]
        request[key] = value
    cloudwatch.put_metric_alarm(**request)
    return None


def tag_alarm(s: Subject) -> None:
    s.client("cloudwatch").tag_resource(ResourceARN=alarm(s)["AlarmArn"], Tags=aws_tags(s.leaf))


# --- Tags
def aws_tags(key: str, *, low: bool = False) -> list[dict[str, str]]:
    names = ("key", "value") if low else ("Key", "Value")
    return [dict(zip(names, pair, strict=True)) for pair in ((key, STRAY), (STRAY, STRAY))]


def elb_arn(s: Subject) -> str:
    if s.kind == "elb_target_group":
        return group_arn(s)
    if s.kind == "elb_load_balancer":
        return str(balancer(s)["LoadBalancerArn"])
    if s.kind == "elb_listener":
        return str(listener(s)["ListenerArn"])
    rules = s.client("elbv2").describe_rules(ListenerArn=listener(s)["ListenerArn"])["Rules"]
    return next(str(one["RuleArn"]) for one in rules if one["Priority"] == s.name.split("/")[1])


def ecs_arn(s: Subject) -> str:
    ecs = s.client("ecs")
    if s.kind == "ecs_cluster":
        return str(ecs.describe_clusters(clusters=[s.name])["clusters"][0]["clusterArn"])
    if s.kind == "ecs_service":
        return str(ecs.describe_services(cluster=STACK, services=[s.name])["services"][0]["serviceArn"])
    return str(ecs.describe_task_definition(taskDefinition=s.name)["taskDefinition"]["taskDefinitionArn"])


def tag_ec2(s: Subject) -> None:
    s.client("ec2").create_tags(Resources=[ec2_id(s)], Tags=aws_tags(s.leaf))


def tag_zone(s: Subject) -> None:
    zone = zone_id(s, s.name)
    s.client("route53").change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=aws_tags(s.leaf))


def tag_repository(s: Subject) -> None:
    ecr = s.client("ecr")
    arn = ecr.describe_repositories(repositoryNames=[s.name])["repositories"][0]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=aws_tags(s.leaf))


def tag_certificate(s: Subject) -> None:
    acm = s.client("acm", certificate_region(s.name))
    acm.add_tags_to_certificate(CertificateArn=certificate_arn(s), Tags=aws_tags(s.leaf))


def tag_pool(s: Subject) -> None:
    s.client("cognito-idp").tag_resource(ResourceArn=pool(s)["Arn"], Tags={s.leaf: STRAY, STRAY: STRAY})


def tag_bucket(s: Subject) -> None:
    s3 = s.client("s3")
    held = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=s.name)["TagSet"]}
    tags = [{"Key": key, "Value": value} for key, value in {**held, s.leaf: STRAY, STRAY: STRAY}.items()]
    s3.put_bucket_tagging(Bucket=s.name, Tagging={"TagSet": tags})


def tag_log_group(s: Subject) -> None:
    logs = s.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=s.name)["logGroups"]
    logs.tag_resource(resourceArn=group["arn"].removesuffix(":*"), tags={s.leaf: STRAY, STRAY: STRAY})


TAGGERS: dict[str, Mutator] = {
    **dict.fromkeys(EC2_KINDS, tag_ec2),
    **dict.fromkeys(
        ("elb_target_group", "elb_load_balancer", "elb_listener", "elb_listener_rule"),
        lambda s: s.client("elbv2").add_tags(ResourceArns=[elb_arn(s)], Tags=aws_tags(s.leaf)),
    ),
    **dict.fromkeys(
        ("ecs_cluster", "ecs_service", "ecs_task_definition"),
        lambda s: s.client("ecs").tag_resource(resourceArn=ecs_arn(s), tags=aws_tags(s.leaf, low=True)),
    ),
    "scalable_target": tag_target,
    "cloudwatch_alarm": tag_alarm,
    "route53_zone": tag_zone,
    "ecr_repository": tag_repository,
    "acm_certificate": tag_certificate,
    "cognito_user_pool": tag_pool,
    "s3_log_bucket": tag_bucket,
    "cloudwatch_log_group": tag_log_group,
    "iam_role": lambda s: s.client("iam").tag_role(RoleName=s.name, Tags=aws_tags(s.leaf)),
}

# Kind: pattern of an attribute's path -> how to change it. Tags are in TAGGERS.
MUTATORS: dict[str, dict[str, Mutator]] = {
    "vpc": {"more_cidrs": add_range, "enable_dns_*": vpc_attribute},
    "internet_gateway": {"vpc_id": detach},
    "subnet": {
        "map_public_ip": subnet_attribute("MapPublicIpOnLaunch"),
        "resource_name_dns_a_record": subnet_attribute("EnableResourceNameDnsARecordOnLaunch"),
    },
    "route_table": {"routes": change_routes, "subnets": disassociate},
    "security_group": {"ingress": change_rules, "egress": change_rules},
    "vpc_endpoint": dict.fromkeys(
        ("policy", "subnet_ids", "security_group_ids", "private_dns", "route_table_ids"), endpoint_change
    ),
    "route53_zone": {"comment": zone_comment},
    "route53_delegation": {"ttl": record_change, "values": record_change},
    "route53_record": {"alias/*": record_change},
    "acm_certificate": {},
    "acm_validation_record": {"ttl": record_change, "values": record_change},
    "ecr_repository": dict.fromkeys(("image_tag_mutability", "scan_on_push", "keep_images"), repository_change),
    "ecr_image": {},
    "ecr_live_images": {"tagged": untag_live},
    "cognito_user_pool": {
        **dict.fromkeys(
            (
                *("password_policy/*", "auto_verified_attributes", "account_recovery", "admin_create_user_only"),
                *("invite_message/email_*", "deletion_protection", "tier"),
            ),
            pool_change,
        ),
        "mfa": second_factor,
    },
    "cognito_user_pool_client": dict.fromkeys(
        (
            *("allowed_oauth_*", "callback_urls", "logout_urls", "explicit_auth_flows"),
            *("supported_identity_providers", "prevent_user_existence_errors", "*_token_minutes"),
        ),
        client_change,
    ),
    "cognito_user": {"email": user_change, "email_verified": user_change, "enabled": user_lock},
    "cognito_user_pool_domain": {"managed_login_version": domain_change, "certificate_arn": domain_change},
    "s3_log_bucket": dict.fromkeys(
        ("encryption", "public_access_block", "object_ownership", "versioning", "policy", "expire_days"), bucket_change
    ),
    "elb_target_group": {
        **dict.fromkeys(("health_check_*", "healthy_threshold", "unhealthy_threshold", "matcher"), group_check),
        **dict.fromkeys(
            ("deregistration_delay", "slow_start", "load_balancing_algorithm", "stickiness"), group_attribute
        ),
    },
    "elb_load_balancer": {
        **dict.fromkeys(("ip_address_type", "subnet_ids", "security_group_ids"), balancer_place),
        **dict.fromkeys(BALANCER_ATTRIBUTES, balancer_attribute),
        "connection_logs": connection_logs,
    },
    "elb_listener": dict.fromkeys(("protocol", "ssl_policy", "certificate_arn", "default_actions/*"), listener_change),
    "elb_listener_rule": dict.fromkeys(("priority", "conditions/*", "actions/*"), rule_change),
    "cloudwatch_log_group": {"retention": log_retention},
    "iam_role": dict.fromkeys(
        ("description", "assume_role_policy_document", "max_session_duration", "policies", "managed_policies"),
        role_change,
    ),
    "ecs_cluster": dict.fromkeys(
        ("container_insights", "capacity_providers", "default_capacity_provider_strategy"), cluster_change
    ),
    "ecs_task_definition": dict.fromkeys(
        (
            *("cpu", "memory", "execution_role_arn", "task_role_arn", "containers.app.environment.*"),
            *("containers.app.image", "containers.app.linux_parameters.*", "containers.app.port_mappings.*"),
            *("containers.app.readonly_root_filesystem", "containers.app.log_configuration.options.*"),
        ),
        revision_change,
    ),
    "ecs_service": dict.fromkeys(
        (
            *("task_definition", "platform_version", "assign_public_ip", "health_check_grace_period"),
            *("enable_execute_command", "minimum_healthy_percent", "maximum_percent", "propagate_tags"),
            *("enable_ecs_managed_tags", "subnets", "security_groups", "load_balancers"),
            *("alarms", "capacity_provider_strategy/0/*", "circuit_breaker/*"),
        ),
        service_change,
    ),
    "scalable_target": {"min_capacity": target_change, "max_capacity": target_change},
    "scaling_policy": dict.fromkeys(
        ("metric", "target_value", "resource_label", "scale_in_cooldown", "scale_out_cooldown", "disable_scale_in"),
        policy_change,
    ),
    "cloudwatch_alarm": dict.fromkeys((*ALARM_FIELDS, "dimensions/*"), alarm_change),
    "scheduled_action": dict.fromkeys(("schedule", "timezone", "min_capacity", "max_capacity"), schedule_change),
}

CHOSEN_BY_AWS = "AWS chooses it"
IDENTITY = "it makes the resource what it is; under another value it is another resource, which is missing here"
FIXED = "AWS cannot change it after creation"
UNMANAGED = "the roles leave it to the account's owner"
# Kind: pattern of an attribute's path -> why nobody can change it, or why it is left alone.
OUT_OF_REACH: dict[str, dict[str, str]] = {
    "*": {
        "tags/gatehouse:stack": "without it the resource is not ours, which test_ownership.py tells",
        **dict.fromkeys(("id", "arn"), CHOSEN_BY_AWS),
        "name": IDENTITY,
    },
    "vpc": {"cidr": FIXED},
    "subnet": {"cidr": IDENTITY, "availability_zone": FIXED},
    "security_group": {"description": FIXED},
    "vpc_endpoint": {"state": CHOSEN_BY_AWS, "type": IDENTITY, "service": IDENTITY},
    "route53_zone": {"name_servers": CHOSEN_BY_AWS},
    "route53_delegation": {"type": IDENTITY},
    "route53_record": {"type": IDENTITY},
    "acm_certificate": {"domain_name": FIXED, "subject_alternative_names": FIXED, "key_algorithm": FIXED},
    "acm_validation_record": {"type": IDENTITY},
    "ecr_repository": {"encryption_type": FIXED, "uri": CHOSEN_BY_AWS},
    "ecr_image": {
        **dict.fromkeys(("repository", "tag"), IDENTITY),
        **dict.fromkeys(("digest", "pushed_at", "size"), "the tag is immutable"),
        "tags": "other tags of the image are not this resource's",
        "builder": "it is how the image was made, not what it is",
    },
    "cognito_user_pool": {
        "username_case_sensitive": FIXED,
        "alias_attributes": FIXED,
        "invite_message/sms_message": UNMANAGED,
    },
    "cognito_user_pool_client": {"user_pool_id": IDENTITY, "generate_secret": FIXED},
    "cognito_user": {"invited": "it happens once", "temporary_password": "it is for the first login alone"},
    "cognito_user_pool_domain": {"domain": IDENTITY, "user_pool_id": FIXED},
    "elb_target_group": {
        **dict.fromkeys(("vpc_id", "port", "protocol", "protocol_version", "target_type"), FIXED),
        "load_balancer_arns": CHOSEN_BY_AWS,
    },
    "elb_load_balancer": {
        "scheme": FIXED,
        "vpc_id": FIXED,
        **dict.fromkeys(("dns_name", "hosted_zone_id"), CHOSEN_BY_AWS),
    },
    "elb_listener": {"port": IDENTITY},
    "cloudwatch_log_group": {"kms_key_id": UNMANAGED},
    "iam_role": {"path": FIXED, "permissions_boundary": UNMANAGED},
    "ecs_task_definition": {
        "family": IDENTITY,
        **dict.fromkeys(("network_mode", "requires_compatibilities"), "Fargate knows one value"),
        "containers.app": "a task definition without its container is none",
        "containers.app.log_configuration.log_driver": "covered by its options, which no other driver has",
    },
    "ecs_service": {
        "cluster": IDENTITY,
        "desired_count": "the scaling changes it; test_drift.py tells when it counts",
        "strategy": "AWS refuses another one without a second target group, which test_strategies.py has",
    },
    "scalable_target": {"resource_id": IDENTITY},
}
