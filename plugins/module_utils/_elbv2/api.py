# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Requests about one load balancer, its listeners and their rules.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.common import (
    attribute_list,
    attribute_map,
    describe_tags,
    tags_argument,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.transformations import (
    actions_from_api,
    actions_to_api,
    attributes_from_api,
    attributes_to_api,
    conditions_from_api,
    conditions_to_api,
)

Fields = dict[str, Any]

POLL_SECONDS = 5
# About a minute: S3 lets the load balancer in only some seconds after the bucket's policy was put.
LOG_BUCKET_ATTEMPTS = 9
NO_ACCESS = "LogBucketAccessDenied"

LoadBalancerErrors = missing_is("LoadBalancerNotFound")
ListenerErrors = missing_is("ListenerNotFound", "LoadBalancerNotFound")
RuleErrors = missing_is("RuleNotFound", "ListenerNotFound")


class WaiterFactory(BaseWaiterFactory):
    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        state = "LoadBalancers[].State.Code"
        common = {"operation": "DescribeLoadBalancers", "delay": POLL_SECONDS, "maxAttempts": 60}
        active = [
            {"state": "success", "matcher": "pathAll", "expected": "active", "argument": state},
            {"state": "failure", "matcher": "pathAny", "expected": "failed", "argument": state},
        ]
        deleted = [{"state": "success", "matcher": "error", "expected": "LoadBalancerNotFound"}]
        return {"active": {**common, "acceptors": active}, "deleted": {**common, "acceptors": deleted}}


class LogBucketRetry(AWSRetry):
    """Tries again while the log bucket refuses, and not for the other reasons that share the error code."""

    @staticmethod
    def status_code_from_exception(error: Any) -> str:
        refused = "access denied" in error.response["Error"].get("Message", "").lower()
        return NO_ACCESS if refused else str(error.response["Error"]["Code"])


@LoadBalancerErrors.list_error_handler("describe the load balancer", {})
def describe(client: Any, name: str) -> Fields:
    answer = client.describe_load_balancers(Names=[name])["LoadBalancers"]
    if not answer:
        return {}
    found, arn = answer[0], answer[0]["LoadBalancerArn"]
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    described = {
        "name": name,
        "arn": arn,
        "dns_name": found["DNSName"],
        "hosted_zone_id": found["CanonicalHostedZoneId"],
        "vpc_id": found["VpcId"],
        "status": found["State"]["Code"],
        "scheme": found["Scheme"],
        "ip_address_type": found["IpAddressType"],
        "subnet_ids": sorted(zone["SubnetId"] for zone in found["AvailabilityZones"]),
        "security_group_ids": sorted(found.get("SecurityGroups", [])),
        **attributes_from_api(attribute_map(attributes)),
        "listeners": describe_listeners(client, arn),
    }
    add_tags(client, described)
    return described


@ListenerErrors.list_error_handler("describe the listeners", [])
def describe_listeners(client: Any, load_balancer_arn: str) -> list[Fields]:
    pages = client.get_paginator("describe_listeners").paginate(LoadBalancerArn=load_balancer_arn)
    listeners = [_listener(client, found) for page in pages for found in page["Listeners"]]
    return sorted(listeners, key=lambda listener: int(listener["port"]))


def _listener(client: Any, found: Fields) -> Fields:
    certificates = [one["CertificateArn"] for one in found.get("Certificates", [])]
    return {
        "arn": found["ListenerArn"],
        "port": found["Port"],
        "protocol": found["Protocol"],
        "certificate_arn": certificates[0] if certificates else None,
        "ssl_policy": found.get("SslPolicy"),
        "default_actions": actions_from_api(found["DefaultActions"]),
        "rules": describe_rules(client, found["ListenerArn"]),
    }


@RuleErrors.list_error_handler("describe the rules of the listener", [])
def describe_rules(client: Any, listener_arn: str) -> list[Fields]:
    pages = client.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
    rules = [_rule(found) for page in pages for found in page["Rules"] if found["Priority"] != "default"]
    return sorted(rules, key=lambda rule: int(rule["priority"]))


def _rule(found: Fields) -> Fields:
    rule = {
        "arn": found["RuleArn"],
        "priority": int(found["Priority"]),
        "conditions": conditions_from_api(found["Conditions"]),
        "actions": actions_from_api(found["Actions"]),
    }
    return {**rule, "transforms": found["Transforms"]} if found.get("Transforms") else rule


def add_tags(client: Any, load_balancer: Fields) -> None:
    listeners = load_balancer["listeners"]
    owners = [load_balancer, *listeners, *(rule for listener in listeners for rule in listener["rules"])]
    tags = describe_tags(client, [owner["arn"] for owner in owners])
    for owner in owners:
        owner["tags"] = tags.get(owner["arn"], {})


