# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Deploys the example environment to the local AWS, logs in to the app and shows what was built."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INVENTORY = ROOT / "playbooks" / "inventories" / "local" / "hosts.yml"
CHOSEN_PASSWORD = "Chosen-at-first-login-1"

sys.path.insert(0, str(HERE.parent))
from local_aws.visitor import Visitor

Rows = list[tuple[str, str]]


class Stopwatch:
    """Remembers how long each named part took."""

    def __init__(self) -> None:
        self.rows: Rows = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.rows.append((name, f"{time.monotonic() - started:.1f} s"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(ROOT / ".local-aws"), help="folder of the local AWS")
    state = Path(parser.parse_args().state).resolve()
    watch = Stopwatch()
    with watch.part("start the local AWS"):
        run([sys.executable, str(HERE / "ctl.py"), "start", "--state", str(state)])
    os.environ.update(environment := read_environment(state / "env"))
    ensure_parent_zone(variables()["stack_parent_domain"])
    with watch.part("gatehouse.fargate.site"):
        run(
            ["ansible-playbook", "gatehouse.fargate.site", "-i", str(INVENTORY)],
            ANSIBLE_CALLBACKS_ENABLED="ansible.posix.profile_roles,gatehouse.fargate.plan",
        )
    if environment["LOCAL_AWS_DOCKER"] == "true":
        with watch.part("log in to the app"):
            greeting = log_in(environment)
    else:
        greeting = "not asked: no Docker engine runs here, so the task has no container"
    show("Built", [*built(), ("the app answers", greeting)])
    show("Took", watch.rows)
    show("Open", address(environment))
    return 0


def run(command: list[str], **extra: str) -> None:
    """Runs a command in the foreground; its failure ends the try-out with the same status."""
    status = subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}, check=False).returncode
    if status:
        sys.exit(status)


def read_environment(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def variables() -> dict[str, Any]:
    hosts: dict[str, dict[str, Any]] = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["all"]["hosts"]
    return next(iter(hosts.values()))


def ensure_parent_zone(name: str) -> None:
    """The parent zone belongs to the user, not to the stack; here the user has none yet."""
    route53 = boto3.client("route53")
    zones = route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    if not any(zone["Name"] == f"{name}." for zone in zones):
        route53.create_hosted_zone(Name=name, CallerReference=name)


def user() -> tuple[str, str]:
    name, declared = next(iter(variables()["stack_users"].items()))
    return name, declared["temporary_password"]


def log_in(environment: dict[str, str]) -> str:
    """Logs in as the declared user, choosing a password the first time, and returns the greeting's text."""
    visitor = Visitor(
        Path(environment["LOCAL_AWS_CA"]),
        int(environment["LOCAL_AWS_HTTPS_PORT"]),
        int(environment["LOCAL_AWS_HTTP_PORT"]),
    )
    name, temporary = user()
    page = visitor.sign_in(f"https://{variables()['stack_domain']}/", name, temporary, CHOSEN_PASSWORD)
    if page.status != 200 or name not in page.text:
        sys.exit(f"the app does not greet {name}: {page.status} at {page.url}")
    return f"{page.status}, and greets {name}"


def built() -> Rows:
    name = variables()["stack_name"]
    lookups: dict[str, Callable[[], str]] = {
        "network": lambda: network(name),
        "image": lambda: image(name),
        "login": lambda: login(name),
        "load balancer": lambda: load_balancer(name),
        "service": lambda: service(name),
    }
    return [(part, lookup()) for part, lookup in lookups.items()]


def network(name: str) -> str:
    ec2 = boto3.client("ec2")
    owned = [{"Name": "tag:gatehouse:stack", "Values": [name]}]
    vpc = ec2.describe_vpcs(Filters=owned)["Vpcs"][0]
    subnets = ec2.describe_subnets(Filters=owned)["Subnets"]
    endpoints = ec2.describe_vpc_endpoints(Filters=owned)["VpcEndpoints"]
    services = sorted(endpoint["ServiceName"].split(".", 3)[-1] for endpoint in endpoints)
    return f"{vpc['VpcId']} {vpc['CidrBlock']}, {len(subnets)} subnets, endpoints {', '.join(services) or 'none'}"


def image(name: str) -> str:
    newest = max(
        boto3.client("ecr").describe_images(repositoryName=name)["imageDetails"], key=lambda i: i["imagePushedAt"]
    )
    return f"{newest['imageDigest'][:19]} {newest['imageSizeInBytes'] / 1e6:.1f} MB"


def login(name: str) -> str:
    cognito = boto3.client("cognito-idp")
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    pool = cognito.describe_user_pool(UserPoolId=next(p["Id"] for p in pools if p["Name"] == name))["UserPool"]
    return f"{pool['Id']} at {pool.get('CustomDomain', 'no domain')}"


def load_balancer(name: str) -> str:
    found = boto3.client("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"][0]
    return f"{found['DNSName']} {found['State']['Code']}"


def service(name: str) -> str:
    found = boto3.client("ecs").describe_services(cluster=name, services=[name])["services"][0]
    revision = found["taskDefinition"].rsplit("/", 1)[-1]
    return f"{revision}, {found['runningCount']} of {found['desiredCount']} tasks running"


def address(environment: dict[str, str]) -> Rows:
    port = environment["LOCAL_AWS_HTTPS_PORT"]
    suffix = "" if port == "443" else f":{port}"
    name, _temporary = user()
    return [
        ("address", f"https://{variables()['stack_domain']}{suffix}/"),
        ("user", name),
        ("password", CHOSEN_PASSWORD if environment["LOCAL_AWS_DOCKER"] == "true" else _temporary),
        ("certificate authority", environment["LOCAL_AWS_CA"]),
        ("stop", "make stop"),
    ]


def show(title: str, rows: Rows) -> None:
    width = max(len(name) for name, _value in rows)
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name.ljust(width)}  {value}")


if __name__ == "__main__":
    sys.exit(main())
