# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: where they are, what their attributes default to, and what AWS refuses."""

from __future__ import annotations

import re
import time

from ministack.core.responses import get_region
from ministack.services import alb, ec2

from local_aws import provisioning
from local_aws.elb import access_logs
from local_aws.elb.api import Record, answer, element, elements, error, members, not_found, pairs, prefixes, text, texts
from local_aws.elb.defaults import HOSTED_ZONES, LOAD_BALANCER_ATTRIBUTES
from local_aws.hooks import Function, Handler, Params, Response, guard, patch, patch_action

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
ARN = re.compile(rb"<LoadBalancerArn>([^<]+)")
FEWEST_ZONES = 2


def install() -> None:
    """Complete the calls about load balancers."""
    calls = alb._ACTION_MAP
    patch(alb, "_lb_xml", _view)
    patch(alb, "_attrs_xml", _attributes_view)
    patch_action(calls, "CreateLoadBalancer", _create)
    guard(calls, "CreateLoadBalancer", _refuse_create)
    guard(calls, "DescribeLoadBalancers", _refuse_describe)
    guard(calls, "ModifyLoadBalancerAttributes", _refuse_attributes)
    patch_action(calls, "DeleteLoadBalancer", _delete)
    guard(calls, "DeleteLoadBalancer", _refuse_delete)
    guard(calls, "SetSecurityGroups", _refuse_security_groups)
    patch_action(calls, "SetSubnets", _set_subnets)


def attribute(arn: str, key: str) -> str:
    """The value of an attribute."""
    return str(alb._lb_attr(arn, key, LOAD_BALANCER_ATTRIBUTES[key]))


def _view(original: Function) -> Function:
    def view(balancer: Record) -> str:
        xml = original({**balancer, "State": _state(balancer)})
        zone = HOSTED_ZONES.get(get_region(), HOSTED_ZONES["us-east-1"])
        zones = members("AvailabilityZones", [_zone_view(subnet) for subnet in balancer["Subnets"]])
        xml = re.sub("<CanonicalHostedZoneId>[^<]+", f"<CanonicalHostedZoneId>{zone}", xml)
        return re.sub("<AvailabilityZones>.*</AvailabilityZones>", zones, xml, flags=re.DOTALL)

    return view


def _state(balancer: Record) -> str:
    return "active" if provisioning.is_over("elb.load_balancer", balancer.get("_created", 0)) else "provisioning"


def _zone_view(subnet: str) -> str:
    zone = ec2._subnets[subnet]["AvailabilityZone"] if subnet in ec2._subnets else f"{get_region()}a"
    return elements({"ZoneName": zone, "SubnetId": subnet}) + "<LoadBalancerAddresses/>"


def _attributes_view(_original: Function) -> Function:
    def view(attributes: list[Record]) -> str:
        rows = [elements({"Key": one["Key"], "Value": one["Value"]}) for one in attributes]
        return "".join(f"<member>{row}</member>" for row in rows)

    return view


def _create(original: Handler) -> Handler:
    def create(params: Params) -> Response:
        existing = _find(text(params, "Name"))
        if existing and _has_settings(existing, params):
            return answer("CreateLoadBalancer", f"<LoadBalancers>{alb._lb_xml(existing)}</LoadBalancers>")
        response = original(params)
        found = ARN.search(response[2])
        if not found:
            return response
        balancer = alb._lbs[found[1].decode()]
        _complete(balancer, params)
        return answer("CreateLoadBalancer", f"<LoadBalancers>{alb._lb_xml(balancer)}</LoadBalancers>")

    return create


def _find(name: str) -> Record | None:
    return next((one for one in alb._lbs.values() if one["LoadBalancerName"] == name), None)


def _has_settings(balancer: Record, params: Params) -> bool:
    groups = texts(params, "SecurityGroups")
    return (
        sorted(balancer["Subnets"]) == sorted(_subnets(params))
        and balancer["Scheme"] == text(params, "Scheme", "internet-facing")
        and (not groups or sorted(balancer["SecurityGroups"]) == sorted(groups))
    )


def _subnets(params: Params) -> list[str]:
    mapped = [text(params, member + "SubnetId") for member in prefixes(params, "SubnetMappings", "SubnetId")]
    return texts(params, "Subnets") or mapped


