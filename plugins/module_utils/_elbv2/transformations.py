# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Actions, conditions and attributes: between the options of a task and the requests of the API.

This module util is private to the collection. It can have breaking changes at any time.

Each kind has one normal form, in which equal things are equal however they were written or answered. What the API
answers beyond that form is kept under a key of its own, so that it counts as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2.common import from_text

Fields = dict[str, Any]

COGNITO = {
    "user_pool_arn": "UserPoolArn",
    "user_pool_client_id": "UserPoolClientId",
    "user_pool_domain": "UserPoolDomain",
    "scope": "Scope",
    "session_timeout": "SessionTimeout",
    "session_cookie_name": "SessionCookieName",
    "on_unauthenticated_request": "OnUnauthenticatedRequest",
    "extra_params": "AuthenticationRequestExtraParams",
}
JWT = {
    "jwks_endpoint": "JwksEndpoint",
    "issuer": "Issuer",
    "additional_claims": "AdditionalClaims",
}
CLAIM = {"name": "Name", "format": "Format", "values": "Values"}
REDIRECT = {
    "protocol": "Protocol",
    "port": "Port",
    "host": "Host",
    "path": "Path",
    "query": "Query",
    "status_code": "StatusCode",
}
FIXED_RESPONSE = {"status_code": "StatusCode", "content_type": "ContentType", "message_body": "MessageBody"}
# Type in a task: type in the API, member that configures it, names of its fields.
ACTIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "authenticate_cognito": ("authenticate-cognito", "AuthenticateCognitoConfig", COGNITO),
    "jwt_validation": ("jwt-validation", "JwtValidationConfig", JWT),
    "redirect": ("redirect", "RedirectConfig", REDIRECT),
    "fixed_response": ("fixed-response", "FixedResponseConfig", FIXED_RESPONSE),
}
# AWS fills these in and answers with them.
ACTION_DEFAULTS: dict[str, Fields] = {
    "authenticate_cognito": {
        "scope": "openid",
        "session_timeout": 604800,
        "session_cookie_name": "AWSELBAuthSessionCookie",
        "on_unauthenticated_request": "authenticate",
        "extra_params": {},
    },
    "jwt_validation": {"additional_claims": []},
    "redirect": {
        "protocol": "#{protocol}",
        "port": "#{port}",
        "host": "#{host}",
        "path": "/#{path}",
        "query": "#{query}",
        "status_code": "HTTP_301",
    },
    "fixed_response": {"status_code": "404", "content_type": "text/plain", "message_body": ""},
}
CONDITIONS = {
    "path_patterns": ("path-pattern", "PathPatternConfig"),
    "host_headers": ("host-header", "HostHeaderConfig"),
    "http_methods": ("http-request-method", "HttpRequestMethodConfig"),
    "source_ips": ("source-ip", "SourceIpConfig"),
}
# Options of a forward that name a group with which something else shares the traffic.
FURTHER_GROUPS = ("alternate_target_group_arn", "retiring_target_group")
# Option: attribute, AWS's default.
ATTRIBUTES: dict[str, tuple[str, Any]] = {
    "idle_timeout": ("idle_timeout.timeout_seconds", 60),
    "client_keep_alive": ("client_keep_alive.seconds", 3600),
    "deletion_protection": ("deletion_protection.enabled", False),
    "drop_invalid_header_fields": ("routing.http.drop_invalid_header_fields.enabled", False),
    "http2": ("routing.http2.enabled", True),
    "preserve_host_header": ("routing.http.preserve_host_header.enabled", False),
    "desync_mitigation_mode": ("routing.http.desync_mitigation_mode", "defensive"),
    "xff_header_processing_mode": ("routing.http.xff_header_processing.mode", "append"),
    "xff_client_port": ("routing.http.xff_client_port.enabled", False),
    "tls_headers": ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", False),
    "waf_fail_open": ("waf.fail_open.enabled", False),
    "zonal_shift": ("zonal_shift.config.enabled", False),
}
LOGS = {"access_logs": "access_logs.s3", "connection_logs": "connection_logs.s3"}


def normal_action(given: Mapping[str, Any]) -> Fields:
    """Returns an action of a task with the defaults of its type and without options of other types."""
    kind = given["type"]
    if kind == "forward":
        return normal_forward(given)
    names = ACTIONS[kind][2]
    chosen = {name: given[name] for name in names if given.get(name) is not None}
    if "additional_claims" in chosen:
        chosen["additional_claims"] = normal_claims(chosen["additional_claims"])
    return {"type": kind, **ACTION_DEFAULTS[kind], **chosen}


def normal_forward(given: Mapping[str, Any]) -> Fields:
    """Returns a forward with those of its further groups that are given; see ``listeners.as_left``."""
    further = {name: given[name] for name in FURTHER_GROUPS if given.get(name)}
    return {"type": "forward", "target_group_arn": given["target_group_arn"], **further}


def normal_claims(claims: Iterable[Mapping[str, Any]]) -> list[Fields]:
    """Returns the claims of a token that are asked for; their order means nothing to AWS."""
    normal = [{**{name: claim[name] for name in CLAIM}, "values": sorted(claim["values"])} for claim in claims]
    return sorted(normal, key=lambda claim: (claim["name"], claim["format"], claim["values"]))


def claims_from_api(claims: Iterable[Mapping[str, Any]]) -> list[Fields]:
    named = [{name: claim[key] for name, key in CLAIM.items()} for claim in claims]
    return normal_claims({**claim, "format": claim["format"].replace("-", "_")} for claim in named)


def claims_to_api(claims: Iterable[Fields]) -> list[Fields]:
    named = [{**claim, "format": claim["format"].replace("_", "-")} for claim in claims]
    return [{key: claim[name] for name, key in CLAIM.items()} for claim in named]


