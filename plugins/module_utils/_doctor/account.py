# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads what the doctor judges: everything once, what does not depend on each other at the same time, nothing written.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.module_utils._cognito.api import (
    describe_raw_domain,
    describe_raw_pool,
    has_branding,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor import readers
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.fabric import fabric_of, groups_of, ranges_of
from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.state import Declared, State, Unread
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.services import described
from ansible_collections.gatehouse.fargate.plugins.module_utils._elbv2 import api as elbv2
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._runner import ClientError
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.finders import (
    LISTINGS,
    LOGIN_REGION,
    Listing,
    described_services,
    list_all,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._stack.naming import OWNER_TAG, Stack

Reader = Callable[[], Any]
Readers = dict[str, Reader]

AT_ONCE = 8
NETWORK_ACLS = Listing("describe_network_acls", "NetworkAcls", "NetworkAclId")
# Boto makes clients one at a time, so all of them are there before the threads start.
SERVICES = (
    *("acm", "cognito-idp", "ec2", "ecr", "ecs", "elbv2", "iam", "kms", "logs", "route53", "secretsmanager", "ssm"),
)


def gather(stack: Stack, declared: Declared) -> State:
    """Returns the environment as it is; each wave reads what the one before has named."""
    for service in SERVICES:
        stack.client(service)
    if declared.login:
        stack.client("acm", LOGIN_REGION)
    facts: Fields = {}
    for wave in (anchors, parts, ingredients, keys):
        facts.update(read_all(wave(stack, State(declared, facts))))
    return State(declared, {**facts, **network_of(facts)})


def read_all(wanted: Mapping[str, Reader]) -> Fields:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(tolerant, wanted.values()), strict=True))


def tolerant(read: Reader) -> Any:
    """Returns what a reader reads, or why the caller may not read it; any other failure ends the run."""
    try:
        return read()
    except (AnsibleAWSError, ClientError) as error:
        cause = error if isinstance(error, ClientError) else error.exception
        if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in readers.DENIED:
            return Unread(f"AWS refuses: {cause.response['Error'].get('Message') or cause}")
        raise


def anchors(stack: Stack, state: State) -> Readers:
    declared, ecs = state.declared, partial(described_services, stack)
    owned = [{"Name": f"tag:{OWNER_TAG}", "Values": [stack.name]}]
    return {
        "vpc": lambda: readers.first(list_all(stack.client("ec2"), LISTINGS["vpc"], owned)),
        "balancer": partial(elbv2.describe, stack.client("elbv2"), stack.name),
        "service": lambda: readers.first(described(one) for one in ecs()),
        "zone": partial(readers.zone_named, stack, declared.domain),
        "parent_zone": partial(readers.zone_named, stack, declared.parent_domain),
        "prefix_lists": partial(readers.s3_prefix_lists, stack),
    }


def parts(stack: Stack, state: State) -> Readers:
    """Returns the readers of the network, of what the load balancer points at, and of what the service runs."""
    found: Readers = {}
    if state.knows("vpc"):
        found |= network_readers(stack, state.vpc)
    for zone, fact, kind in (("zone", "record", "A"), ("parent_zone", "delegation", "NS")):
        if state.knows(zone):
            found[fact] = partial(readers.record, stack, state.fact(zone), state.declared.domain, kind)
    if state.knows("balancer"):
        found |= balancer_readers(stack, state)
    if state.knows("service"):
        found["task_definition"] = partial(readers.task_definition, stack, state.service["task_definition"])
        found["stopped"] = partial(readers.stopped, stack, state.service)
    return found


def network_readers(stack: Stack, vpc: str) -> Readers:
    client, here = stack.client("ec2"), [{"Name": "vpc-id", "Values": [vpc]}]
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    return {
        "raw_subnets": partial(list_all, client, LISTINGS["subnet"], here),
        "raw_tables": partial(list_all, client, LISTINGS["route_table"], here),
        "raw_groups": partial(list_all, client, LISTINGS["security_group"], here),
        "raw_acls": partial(list_all, client, NETWORK_ACLS, here),
        "endpoints": partial(readers.living, client, LISTINGS["vpc_endpoint"], here),
        "nat_gateways": partial(readers.living, client, LISTINGS["nat_gateway"], here),
        "internet_gateways": partial(list_all, client, LISTINGS["internet_gateway"], attached),
        "dns_support": partial(readers.vpc_attribute, client, vpc, "enableDnsSupport"),
        "dns_hostnames": partial(readers.vpc_attribute, client, vpc, "enableDnsHostnames"),
    }


