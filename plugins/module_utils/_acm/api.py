# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Requests to AWS Certificate Manager, and its answers as plain data.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

try:
    from botocore.exceptions import WaiterError
except ImportError:  # AnsibleAWSModule reports a missing botocore.

    class WaiterError(Exception):  # type: ignore[no-redef]
        """Stands in for botocore's waiter error."""


from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import missing_is
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import is_known
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import host_name, told_or_held

Fields = dict[str, Any]

USABLE = ("ISSUED", "PENDING_VALIDATION")
ANY_STATUS = (*USABLE, "INACTIVE", "EXPIRED", "VALIDATION_TIMED_OUT", "REVOKED", "FAILED")
POLL_SECONDS = 5
RECORD_TTL = 60
RECORD_SECONDS = 60

CertificateErrors = missing_is("ResourceNotFoundException")


class WaiterFactory(BaseWaiterFactory):
    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        def certificate(*acceptors: tuple[str, Any, str]) -> dict[str, Any]:
            return {
                "operation": "DescribeCertificate",
                "delay": POLL_SECONDS,
                "maxAttempts": 60,
                "acceptors": [
                    {"state": state, "matcher": "path", "expected": expected, "argument": argument}
                    for state, expected, argument in acceptors
                ],
            }

        without_record = "length(Certificate.DomainValidationOptions[?!ResourceRecord] || `[]`) == `0`"
        options = "length(Certificate.DomainValidationOptions || `[]`) > `0`"
        failed = [("failure", status, "Certificate.Status") for status in ANY_STATUS if status not in USABLE]
        return {
            "records_visible": certificate(("success", True, f"{options} && {without_record}")),
            "issued": certificate(("success", "ISSUED", "Certificate.Status"), *failed),
            "unused": certificate(("success", 0, "length(Certificate.InUseBy || `[]`)")),
        }


@dataclass(frozen=True)
class Wanted:
    """What makes an existing certificate the wanted one."""

    names: frozenset[str]
    domain_name: str
    key_algorithm: str
    owner: tuple[tuple[str, str], ...]
    statuses: tuple[str, ...]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Wanted:
        tags = params["tags"] or {}
        return cls(
            names=frozenset(map(host_name, [params["domain_name"], *params["subject_alternative_names"]])),
            domain_name=host_name(params["domain_name"]),
            key_algorithm=params["key_algorithm"],
            owner=tuple((key, tags[key]) for key in params["owner_tags"] if key in tags),
            statuses=USABLE if params["state"] == "present" else ANY_STATUS,
        )

    def is_met_by(self, certificate: Fields) -> bool:
        return (
            certificate["key_algorithm"] == self.key_algorithm
            and certificate["status"] in self.statuses
            and frozenset(map(host_name, certificate["subject_alternative_names"])) == self.names
            and all(certificate["tags"].get(key) == value for key, value in self.owner)
        )


def validated_names(names: Iterable[str]) -> list[str]:
    """Returns the names that need a record of their own: a wildcard shares the one of its parent."""
    return list(dict.fromkeys(name.removeprefix("*.") for name in names))


@CertificateErrors.common_error_handler("find the certificate")
def find(client: Any, wanted: Wanted, known_arn: str | None = None) -> Fields:
    """Returns the wanted certificate: the known one, else an issued one before a pending one, then the newest."""
    known = read(client, known_arn) if known_arn else {}
    if known and wanted.is_met_by(known):
        return known
    pages = client.get_paginator("list_certificates").paginate(
        CertificateStatuses=list(wanted.statuses), Includes={"keyTypes": [wanted.key_algorithm]}
    )
    summaries = [one for page in pages for one in page["CertificateSummaryList"]]
    named = [one for one in summaries if host_name(one["DomainName"]) == wanted.domain_name]
    named.sort(key=lambda one: str(one.get("CreatedAt", "")), reverse=True)
    found = [one for one in (read(client, one["CertificateArn"]) for one in named) if one and wanted.is_met_by(one)]
    return min(found, key=lambda one: one["status"] != "ISSUED", default={})


@CertificateErrors.list_error_handler("describe the certificate", {})
def read(client: Any, arn: str) -> Fields:
    found = client.describe_certificate(CertificateArn=arn)["Certificate"]
    if found["Status"] == "PENDING_VALIDATION" and found.get("Type") != "IMPORTED":
        found = wait_for_records(client, found)
    tags = client.list_tags_for_certificate(CertificateArn=arn)["Tags"]
    return {
        "arn": arn,
        "domain_name": found["DomainName"],
        "subject_alternative_names": found.get("SubjectAlternativeNames", [found["DomainName"]]),
        # DescribeCertificate spells RSA-2048 what RequestCertificate spells RSA_2048.
        "key_algorithm": found["KeyAlgorithm"].replace("-", "_", 1),
        "status": found["Status"],
        "validation_records": validation_records(found),
        "tags": boto3_tag_list_to_ansible_dict(tags),
    }


