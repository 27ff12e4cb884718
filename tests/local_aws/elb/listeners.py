# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listeners: certificates, TLS policies and the configurations that AWS refuses."""

from __future__ import annotations

from ministack.services import acm, alb, cognito

from local_aws.acm import find_issued
from local_aws.elb.actions import target_groups
from local_aws.elb.api import Record, answer, elements, error, insert_last, members, not_found, text, texts
from local_aws.elb.defaults import SSL_POLICIES
from local_aws.elb.target_groups import load_balancers
from local_aws.hooks import Function, Handler, Params, Response, guard, patch, patch_action

EXTRA = "_extra_certificates"
SECURE = ("HTTPS", "TLS")


def install() -> None:
    """Complete the calls about listeners."""
    calls = alb._ACTION_MAP
    patch(alb, "_listener_xml", _view)
    guard(calls, "CreateListener", _refuse_create)
    guard(calls, "ModifyListener", _refuse_modify)
    guard(calls, "DescribeListeners", _refuse_describe)
    for action in ("AddListenerCertificates", "RemoveListenerCertificates", "DescribeListenerCertificates"):
        patch_action(calls, action, _certificates(action), new=True)
    patch_action(calls, "DescribeSSLPolicies", _describe_policies, new=True)


def refuse_actions(params: Params, prefix: str, protocol: str, balancer: str) -> Response | None:
    """What AWS says of actions that cannot work on a listener of the protocol."""
    actions = alb._parse_actions(params, prefix)
    if actions and _is_gate(actions[-1]):
        message = "The last action must be one of forward, redirect or fixed-response"
        return error("InvalidLoadBalancerAction", message)
    for action in actions:
        problem = _refuse_authentication(action, protocol) or _refuse_target_groups(action, balancer)
        if problem:
            return problem
    return None


def _is_gate(action: Record) -> bool:
    return str(action["Type"]).startswith("authenticate") or action["Type"] == "jwt-validation"


def _refuse_authentication(action: Record, protocol: str) -> Response | None:
    if _is_gate(action) and protocol != "HTTPS":
        message = f"Actions of type '{action['Type']}' are supported only on HTTPS listeners"
        return error("InvalidLoadBalancerAction", message)
    config = action.get("AuthenticateCognitoConfig")
    return _refuse_client(config) if config else None


def _refuse_client(config: Record) -> Response | None:
    pool = cognito._user_pools.get(config["UserPoolArn"].rsplit("/", 1)[-1])
    client = pool["_clients"].get(config["UserPoolClientId"]) if pool else None
    if not pool or not client:
        return error("InvalidLoadBalancerAction", "The user pool or its client does not exist")
    if not client.get("ClientSecret"):
        return error("InvalidLoadBalancerAction", "The user pool client must have a client secret")
    if not client.get("AllowedOAuthFlowsUserPoolClient") or "code" not in client.get("AllowedOAuthFlows", []):
        return error("InvalidLoadBalancerAction", "The user pool client must support the code grant flow")
    return None


def _refuse_target_groups(action: Record, balancer: str) -> Response | None:
    for group in target_groups(action):
        if group not in alb._tgs:
            return error("TargetGroupNotFound", f"Target groups '{group}' not found")
        if set(load_balancers(group)) - {balancer}:
            message = f"The following target groups cannot be associated with more than one load balancer: {group}"
            return error("TargetGroupAssociationLimit", message)
    return None


def _refuse_create(params: Params) -> Response | None:
    balancer, port, protocol = (text(params, key) for key in ("LoadBalancerArn", "Port", "Protocol"))
    if balancer not in alb._lbs:
        return not_found("LoadBalancer")
    if any(one["LoadBalancerArn"] == balancer and str(one["Port"]) == port for one in alb._listeners.values()):
        message = "A listener already exists on this port for this load balancer"
        return error("DuplicateListener", f"{message} '{balancer}'")
    if protocol in SECURE and not alb._parse_certificate_arns(params):
        return error("ValidationError", f"A certificate must be specified for {protocol} listeners")
    return _refuse_tls(params) or refuse_actions(params, "DefaultActions", protocol, balancer)


def _refuse_modify(params: Params) -> Response | None:
    listener = alb._listeners.get(text(params, "ListenerArn"))
    if not listener:
        return not_found("Listener")
    protocol = text(params, "Protocol", listener["Protocol"])
    if protocol in SECURE and not (alb._parse_certificate_arns(params) or listener.get("Certificates")):
        return error("ValidationError", f"A certificate must be specified for {protocol} listeners")
    return _refuse_tls(params) or refuse_actions(params, "DefaultActions", protocol, listener["LoadBalancerArn"])


def _refuse_tls(params: Params) -> Response | None:
    for arn in alb._parse_certificate_arns(params):
        if not acm._get_local_certificate(arn):
            return error("CertificateNotFound", f"Certificate '{arn}' not found")
        if not find_issued(arn):
            needs = "a fully-qualified domain name, a supported signature, and a supported key size"
            return error("UnsupportedCertificate", f"The certificate '{arn}' must have {needs}.")
    policy = text(params, "SslPolicy")
    if policy and policy not in SSL_POLICIES:
        return error("SSLPolicyNotFound", f"SSL policy '{policy}' not found")
    return None


def _refuse_describe(params: Params) -> Response | None:
    balancer = text(params, "LoadBalancerArn")
    if balancer and balancer not in alb._lbs:
        return not_found("LoadBalancer")
    missing = [arn for arn in texts(params, "ListenerArns") if arn not in alb._listeners]
    return not_found("Listener") if missing else None


def _view(original: Function) -> Function:
    def view(listener: Record) -> str:
        xml = str(original(listener))
        if listener.get("Protocol") not in SECURE:
            return xml
        return insert_last(xml, "<MutualAuthentication><Mode>off</Mode></MutualAuthentication>")

    return view


def _certificates(action: str) -> Function:
    def wrap(_original: Handler) -> Handler:
        def handle(params: Params) -> Response:
            listener = alb._listeners.get(text(params, "ListenerArn"))
            if not listener:
                return not_found("Listener")
            return _refuse_tls(params) or _change_certificates(action, listener, params)

        return handle

    return wrap


def _change_certificates(action: str, listener: Record, params: Params) -> Response:
    named, extra = alb._parse_certificate_arns(params), listener.setdefault(EXTRA, [])
    if action.startswith("Remove"):
        listener[EXTRA] = [arn for arn in extra if arn not in named]
        response: Response = alb._empty(action)
        return response
    if action.startswith("Add"):
        extra += [arn for arn in named if arn not in extra]
    default = listener.get("Certificates", []) if action.startswith("Describe") else []
    rows = [(arn, "true") for arn in default] + [(arn, "false") for arn in extra]
    views = [elements({"CertificateArn": arn, "IsDefault": is_default}) for arn, is_default in rows]
    return answer(action, members("Certificates", views))


def _describe_policies(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        wanted = texts(params, "Names") or list(SSL_POLICIES)
        unknown = [name for name in wanted if name not in SSL_POLICIES]
        if unknown:
            return error("SSLPolicyNotFound", f"SSL policy '{unknown[0]}' not found")
        return answer("DescribeSSLPolicies", members("SslPolicies", [f"<Name>{name}</Name>" for name in wanted]))

    return describe