def _complete(balancer: Record, params: Params) -> None:
    vpc = ec2._subnets[_subnets(params)[0]]["VpcId"]
    balancer.update(Subnets=_subnets(params), VpcId=vpc, _created=time.time())
    if not balancer["SecurityGroups"]:
        balancer["SecurityGroups"] = [ec2._vpcs[vpc]["DefaultSecurityGroupId"]]
    if balancer["Scheme"] == "internal":
        balancer["DNSName"] = "internal-" + balancer["DNSName"]
    defaults = [{"Key": key, "Value": value} for key, value in LOAD_BALANCER_ATTRIBUTES.items()]
    alb._lb_attrs[balancer["LoadBalancerArn"]] = defaults


def _refuse_create(params: Params) -> Response | None:
    name, subnets = text(params, "Name"), _subnets(params)
    if len(name) > 32:
        return error("ValidationError", f"The load balancer name '{name}' cannot be longer than '32' characters")
    if not NAME.fullmatch(name) or name.startswith("internal-"):
        return error("ValidationError", f"The load balancer name '{name}' is not valid")
    problem = _refuse_subnets(subnets) or _refuse_security_groups(params)
    if problem:
        return problem
    vpc = ec2._subnets[subnets[0]]["VpcId"]
    if text(params, "Scheme", "internet-facing") == "internet-facing" and not _has_internet_gateway(vpc):
        return error("InvalidSubnet", f"VPC {vpc} has no internet gateway")
    return None


def _refuse_subnets(subnets: list[str]) -> Response | None:
    missing = [subnet for subnet in subnets if subnet not in ec2._subnets]
    if missing:
        return error("SubnetNotFound", f"The subnet ID '{missing[0]}' does not exist")
    zones = [ec2._subnets[subnet]["AvailabilityZone"] for subnet in subnets]
    if len(set(zones)) < FEWEST_ZONES:
        return error("ValidationError", "At least two subnets in two different Availability Zones must be specified")
    if len(set(zones)) < len(zones):
        message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        return error("InvalidConfigurationRequest", message)
    return None


def _refuse_security_groups(params: Params) -> Response | None:
    for group in texts(params, "SecurityGroups"):
        if group not in ec2._security_groups:
            return error("InvalidSecurityGroup", f"The security group '{group}' does not exist")
    return None


def _has_internet_gateway(vpc: str) -> bool:
    gateways = ec2._internet_gateways.values()
    return any(one.get("VpcId") == vpc for gateway in gateways for one in gateway.get("Attachments", []))


def _refuse_describe(params: Params) -> Response | None:
    names = {balancer["LoadBalancerName"] for balancer in alb._lbs.values()}
    unknown_names = set(texts(params, "Names")) - names
    unknown_arns = [arn for arn in texts(params, "LoadBalancerArns") if arn not in alb._lbs]
    return not_found("LoadBalancer") if unknown_arns or unknown_names else None


def _refuse_attributes(params: Params) -> Response | None:
    arn, wanted = text(params, "LoadBalancerArn"), pairs(params, "Attributes")
    unknown = wanted.keys() - LOAD_BALANCER_ATTRIBUTES.keys()
    if unknown:
        return error("ValidationError", f"Load balancer attribute key '{min(unknown)}' is not recognized")
    if arn not in alb._lbs or wanted.get("access_logs.s3.enabled") != "true":
        return None
    bucket, prefix = (
        wanted.get(key, attribute(arn, key)) for key in ("access_logs.s3.bucket", "access_logs.s3.prefix")
    )
    problem = access_logs.find_problem(bucket, prefix)
    return error("InvalidConfigurationRequest", problem) if problem else None


def _refuse_delete(params: Params) -> Response | None:
    arn = text(params, "LoadBalancerArn")
    if arn in alb._lbs and attribute(arn, "deletion_protection.enabled") == "true":
        message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        return error("OperationNotPermitted", message)
    return None


def _delete(original: Handler) -> Handler:
    def delete(params: Params) -> Response:
        arn = text(params, "LoadBalancerArn")
        for listener in [key for key, one in alb._listeners.items() if one["LoadBalancerArn"] == arn]:
            for rule in [key for key, one in alb._rules.items() if one["ListenerArn"] == listener]:
                alb._tags.pop(rule, None)
            alb._delete_listener({"ListenerArn": listener})
        return original(params)

    return delete


def _set_subnets(original: Handler) -> Handler:
    def set_subnets(params: Params) -> Response:
        problem = _refuse_subnets(_subnets(params))
        response = problem or original(params)
        balancer = alb._lbs.get(text(params, "LoadBalancerArn"))
        if problem or not balancer:
            return response
        zones = members("AvailabilityZones", [_zone_view(subnet) for subnet in balancer["Subnets"]])
        return answer("SetSubnets", zones + element("IpAddressType", balancer["IpAddressType"]))

    return set_subnets
