# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Links from the world to the load balancer, and from there to the login.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import (
    EVERYWHERE,
    Break,
    End,
    Network,
    connection,
    route_break,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import (
    HTTPS,
    SITE,
    BrokenError,
    State,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._route53.records import host_name

PROTOCOLS = {80: "HTTP", HTTPS: "HTTPS"}
INTERNET = End("internet", (EVERYWHERE,))
USABLE_BALANCER = ("active", "active_impaired")
USABLE_DOMAIN = ("ACTIVE", "UPDATING")


def delegated(state: State) -> Iterator[Break]:
    """Yields why the parent zone, if this account holds it, does not lead to the zone."""
    declared, zone = state.declared, state.some("zone", f"zone {state.declared.domain}")
    parent = state.some("parent_zone", f"zone {declared.parent_domain} in this account; site.yml asks its name servers")
    found = (state.fact("delegation") or {}).get("values", [])
    if sorted(map(host_name, found)) != zone["name_servers"]:
        servers, held = ", ".join(zone["name_servers"]), ", ".join(found) or "nothing"
        yield Break(
            f"NS record {declared.domain} of zone {parent['id']} ({parent['name']}) names {held}",
            f"write the NS record {declared.domain} with {servers} into zone {parent['id']}",
        )


def named(state: State) -> Iterator[Break]:
    """Yields why the domain does not lead to the load balancer."""
    domain, zone = state.declared.domain, state.fact("zone")
    if not zone:
        raise BrokenError(f"there is no public zone {domain}", SITE)
    balancer = state.balancer
    yield from alias_break(state, "record", domain, balancer["dns_name"])


def alias_break(state: State, fact: str, name: str, target: str) -> Iterator[Break]:
    zone, record = state.some("zone", f"zone {state.declared.domain}"), state.fact(fact) or {}
    held = record.get("alias", {}).get("dns_name") or ", ".join(record.get("values", [])) or "nothing"
    if held.removeprefix("dualstack.") != host_name(target).removeprefix("dualstack."):
        yield Break(
            f"A record {name} of zone {zone['id']} leads to {held}",
            f"make the A record {name} of zone {zone['id']} an alias of {target}",
        )


def opened(state: State, port: int) -> Iterator[Break]:
    """Yields why a client cannot connect to a port of the load balancer."""
    balancer = state.fact("balancer")
    if not balancer:
        raise BrokenError(f"there is no load balancer {state.declared.name}", SITE)
    yield from standing(balancer)
    protocol = state.listener(port).get("protocol")
    if protocol != PROTOCOLS[port]:
        yield Break(
            f"load balancer {balancer['name']} has {protocol or 'no'} listener at port {port}",
            f"create a listener with protocol {PROTOCOLS[port]} at port {port}: {SITE}",
        )
    declared = state.declared
    client = state.clients(declared.https_cidrs if port == HTTPS else declared.http_cidrs)
    for node in state.nodes:
        yield from connection(state.fabric, client, node, port)
        for network in client.networks:
            yield from to_internet(state, node.subnet, network)


def standing(balancer: Fields) -> Iterator[Break]:
    if balancer["status"] not in USABLE_BALANCER:
        yield Break(f"load balancer {balancer['name']} is {balancer['status']}", "wait until it is active, or " + SITE)
    if balancer["scheme"] != "internet-facing":
        yield Break(
            f"load balancer {balancer['name']} is {balancer['scheme']}",
            f"AWS cannot change the scheme: delete {balancer['name']} and {SITE}",
        )


def to_internet(state: State, subnet: str, network: Network) -> Iterator[Break]:
    """Yields why packets of a subnet do not get to the internet gateway."""
    gateways = [one["InternetGatewayId"] for one in state.fact("internet_gateways") or []]
    if not gateways:
        vpc = state.vpc
        yield Break(f"{vpc} has no internet gateway attached", f"attach an internet gateway to {vpc}: {SITE}")
        return
    yield from route_break(state.fabric, subnet, network, gateways, f"{EVERYWHERE} to {gateways[0]}")


def certified(state: State) -> Iterator[Break]:
    """Yields why a client does not trust the load balancer."""
    balancer = state.balancer
    arn = state.listener(HTTPS).get("certificate_arn")
    if not arn:
        raise BrokenError(f"load balancer {balancer['name']} has no certificate at port {HTTPS}", SITE)
    yield from certificate_breaks(state.fact("certificate"), arn, state.declared.domain)


def certificate_breaks(found: Fields, arn: str, name: str) -> Iterator[Break]:
    if not found:
        raise BrokenError(f"certificate {arn} does not exist", f"request a certificate for {name}: {SITE}")
    if found["Status"] != "ISSUED":
        yield Break(
            f"certificate {arn} of {name} is {found['Status']}",
            f"publish the validation records of {arn}, or request another certificate: {SITE}",
        )
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", [])}
    if name not in names and f"*.{name.partition('.')[2]}" not in names:
        yield Break(
            f"certificate {arn} covers {', '.join(sorted(names))}, not {name}",
            f"use a certificate for {name}: {SITE}",
        )


def calls_login(state: State) -> Iterator[Break]:
    """Yields why the load balancer cannot ask Cognito for tokens, which it does over public IPv4 addresses."""
    balancer = state.balancer
    yield from standing(balancer)
    if balancer["ip_address_type"] == "dualstack-without-public-ipv4":
        yield Break(
            f"load balancer {balancer['name']} has the IP address type dualstack-without-public-ipv4",
            f"set the IP address type of {balancer['name']} to ipv4 or dualstack",
        )
    for node in state.nodes:
        yield from connection(state.fabric, node, INTERNET, HTTPS)
        yield from to_internet(state, node.subnet, EVERYWHERE)


def login_of(state: State) -> Fields:
    """Returns the action that asks for the login; without one the other links of the login lead nowhere."""
    balancer, found = state.balancer, state.login_action
    if not found:
        raise BrokenError(f"no rule at port {HTTPS} of load balancer {balancer['name']} asks for a login", SITE)
    return found


def login_settings(state: State) -> Iterator[Break]:
    """Yields where the rule of the load balancer and the app client of the user pool do not fit together."""
    login = login_of(state)
    pool, client = state.fact("user_pool"), state.fact("app_client")
    if not pool:
        raise BrokenError(f"user pool {login['user_pool_arn']} does not exist", SITE)
    if not client:
        raise BrokenError(f"user pool {pool['Id']} has no app client {login['user_pool_client_id']}", SITE)
    callback = f"https://{state.declared.domain}/oauth2/idpresponse"
    name = f"app client {client['ClientId']} of {pool['Id']}"
    yield from missing(name, "callback URL", {callback}, client.get("CallbackURLs", []))
    yield from missing(name, "OAuth scope", set(login["scope"].split()), client.get("AllowedOAuthScopes", []))
    yield from missing(name, "OAuth flow", {"code"}, client.get("AllowedOAuthFlows", []))
    if not client.get("AllowedOAuthFlowsUserPoolClient"):
        yield Break(
            f"{name} has its OAuth flows switched off", f"set AllowedOAuthFlowsUserPoolClient of {name}: {SITE}"
        )
    if not client.get("ClientSecret"):
        yield Break(
            f"{name} has no secret, which load balancers need",
            f"AWS cannot add one: delete {name} and {SITE}",
        )


def missing(name: str, what: str, wanted: set[str], held: list[str]) -> Iterator[Break]:
    for one in sorted(wanted.difference(held)):
        yield Break(f"{name} lacks the {what} {one}", f"add the {what} {one} to {name}: {SITE}")


def login_pages(state: State) -> Iterator[Break]:
    """Yields why a client does not get to the login pages."""
    login = login_of(state)
    host, found = login["user_pool_domain"], state.fact("login_domain")
    if not found:
        raise BrokenError(f"Cognito has no domain {host}", SITE)
    pool = login["user_pool_arn"].rsplit("/", 1)[-1]
    if found["UserPoolId"] != pool:
        yield Break(f"domain {host} belongs to user pool {found['UserPoolId']}, not {pool}", SITE)
    if found["Status"] not in USABLE_DOMAIN:
        yield Break(f"domain {host} is {found['Status']}", "wait until it is ACTIVE: Cognito takes up to 15 minutes")
    if found.get("ManagedLoginVersion", 1) > 1 and not state.fact("branding"):
        client = login["user_pool_client_id"]
        yield Break(
            f"app client {client} has no managed login style", f"create a managed login style for {client}: {SITE}"
        )
    if "." in host:
        yield from alias_break(state, "login_record", host, found.get("CloudFrontDistribution", ""))
        arn = found.get("CustomDomainConfig", {}).get("CertificateArn", "")
        yield from certificate_breaks(state.fact("login_certificate") or {}, arn, host)