def actions_from_api(actions: Iterable[Mapping[str, Any]]) -> list[Fields]:
    return [_action_from_api(action) for action in sorted(actions, key=lambda action: action.get("Order", 0))]


def _action_from_api(action: Mapping[str, Any]) -> Fields:
    if action["Type"] == "forward":
        return _forward_from_api(action)
    for kind, (api_type, member, names) in ACTIONS.items():
        if action["Type"] == api_type:
            held = {name: action[member][key] for name, key in names.items() if action[member].get(key) is not None}
            if "additional_claims" in held:
                held["additional_claims"] = claims_from_api(held["additional_claims"])
            return {"type": kind, **ACTION_DEFAULTS[kind], **held}
    return {"type": action["Type"], "other": {key: action[key] for key in action if key not in ("Type", "Order")}}


def _forward_from_api(action: Mapping[str, Any]) -> Fields:
    config = action.get("ForwardConfig", {})
    groups = config.get("TargetGroups") or [{"TargetGroupArn": action.get("TargetGroupArn")}]
    sticky = config.get("TargetGroupStickinessConfig", {})
    if len(groups) == 1 and not sticky.get("Enabled", False):
        return {"type": "forward", "target_group_arn": groups[0]["TargetGroupArn"]}
    if sticky.get("Enabled", False):
        return {"type": "forward", "other": config}
    return {"type": "forward", "weights": {group["TargetGroupArn"]: group.get("Weight", 1) for group in groups}}


def actions_to_api(actions: Iterable[Fields]) -> list[Fields]:
    return [{**_action_to_api(action), "Order": order} for order, action in enumerate(actions, start=1)]


def _action_to_api(action: Fields) -> Fields:
    if action["type"] == "forward":
        return _forward_to_api(action)
    api_type, member, names = ACTIONS[action["type"]]
    config = {key: action[name] for name, key in names.items() if action.get(name) not in (None, {}, [])}
    if "AdditionalClaims" in config:
        config["AdditionalClaims"] = claims_to_api(config["AdditionalClaims"])
    return {"Type": api_type, member: config}


def _forward_to_api(action: Fields) -> Fields:
    if "weights" not in action:
        return {"Type": "forward", "TargetGroupArn": action["target_group_arn"]}
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in action["weights"].items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def normal_conditions(given: Mapping[str, Any]) -> Fields:
    """Returns the conditions of a rule in a task; the order of values means nothing to AWS."""
    conditions: Fields = {name: sorted(given[name]) for name in CONDITIONS if given.get(name)}
    if given.get("http_headers"):
        headers = [{"name": one["name"], "values": sorted(one["values"])} for one in given["http_headers"]]
        conditions["http_headers"] = sorted(headers, key=lambda one: one["name"])
    if given.get("query_strings"):
        pairs = [{"key": one.get("key") or "", "value": one["value"]} for one in given["query_strings"]]
        conditions["query_strings"] = sorted(pairs, key=lambda one: (one["key"], one["value"]))
    return conditions


def conditions_from_api(conditions: Iterable[Mapping[str, Any]]) -> Fields:
    known = {field: (name, member) for name, (field, member) in CONDITIONS.items()}
    found: Fields = {}
    for condition in conditions:
        field = condition["Field"]
        config = condition.get(known[field][1], {}) if field in known else {}
        values = config.get("Values") or condition.get("Values")
        if field in known and values and not config.get("RegexValues"):
            found.setdefault(known[field][0], []).extend(values)
        elif field == "http-header" and condition.get("HttpHeaderConfig", {}).get("Values"):
            header = condition["HttpHeaderConfig"]
            found.setdefault("http_headers", []).append({"name": header["HttpHeaderName"], "values": header["Values"]})
        elif field == "query-string" and "QueryStringConfig" in condition:
            pairs = condition["QueryStringConfig"]["Values"]
            found.setdefault("query_strings", []).extend(
                {"key": one.get("Key"), "value": one["Value"]} for one in pairs
            )
        else:
            found.setdefault("other", []).append(dict(condition))
    return {**normal_conditions(found), **{key: found[key] for key in ("other",) if key in found}}


def conditions_to_api(conditions: Fields) -> list[Fields]:
    plain = [
        {"Field": field, member: {"Values": conditions[name]}}
        for name, (field, member) in CONDITIONS.items()
        if name in conditions
    ]
    headers = [
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": one["name"], "Values": one["values"]}}
        for one in conditions.get("http_headers", [])
    ]
    pairs = [
        {"Value": one["value"], **({"Key": one["key"]} if one["key"] else {})}
        for one in conditions.get("query_strings", [])
    ]
    return [*plain, *headers, *([{"Field": "query-string", "QueryStringConfig": {"Values": pairs}}] if pairs else [])]


def attributes_from_api(attributes: Mapping[str, str]) -> Fields:
    """Returns the attributes as options; one that a region does not offer has its default."""
    found: Fields = {
        name: from_text(attributes[key]) if key in attributes else default
        for name, (key, default) in ATTRIBUTES.items()
    }
    for name, stem in LOGS.items():
        enabled = attributes.get(f"{stem}.enabled") == "true"
        held = {"bucket": attributes.get(f"{stem}.bucket", ""), "prefix": attributes.get(f"{stem}.prefix", "")}
        found[name] = held if enabled else {}
    return found


def attributes_to_api(fields: Mapping[str, Any]) -> Fields:
    """Returns the attributes for those of the options that are given."""
    wanted = {key: fields[name] for name, (key, _default) in ATTRIBUTES.items() if name in fields}
    for name, stem in LOGS.items():
        if name in fields:
            wanted[f"{stem}.enabled"] = bool(fields[name])
            wanted.update({f"{stem}.{part}": value for part, value in fields[name].items()})
    return wanted
