# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ACM: certificates stay pending until their CNAME is published, as AWS names it, and know who uses them."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, json_response, now_iso
from ministack.services import acm, alb, cognito

from local_aws import provisioning
from local_aws.hooks import Function, Params, Response, patch
from local_aws.route53 import find_records

Record = dict[str, Any]

TOKEN_LIFETIME_SECONDS = 3600
ISSUED_ONLY = ("IssuedAt", "NotBefore", "NotAfter")
DEFAULT_OPTIONS = {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED"}


def install() -> None:
    """Put DNS validation, idempotency tokens and usage into ministack's ACM."""
    patch(acm, "_request_certificate", _request)
    patch(acm, "_cert_shape", _shape)
    patch(acm, "_list_certificates", _list)
    patch(acm, "_delete_certificate", _delete)


def find_issued(arn: str) -> Record | None:
    """The certificate of any account and region if it is issued by now."""
    certificate = find(arn)
    return certificate if certificate and _refresh(certificate)["Status"] == "ISSUED" else None


def find(arn: str) -> Record | None:
    """The certificate of any account and region."""
    return next((one for one in acm._certificates.all_values() if one["CertificateArn"] == arn), None)


def names(certificate: Record) -> list[str]:
    """The names the certificate was requested for."""
    return list(dict.fromkeys([certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])]))


def covers(certificate: Record, host: str) -> bool:
    """Whether the certificate is valid for the host: a wildcard stands for one label."""
    wildcard = "*." + host.partition(".")[2]
    return any(name.lower() in (host, wildcard) for name in names(certificate))


def _request(original: Function) -> Function:
    def request(params: Params) -> Response:
        earlier = _find_by_token(params)
        if earlier:
            return json_response({"CertificateArn": earlier})
        response: Response = original(params)
        if response[0] == 200:
            _make_pending(acm._certificates[json.loads(response[2])["CertificateArn"]], params)
        return response

    return request


def _find_by_token(params: Params) -> str | None:
    token = params.get("IdempotencyToken")
    oldest = time.time() - TOKEN_LIFETIME_SECONDS
    for arn, certificate in acm._certificates.items():
        if token and certificate.get("_token") == _token(params) and certificate["_requested"] > oldest:
            return str(arn)
    return None


def _token(params: Params) -> list[Any]:
    return [params.get(key) for key in ("IdempotencyToken", "DomainName", "SubjectAlternativeNames")]


def _make_pending(certificate: Record, params: Params) -> None:
    certificate.update(
        Status="PENDING_VALIDATION",
        Options={**DEFAULT_OPTIONS, **params.get("Options", {})},
        SubjectAlternativeNames=names(certificate),
        _token=_token(params),
        _requested=time.time(),
        _key_algorithm=params.get("KeyAlgorithm", "RSA_2048"),
    )
    for option in certificate["DomainValidationOptions"]:
        option.update(ValidationDomain=option["DomainName"], ValidationStatus="PENDING_VALIDATION")
        if option["ValidationMethod"] == "DNS":
            option["ResourceRecord"] = _validation_record(option["DomainName"])
        else:
            option.pop("ResourceRecord", None)


def _validation_record(domain: str) -> dict[str, str]:
    base = domain.removeprefix("*.").lower()
    # AWS gives one account the same record for a name in every region and for its wildcard.
    digest = hashlib.sha256(f"{get_account_id()} {base}".encode()).hexdigest()
    value = f"_{digest[32:]}.{digest[:10]}.acm-validations.aws."
    return {"Name": f"_{digest[:32]}.{base}.", "Type": "CNAME", "Value": value}


def _refresh(certificate: Record) -> Record:
    if certificate["Status"] != "PENDING_VALIDATION":
        return certificate
    options = certificate["DomainValidationOptions"]
    for option in options:
        if "ResourceRecord" in option and _is_published(option["ResourceRecord"]):
            option["ValidationStatus"] = "SUCCESS"
    if all(option["ValidationStatus"] == "SUCCESS" for option in options) and _has_settled(certificate):
        certificate.update(Status="ISSUED", IssuedAt=now_iso())
    return certificate


def _has_settled(certificate: Record) -> bool:
    return provisioning.is_over("acm.validation", certificate.setdefault("_validated", time.time()))


def _is_published(record: dict[str, str]) -> bool:
    published = find_records(record["Name"], record["Type"])
    return record["Value"].rstrip(".") in [value.rstrip(".") for value in published]


def _shape(original: Function) -> Function:
    def shape(certificate: Record) -> Record:
        view: Record = original(_refresh(certificate))
        view["InUseBy"] += _users(certificate["CertificateArn"])
        view["RenewalEligibility"] = "ELIGIBLE" if view["InUseBy"] else "INELIGIBLE"
        view["KeyAlgorithm"] = certificate.get("_key_algorithm", "RSA_2048").replace("_", "-", 1)
        if certificate["Status"] == "PENDING_VALIDATION":
            for key in ISSUED_ONLY:
                view.pop(key)
            view["DomainValidationOptions"] = _known_options(certificate)
        return view

    return shape


def _known_options(certificate: Record) -> list[Record]:
    """The record that proves a name is told a few seconds after the request."""
    options: list[Record] = certificate["DomainValidationOptions"]
    if provisioning.is_over("acm.record", certificate["_requested"]):
        return options
    return [{key: value for key, value in option.items() if key != "ResourceRecord"} for option in options]


def _list(original: Function) -> Function:
    def list_certificates(params: Params) -> Response:
        for certificate in acm._certificates.values():
            _refresh(certificate)
        body = json.loads(original(params)[2])
        body["CertificateSummaryList"] = [_summary(one) for one in body["CertificateSummaryList"]]
        return json_response(body)

    return list_certificates


def _summary(summary: Record) -> Record:
    view = acm._cert_shape(acm._certificates[summary["CertificateArn"]])
    extra = {key: view[key] for key in ("Type", "CreatedAt", "RenewalEligibility", *ISSUED_ONLY) if key in view}
    alternatives = view["SubjectAlternativeNames"]
    return {
        **summary,
        **extra,
        "InUse": bool(view["InUseBy"]),
        "SubjectAlternativeNameSummaries": alternatives,
        "HasAdditionalSubjectAlternativeNames": False,
    }


def _delete(original: Function) -> Function:
    def delete(params: Params) -> Response:
        arn = params.get("CertificateArn", "")
        if _users(arn):
            message = f"Certificate {arn} in account {get_account_id()} is in use."
            return error_response_json("ResourceInUseException", message, 400)
        response: Response = original(params)
        return response

    return delete


def _users(arn: str) -> list[str]:
    balancers = {
        listener["LoadBalancerArn"]
        for listener in alb._listeners.all_values()
        if arn in [*listener.get("Certificates", []), *listener.get("_extra_certificates", [])]
    }
    domains = [
        pool["CustomDomain"]
        for pool in cognito._user_pools.all_values()
        if (pool.get("_custom_domain_config") or {}).get("CertificateArn") == arn
    ]
    return sorted(balancers) + [_distribution_arn(domain) for domain in sorted(domains)]


def _distribution_arn(domain: str) -> str:
    digest = hashlib.sha256(domain.encode()).hexdigest().upper()
    return f"arn:aws:cloudfront::{get_account_id()}:distribution/E{digest[:13]}"
