# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What public DNS does on AWS: from a host name to the load balancer or login pages that serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ministack.services import alb, cognito

from local_aws import acm
from local_aws.cognito import domains
from local_aws.route53 import find_alias_target

Record = dict[str, Any]
PREFIX_SUFFIX = ".amazoncognito.com"
TLS_PROTOCOLS = ("HTTPS", "TLS")


@dataclass(frozen=True)
class Destination:
    """A thing that answers HTTP for a host name, with the account and region that own it."""

    account: str
    region: str
    record: Record


class LoadBalancer(Destination):
    """An application load balancer."""

    def listener(self, port: int) -> Record | None:
        """The listener on a port."""
        arn = self.record["LoadBalancerArn"]
        listeners = alb._listeners.all_values()
        return next((one for one in listeners if one["LoadBalancerArn"] == arn and int(one["Port"]) == port), None)

    def certificate(self, name: str) -> Record | None:
        """The certificate for the name, or the default one, of the listener on 443: as SNI chooses it."""
        listener = self.listener(443)
        if not listener or listener["Protocol"] not in TLS_PROTOCOLS:
            return None
        candidates = [acm.find_issued(arn) for arn in certificate_arns(listener)]
        issued = [certificate for certificate in candidates if certificate]
        return next((one for one in issued if acm.covers(one, name)), issued[0] if issued else None)


class LoginPages(Destination):
    """The hosted pages of a user pool on its custom or prefix domain."""

    def certificate(self, name: str) -> Record | None:
        """The certificate of the custom domain; AWS has one of its own for all prefix domains."""
        if name.endswith(PREFIX_SUFFIX):
            return {"DomainName": name}
        return acm.find_issued(self.record["_custom_domain_config"]["CertificateArn"])


def find(host: str) -> LoadBalancer | LoginPages | None:
    """The destination of a host name: its own name, or the alias record that leads to it."""
    name = host.lower().rstrip(".")
    alias = find_alias_target(name)
    target = (alias or name).lower().rstrip(".").removeprefix("dualstack.")
    return _find_load_balancer(target) or _find_login_pages(name, target)


def certificate_arns(listener: Record) -> list[str]:
    """All certificates of a listener, the default one first."""
    return [*listener.get("Certificates", []), *listener.get("_extra_certificates", [])]


def _find_load_balancer(dns_name: str) -> LoadBalancer | None:
    for (account, region, _arn), record in alb._lbs.all_items():
        if record["DNSName"].lower() == dns_name:
            return LoadBalancer(account, region, record)
    return None


def _find_login_pages(name: str, target: str) -> LoginPages | None:
    for (account, region, _pool_id), pool in cognito._user_pools.all_items():
        if pool.get("Domain") and name == f"{pool['Domain']}.auth.{region}{PREFIX_SUFFIX}":
            return LoginPages(account, region, pool)
        is_here = pool.get("CustomDomain") == name and cognito._cloudfront_domain(name) == target
        if is_here and domains.is_active(pool, name):
            return LoginPages(account, region, pool)
    return None
