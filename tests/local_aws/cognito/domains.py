# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Domains of user pools: a custom one needs its parent's A record and a certificate of us-east-1, and takes time."""

from __future__ import annotations

import time

from ministack.services import cognito

from local_aws import acm, provisioning
from local_aws.cognito.api import Record, answer, check, content, error, find_pool, invalid
from local_aws.hooks import Function, Params, Response, patch
from local_aws.route53 import find_alias_target, find_records

CERTIFICATE_REGION = "us-east-1"
LONGEST_NAME = 63
UNRESOLVED_PARENT = (
    "Custom domain is not a valid subdomain: Was not able to resolve a DNS A record for the parent domain "
    "or domain parent is a top-level domain."
)
# Where Cognito says it keeps the pages; no caller can use these.
PLACE = {"S3Bucket": "aws-cognito-prod-nrt-assets", "Version": "20190128172402"}


def install() -> None:
    """Complete the calls about domains."""
    patch(cognito, "_create_user_pool_domain", _note_time)
    patch(cognito, "_update_user_pool_domain", _note_time)
    patch(cognito, "_describe_user_pool_domain", _describe)
    patch(cognito, "_delete_user_pool_domain", _leaving_slowly)
    check("_create_user_pool_domain", _refuse_create)
    check("_update_user_pool_domain", _refuse_certificate)
    check("_delete_user_pool_domain", _refuse_delete)


def is_active(pool: Record, domain: str) -> bool:
    """Whether the domain serves its pages by now."""
    return provisioning.is_over("cognito.custom_domain", pool.get("_domain_changed", {}).get(domain, 0.0))


def _note_time(original: Function) -> Function:
    def change(params: Params) -> Response:
        response: Response = original(params)
        if response[0] == 200 and params.get("CustomDomainConfig"):
            find_pool(params).setdefault("_domain_changed", {})[params["Domain"]] = time.time()
        return response

    return change


def _describe(original: Function) -> Function:
    def describe(params: Params) -> Response:
        body = content(original(params))
        description = body["DomainDescription"]
        if description:
            description |= PLACE
            pool = find_pool(description)
            description["Status"] = "ACTIVE" if is_active(pool, description["Domain"]) else "CREATING"
        else:
            body["DomainDescription"] = _find_leaving(params["Domain"])
        return answer(body)

    return describe


def _leaving_slowly(original: Function) -> Function:
    def delete(params: Params) -> Response:
        pool = find_pool(params)
        response: Response = original(params)
        if response[0] == 200:
            pool.setdefault("_domain_deleted", {})[params["Domain"]] = time.time()
        return response

    return delete


def _find_leaving(domain: str) -> Record:
    """The description of a domain that is deleted but not yet gone; empty for any other."""
    for pool in cognito._user_pools.all_values():
        deleted = pool.get("_domain_deleted", {}).get(domain)
        if deleted and not provisioning.is_over("cognito.domain_deletion", deleted):
            return {"Domain": domain, "UserPoolId": pool["Id"], "Status": "DELETING"}
    return {}


def _refuse_create(params: Params) -> Response | None:
    domain, pool = params.get("Domain", ""), find_pool(params)
    if len(domain) > LONGEST_NAME or domain != domain.lower() or domain.startswith("-") or domain.endswith("-"):
        return invalid(f"Invalid domain name {domain}")
    if not params.get("CustomDomainConfig"):
        return None
    if pool.get("CustomDomain"):
        return invalid("User pool already has a custom domain configured.")
    if any(other.get("CustomDomain") == domain for other in cognito._user_pools.all_values()):
        return invalid("Domain already associated with another user pool.")
    return _refuse_certificate(params) or _refuse_parent(domain)


def _refuse_certificate(params: Params) -> Response | None:
    arn = (params.get("CustomDomainConfig") or {}).get("CertificateArn")
    if not arn:
        return None
    certificate = acm.find_issued(arn)
    if f":{CERTIFICATE_REGION}:" not in arn or not certificate:
        return invalid(f"Invalid request provided: certificate {arn} must be issued and in {CERTIFICATE_REGION}.")
    if not acm.covers(certificate, params["Domain"]):
        return invalid(f"Certificate {arn} is not valid for {params['Domain']}.")
    return None


def _refuse_parent(domain: str) -> Response | None:
    parent = domain.partition(".")[2]
    resolves = find_records(parent, "A") or find_alias_target(parent)
    return None if "." in parent and resolves else invalid(UNRESOLVED_PARENT)


def _refuse_delete(params: Params) -> Response | None:
    pool, domain = find_pool(params), params.get("Domain")
    if not pool:
        return error("ResourceNotFoundException", f"User pool {params.get('UserPoolId')} does not exist.")
    if domain not in (pool.get("Domain"), pool.get("CustomDomain")):
        return invalid("No such domain or user pool exists.")
    return None
