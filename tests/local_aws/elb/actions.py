# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Actions of listeners and rules: authenticate-cognito, forward configurations, and text that is not XML."""

from __future__ import annotations

import html

from ministack.services import alb

from local_aws.elb.api import Record, element, elements, insert_last, members, prefixes, text, texts
from local_aws.elb.defaults import AUTHENTICATE_COGNITO
from local_aws.hooks import Function, Params, patch

REQUIRED_COGNITO = ("UserPoolArn", "UserPoolClientId", "UserPoolDomain")
REQUIRED_JWT = ("JwksEndpoint", "Issuer")
EXTRA = "AuthenticationRequestExtraParams"


def install() -> None:
    """Teach ministack the actions that it drops."""
    patch(alb, "_parse_actions", _parse)
    patch(alb, "_action_xml", _view)
    patch(alb, "_condition_xml", _condition_view)


def target_groups(action: Record) -> list[str]:
    """The target groups that an action forwards to."""
    return [group["TargetGroupArn"] for group in action.get("ForwardConfig", {}).get("TargetGroups", [])]


def _parse(original: Function) -> Function:
    def parse(params: Params, prefix: str = "DefaultActions") -> list[Record]:
        actions: list[Record] = original(params, prefix)
        for number, action in enumerate(actions, 1):
            _complete(action, params, f"{prefix}.member.{number}.")
        return actions

    return parse


def _complete(action: Record, params: Params, prefix: str) -> None:
    action["_ordered"] = bool(text(params, prefix + "Order"))
    if action["Type"] == "authenticate-cognito":
        action["AuthenticateCognitoConfig"] = _parse_cognito(params, prefix + "AuthenticateCognitoConfig.")
    if action["Type"] == "jwt-validation":
        action["JwtValidationConfig"] = _parse_jwt(params, prefix + "JwtValidationConfig.")
    if action["Type"] == "forward":
        action["ForwardConfig"] = _parse_forward(action, params, prefix + "ForwardConfig.")
        groups = target_groups(action)
        if len(groups) == 1:
            action["TargetGroupArn"] = groups[0]


def _parse_cognito(params: Params, prefix: str) -> Record:
    config: Record = {key: text(params, prefix + key) for key in REQUIRED_COGNITO}
    config |= {key: text(params, prefix + key, default) for key, default in AUTHENTICATE_COGNITO.items()}
    config[EXTRA] = _parse_map(params, f"{prefix}{EXTRA}.entry")
    return config


def _parse_jwt(params: Params, prefix: str) -> Record:
    claims = [
        {
            "Name": text(params, member + "Name"),
            "Format": text(params, member + "Format"),
            "Values": texts(params, member + "Values"),
        }
        for member in prefixes(params, prefix + "AdditionalClaims", "Name")
    ]
    return {**{key: text(params, prefix + key) for key in REQUIRED_JWT}, "AdditionalClaims": claims}


def _parse_map(params: Params, prefix: str) -> dict[str, str]:
    found, number = {}, 1
    while key := text(params, f"{prefix}.{number}.key"):
        found[key] = text(params, f"{prefix}.{number}.value")
        number += 1
    return found


def _parse_forward(action: Record, params: Params, prefix: str) -> Record:
    groups = [
        {"TargetGroupArn": text(params, member + "TargetGroupArn"), "Weight": int(text(params, member + "Weight", "1"))}
        for member in prefixes(params, prefix + "TargetGroups", "TargetGroupArn")
    ]
    if not groups and action.get("TargetGroupArn"):
        groups = [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
    stickiness = prefix + "TargetGroupStickinessConfig."
    return {
        "TargetGroups": groups,
        "Stickiness": text(params, stickiness + "Enabled", "false"),
        "StickinessSeconds": text(params, stickiness + "DurationSeconds"),
    }


def _view(original: Function) -> Function:
    def view(action: Record) -> str:
        xml = original(_escaped(action))
        if not action.get("_ordered"):
            # AWS returns the order of an action only if the caller gave it one.
            xml = xml.replace(f"<Order>{action.get('Order', 1)}</Order>", "", 1)
        if "AuthenticateCognitoConfig" in action:
            xml = insert_last(xml, _cognito_view(action["AuthenticateCognitoConfig"]))
        if "JwtValidationConfig" in action:
            xml = insert_last(xml, _jwt_view(action["JwtValidationConfig"]))
        if "ForwardConfig" in action:
            xml = insert_last(xml, _forward_view(action["ForwardConfig"]))
        return xml

    return view


def _escaped(action: Record) -> Record:
    fixed = action.get("FixedResponseConfig")
    if not fixed:
        return action
    return {**action, "FixedResponseConfig": {key: alb._esc(str(value)) for key, value in fixed.items()}}


def _cognito_view(config: Record) -> str:
    plain = {key: value for key, value in config.items() if key != EXTRA}
    entries = "".join(
        f"<entry>{elements({'key': key, 'value': value})}</entry>" for key, value in config[EXTRA].items()
    )
    extra = f"<{EXTRA}>{entries}</{EXTRA}>" if entries else ""
    return f"<AuthenticateCognitoConfig>{elements(plain)}{extra}</AuthenticateCognitoConfig>"


def _jwt_view(config: Record) -> str:
    claims = [
        elements({key: claim[key] for key in ("Format", "Name")})
        + members("Values", [html.escape(value) for value in claim["Values"]])
        for claim in config["AdditionalClaims"]
    ]
    plain = elements({key: config[key] for key in REQUIRED_JWT})
    return f"<JwtValidationConfig>{plain}{members('AdditionalClaims', claims)}</JwtValidationConfig>"


def _forward_view(config: Record) -> str:
    stickiness = element("Enabled", config["Stickiness"])
    if config["StickinessSeconds"]:
        stickiness += element("DurationSeconds", config["StickinessSeconds"])
    groups = members("TargetGroups", [elements(group) for group in config["TargetGroups"]])
    return (
        f"<ForwardConfig>{groups}"
        f"<TargetGroupStickinessConfig>{stickiness}</TargetGroupStickinessConfig></ForwardConfig>"
    )


def _condition_view(original: Function) -> Function:
    def view(condition: Record) -> str:
        return str(original({**condition, "Values": [alb._esc(value) for value in condition.get("Values", [])]}))

    return view