def validation_records(found: Fields) -> list[Fields]:
    """Returns the records that prove control, each once."""
    records: dict[str, Fields] = {}
    for option in found.get("DomainValidationOptions", []):
        if "ResourceRecord" not in option:
            continue
        record = option["ResourceRecord"]
        records.setdefault(
            record["Name"],
            {
                "name": host_name(record["Name"]),
                "type": record["Type"],
                "value": host_name(record["Value"]),
                "domain_name": option["DomainName"].removeprefix("*."),
                "published": None,
                "found": None,
            },
        )
    return list(records.values())


def wait_for_records(client: Any, found: Fields) -> Fields:
    """Waits the seconds that ACM takes to name the validation records of a new certificate."""
    waiter = WaiterFactory().get_waiter(client, "records_visible")
    config = custom_waiter_config(RECORD_SECONDS, default_pause=1)
    waiter.wait(CertificateArn=found["CertificateArn"], WaiterConfig=config)
    return dict(client.describe_certificate(CertificateArn=found["CertificateArn"])["Certificate"])


def mark_published(client: Any, certificate: Fields, zone_id: str | None, told: list[Fields]) -> None:
    """Notes for each validation record what the hosted zone holds under its name."""
    if not zone_id:
        return
    records = certificate["validation_records"]
    wanted = [published_record(record) for record in records]
    held = told_or_held(client, zone_id, wanted, told) if is_known(zone_id) else {}
    for record in records:
        record["found"] = held.get((record["name"], record["type"]))
        record["published"] = record["found"] == published_record(record)


def published_record(record: Fields) -> Fields:
    """Returns the record set that has to be in the hosted zone."""
    return {"name": record["name"], "type": record["type"], "ttl": RECORD_TTL, "values": [record["value"]]}


@CertificateErrors.common_error_handler("request the certificate")
def request(client: Any, fields: Fields) -> str:
    answer = client.request_certificate(
        DomainName=fields["domain_name"],
        SubjectAlternativeNames=fields["subject_alternative_names"],
        ValidationMethod="DNS",
        KeyAlgorithm=fields["key_algorithm"],
        # A repeated attempt of this request must not order a second certificate.
        IdempotencyToken=uuid.uuid4().hex,
        **({"Tags": ansible_dict_to_boto3_tag_list(fields["tags"])} if fields["tags"] else {}),
    )
    return str(answer["CertificateArn"])


def wait_issued(client: Any, certificate: Fields, timeout: int) -> None:
    config = custom_waiter_config(timeout, default_pause=POLL_SECONDS)
    try:
        WaiterFactory().get_waiter(client, "issued").wait(CertificateArn=certificate["arn"], WaiterConfig=config)
    except WaiterError as error:
        found = client.describe_certificate(CertificateArn=certificate["arn"])["Certificate"]
        raise AnsibleAWSError(message=not_issued(found, timeout), exception=error) from error


def not_issued(found: Fields, timeout: int) -> str:
    """Says why a certificate was not issued, and what to do."""
    name = found["DomainName"]
    if found["Status"] != "PENDING_VALIDATION":
        reason = found.get("FailureReason", "no reason given")
        return f"The certificate for {name} was not issued: {found['Status']}, {reason}"
    options = found.get("DomainValidationOptions", [])
    pending = [one["DomainName"] for one in options if one.get("ValidationStatus") != "SUCCESS"]
    return (
        f"The certificate for {name} was not issued within {timeout} s; not validated yet: {', '.join(pending)}. "
        f"Most likely the parent domain does not delegate to the name servers of the hosted zone: compare the NS "
        f"records of the zone with the answer of `dig NS` for it, correct the parent, and run again"
    )


@CertificateErrors.common_error_handler("change the tags of the certificate")
def change_tags(client: Any, arn: str, to_set: dict[str, str], to_remove: list[str]) -> None:
    if to_remove:
        client.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": key} for key in to_remove])
    if to_set:
        client.add_tags_to_certificate(CertificateArn=arn, Tags=ansible_dict_to_boto3_tag_list(to_set))


@CertificateErrors.deletion_error_handler("delete the certificate, which another service may still use")
def delete(client: Any, arn: str, timeout: int) -> None:
    """Deletes a certificate once the services that used it have let go of it."""
    if timeout:
        config = custom_waiter_config(timeout, default_pause=POLL_SECONDS)
        WaiterFactory().get_waiter(client, "unused").wait(CertificateArn=arn, WaiterConfig=config)
    # The list of users may already be empty while ACM still refuses.
    retry = AWSRetry.exponential_backoff(
        retries=6, delay=POLL_SECONDS, max_delay=10, catch_extra_error_codes=["ResourceInUseException"]
    )
    attempt = retry(client.delete_certificate) if timeout else client.delete_certificate
    attempt(CertificateArn=arn)
