# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the doctor knows of an account, as plain data that the rules judge.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._doctor.packets import (
    Break,
    End,
    Fabric,
    Group,
    Network,
    ipv4,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

HTTPS = 443
SITE = "run gatehouse.fargate.site"
SHORT_DIGEST = len("sha256:") + 12
ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<repository>[^:@]+)"
    r"(:(?P<tag>[^@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class NotCheckedError(Exception):
    """A link that cannot be judged, because something else is missing or may not be read."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class BrokenError(Exception):
    """A link whose further parts cannot be looked at, because this one is broken."""

    def __init__(self, broken_at: str, remedy: str) -> None:
        super().__init__(broken_at)
        self.found = Break(broken_at, remedy)


@dataclass(frozen=True)
class Unread:
    """Stands for a fact that AWS did not let the caller read."""

    reason: str


@dataclass(frozen=True)
class Image:
    """An image in Amazon ECR; ``digest`` and ``tag`` may be empty."""

    account: str
    region: str
    repository: str
    tag: str
    digest: str

    @property
    def identifier(self) -> Fields:
        return {"imageDigest": self.digest} if self.digest else {"imageTag": self.tag or "latest"}

    @property
    def short(self) -> str:
        return str(self).replace(self.digest, self.digest[:SHORT_DIGEST]) if self.digest else str(self)

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag or 'latest'}"


@dataclass(frozen=True)
class Secret:
    """A secret or a parameter that a container gets as an environment variable."""

    variable: str
    arn: str

    @property
    def service(self) -> str:
        return "secretsmanager" if ":secretsmanager:" in self.arn else "ssm"


@dataclass(frozen=True)
class Declared:
    """What the inventory says of the environment."""

    name: str
    domain: str
    parent_domain: str
    region: str
    partition: str
    account: str
    https_cidrs: tuple[str, ...]
    http_cidrs: tuple[str, ...]
    nat: bool
    login: bool


@dataclass(frozen=True)
class State:
    """The declared environment, and the account's facts by name."""

    declared: Declared
    facts: Mapping[str, Any]

    def fact(self, name: str) -> Any:
        found = self.facts.get(name)
        if isinstance(found, Unread):
            raise NotCheckedError(found.reason, "use a credential that may read it, such as one with ReadOnlyAccess")
        return found

    def some(self, name: str, missing: str) -> Any:
        """Returns a fact that other links are about; without it this one cannot be judged."""
        found = self.fact(name)
        if not found:
            raise NotCheckedError(f"there is no {missing}")
        return found

    def knows(self, name: str) -> bool:
        """Tells whether a fact was read and is not empty."""
        return bool(self.facts.get(name)) and not isinstance(self.facts[name], Unread)

    def listener(self, port: int) -> Fields:
        return next((one for one in self.balancer["listeners"] if one["port"] == port), {})

    @property
    def login_action(self) -> Fields:
        """The first action of the HTTPS listener's rules that asks people to log in."""
        actions = [one for rule in self.listener(HTTPS).get("rules", []) for one in rule["actions"]]
        return next((one for one in actions if one["type"] == "authenticate_cognito"), {})

    @property
    def vpc(self) -> str:
        return str(self.some("vpc", "VPC of this stack")["VpcId"])

    @property
    def balancer(self) -> Fields:
        return dict(self.some("balancer", f"load balancer {self.declared.name}"))

    @property
    def service(self) -> Fields:
        return dict(self.some("service", f"service {self.declared.name}"))

    @property
    def task(self) -> Fields:
        return dict(self.some("task_definition", f"task definition of service {self.declared.name}"))

    @property
    def fabric(self) -> Fabric:
        built: Fabric = self.some("fabric", "network")
        return built

    def groups(self, ids: list[str]) -> tuple[Group, ...]:
        known = self.fact("groups") or {}
        return tuple(known.get(one, Group(one, "does not exist")) for one in ids)

    def ends(self, name: str, subnets: list[str], groups: list[str]) -> list[End]:
        """Returns one end for each subnet that something has addresses in."""
        ranges = self.fact("subnets") or {}
        attached = self.groups(groups)
        return [End(name, (Network(ranges[one]),), one, attached) for one in subnets if one in ranges]

    @property
    def nodes(self) -> list[End]:
        balancer = self.balancer
        return self.ends("load balancer", balancer["subnet_ids"], balancer["security_group_ids"])

    @property
    def tasks(self) -> list[End]:
        service = self.service
        return self.ends("tasks", service["subnets"], service["security_groups"])

    def clients(self, cidrs: tuple[str, ...]) -> End:
        return End("client", ipv4(cidrs))

    @property
    def execution_role(self) -> str:
        return str(self.task.get("executionRoleArn", ""))

    @property
    def task_role(self) -> str:
        return str(self.task.get("taskRoleArn", ""))

    @property
    def roles(self) -> list[str]:
        return [one for one in (self.execution_role, self.task_role) if one]

    @property
    def images(self) -> list[Image]:
        found = [ECR_IMAGE.fullmatch(container["image"]) for container in self.task["containerDefinitions"]]
        return list(dict.fromkeys(Image(**{k: v or "" for k, v in one.groupdict().items()}) for one in found if one))

    @property
    def log_groups(self) -> list[str]:
        options = [
            container["logConfiguration"]["options"]
            for container in self.task["containerDefinitions"]
            if container.get("logConfiguration", {}).get("logDriver") == "awslogs"
        ]
        return list(dict.fromkeys(one["awslogs-group"] for one in options))

    @property
    def secrets(self) -> list[Secret]:
        given = [one for container in self.task["containerDefinitions"] for one in container.get("secrets", [])]
        return [Secret(one["name"], self.secret_arn(one["valueFrom"])) for one in given]

    def secret_arn(self, reference: str) -> str:
        """Returns the ARN without JSON key, stage and version; parameters may be given by name alone."""
        if ":secretsmanager:" in reference:
            return ":".join(reference.split(":")[:7])
        if reference.startswith("arn:"):
            return reference
        return f"{self.arn('ssm')}:parameter/{reference.removeprefix('/')}"

    def arn(self, service: str) -> str:
        """Returns the beginning of the ARNs of a service in this account and region."""
        declared = self.declared
        return f"arn:{declared.partition}:{service}:{declared.region}:{declared.account}"

    @property
    def exec(self) -> bool:
        return bool(self.service["enable_execute_command"])