def balancer_readers(stack: Stack, state: State) -> Readers:
    found: Readers = {"target_groups": partial(readers.target_groups, stack.client("elbv2"), state.balancer["arn"])}
    certificate = state.listener(443).get("certificate_arn")
    if certificate:
        found["certificate"] = partial(readers.certificate, stack, certificate)
    return found | (login_readers(stack, state) if state.login_action else {})


def login_readers(stack: Stack, state: State) -> Readers:
    client, login = stack.client("cognito-idp"), state.login_action
    pool_id = login["user_pool_arn"].rsplit("/", 1)[-1]
    client_id, domain = login["user_pool_client_id"], login["user_pool_domain"]
    found: Readers = {
        "user_pool": partial(describe_raw_pool, client, pool_id),
        "app_client": partial(readers.app_client, client, pool_id, client_id),
        "login_domain": partial(describe_raw_domain, client, domain),
        "branding": partial(has_branding, client, pool_id, client_id),
    }
    if "." in domain and state.knows("zone"):
        found["login_record"] = partial(readers.record, stack, state.fact("zone"), domain, "A")
    return found


def ingredients(stack: Stack, state: State) -> Readers:
    """Returns the readers of all that the task definition, the groups and the login's domain name."""
    found: Readers = {one: partial(readers.entries, stack, one) for one in prefix_lists(state)}
    if state.knows("login_domain"):
        arn = state.fact("login_domain").get("CustomDomainConfig", {}).get("CertificateArn")
        found |= {"login_certificate": partial(readers.certificate, stack, arn)} if arn else {}
    return found | (task_readers(stack, state) if state.knows("task_definition") else {})


def prefix_lists(state: State) -> set[str]:
    """Returns the ids of the lists that rules name, and of that of S3."""
    lists = set(state.fact("prefix_lists")) if state.knows("prefix_lists") else set()
    groups = groups_of(state.fact("raw_groups")) if state.knows("raw_groups") else {}
    return lists.union(*(group.prefix_lists for group in groups.values()))


def task_readers(stack: Stack, state: State) -> Readers:
    found: Readers = {one: partial(readers.role, stack, one) for one in state.roles}
    found |= {f"image {one}": partial(readers.image, stack, one) for one in state.images}
    found |= {f"repository {one}": partial(readers.repository_policy, stack, one) for one in state.images}
    found |= {f"log {one}": partial(readers.log_group, stack, one) for one in state.log_groups}
    return found | {one.arn: partial(readers.secret, stack, one) for one in state.secrets}


def keys(stack: Stack, state: State) -> Readers:
    """Returns the readers of the KMS keys that secrets are encrypted with."""
    secrets = [
        state.fact(one.arn) for one in (state.secrets if state.knows("task_definition") else []) if state.knows(one.arn)
    ]
    return {f"key {one['key']}": partial(readers.kms_key, stack, one["key"]) for one in secrets if one["key"]}


def network_of(facts: Fields) -> Fields:
    """Returns the network as the rules see it, as far as it could be read."""
    lists = {one: found for one, found in facts.items() if one.startswith("pl-") and not isinstance(found, Unread)}
    return {
        "groups": built(facts, groups_of, "raw_groups"),
        "subnets": built(facts, ranges_of, "raw_subnets"),
        "fabric": built(facts, partial(fabric_of, lists), "raw_acls", "raw_tables", "raw_subnets"),
    }


def built(facts: Fields, build: Callable[..., Any], *names: str) -> Any:
    """Returns what is built from some facts; one that was not read stands for the whole."""
    raw = [facts.get(one) for one in names]
    unread = next((one for one in raw if isinstance(one, Unread)), None)
    return unread or (None if None in raw else build(*raw))