@LoadBalancerErrors.common_error_handler("create the load balancer")
def create(client: Any, fields: Fields) -> str:
    answer = client.create_load_balancer(
        Name=fields["name"],
        Type="application",
        Scheme=fields["scheme"],
        IpAddressType=fields["ip_address_type"],
        Subnets=fields["subnet_ids"],
        **({"SecurityGroups": fields["security_group_ids"]} if fields.get("security_group_ids") else {}),
        **tags_argument(fields["tags"]),
    )
    arn = str(answer["LoadBalancers"][0]["LoadBalancerArn"])
    initial = attributes_from_api({})
    set_attributes(client, arn, {name: fields[name] for name in initial if fields[name] != initial[name]})
    return arn


@LoadBalancerErrors.common_error_handler("change the load balancer")
def update(client: Any, arn: str, fields: Fields) -> None:
    if "ip_address_type" in fields:
        client.set_ip_address_type(LoadBalancerArn=arn, IpAddressType=fields["ip_address_type"])
    if "security_group_ids" in fields:
        client.set_security_groups(LoadBalancerArn=arn, SecurityGroups=fields["security_group_ids"])
    if "subnet_ids" in fields:
        client.set_subnets(LoadBalancerArn=arn, Subnets=fields["subnet_ids"])
    set_attributes(client, arn, fields)


@LoadBalancerErrors.common_error_handler("change the attributes of the load balancer")
def set_attributes(client: Any, arn: str, fields: Fields) -> None:
    attributes = attribute_list(attributes_to_api(fields))
    if not attributes:
        return
    retry = LogBucketRetry.exponential_backoff(
        retries=LOG_BUCKET_ATTEMPTS, delay=2, max_delay=10, catch_extra_error_codes=[NO_ACCESS]
    )
    retry(client.modify_load_balancer_attributes)(LoadBalancerArn=arn, Attributes=attributes)


@LoadBalancerErrors.deletion_error_handler("delete the load balancer")
def delete(client: Any, arn: str) -> None:
    client.delete_load_balancer(LoadBalancerArn=arn)


@LoadBalancerErrors.common_error_handler("see the load balancer become active")
def wait_active(client: Any, arn: str, timeout: int) -> None:
    _wait(client, "active", arn, timeout)


@LoadBalancerErrors.common_error_handler("see the load balancer disappear")
def wait_deleted(client: Any, arn: str, timeout: int) -> None:
    _wait(client, "deleted", arn, timeout)


def _wait(client: Any, name: str, arn: str, timeout: int) -> None:
    config = custom_waiter_config(timeout, default_pause=POLL_SECONDS)
    WaiterFactory().get_waiter(client, name).wait(LoadBalancerArns=[arn], WaiterConfig=config)


@ListenerErrors.common_error_handler("create the listener")
def create_listener(client: Any, load_balancer_arn: str, fields: Fields) -> str:
    answer = client.create_listener(
        LoadBalancerArn=load_balancer_arn, **listener_request(fields), **tags_argument(fields["tags"])
    )
    return str(answer["Listeners"][0]["ListenerArn"])


@ListenerErrors.common_error_handler("change the listener")
def update_listener(client: Any, arn: str, fields: Fields) -> None:
    client.modify_listener(ListenerArn=arn, **listener_request(fields))


def listener_request(fields: Fields) -> Fields:
    request = {
        "Port": fields["port"],
        "Protocol": fields["protocol"],
        "DefaultActions": actions_to_api(fields["default_actions"]),
    }
    if fields["protocol"] != "HTTPS":
        return request
    certificates = [{"CertificateArn": fields["certificate_arn"]}]
    return {**request, "Certificates": certificates, "SslPolicy": fields["ssl_policy"]}


@ListenerErrors.deletion_error_handler("delete the listener")
def delete_listener(client: Any, arn: str) -> None:
    client.delete_listener(ListenerArn=arn)


@RuleErrors.common_error_handler("create the listener rule")
def create_rule(client: Any, listener_arn: str, fields: Fields) -> None:
    client.create_rule(
        ListenerArn=listener_arn,
        Priority=fields["priority"],
        Conditions=conditions_to_api(fields["conditions"]),
        Actions=actions_to_api(fields["actions"]),
        **tags_argument(fields["tags"]),
    )


@RuleErrors.common_error_handler("change the listener rule")
def update_rule(client: Any, arn: str, fields: Fields) -> None:
    if "priority" in fields:
        client.set_rule_priorities(RulePriorities=[{"RuleArn": arn, "Priority": fields["priority"]}])
    request: Fields = {}
    if "conditions" in fields:
        request["Conditions"] = conditions_to_api(fields["conditions"])
    if "actions" in fields:
        request["Actions"] = actions_to_api(fields["actions"])
    if "transforms" in fields:
        request["ResetTransforms"] = True
    if request:
        client.modify_rule(RuleArn=arn, **request)


@RuleErrors.deletion_error_handler("delete the listener rule")
def delete_rule(client: Any, arn: str) -> None:
    client.delete_rule(RuleArn=arn)
