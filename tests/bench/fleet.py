# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Many environments in one run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import yaml

from .bench import NO_TIME, ONLY_IMAGE, SITE, Bench, client_options
from .report import Figure, Section, seconds
from .stand_in import Run, StandIn

BUILDER = "hello-local"
# Often enough for runs of minutes, and seldom enough to cost them little.
MEMORY_SECONDS = 0.5
READING = ("Describe", "Get", "List", "Batch", "Head", "Simulate", "AssumeRole")


def fleet(bench: Bench) -> Section:
    """Environments in accounts of their own, with one parent domain in another account."""
    # One for all fleets, so that the app is compiled once.
    builder, _app = bench.inventory("builder")
    rows = [row for count in bench.fleets for row in fleet_rows(bench, count, builder)]
    return Section(
        "Many environments in one run",
        "Each environment is a host of one inventory with an account and a profile of its own, closed network, login\n"
        "and ECS Exec. Parent domain and image are in another account, whose Route 53 takes five requests a second\n"
        "from all of them together and refuses the others. Other answers come at once. CPU is that of Ansible and\n"
        "its modules; the local AWS runs on the same processors.",
        rows,
    )


def fleet_rows(bench: Bench, count: int, builder: Path) -> list[Figure]:
    with bench.aws(f"fleet-{count}", **NO_TIME) as aws:
        make_parent_role(aws)
        options = ["--limit", f"all:!{BUILDER}", "--forks", "10", "-e", json.dumps(image_source(bench, aws, builder))]
        inventory = fleet_inventory(bench, aws, builder, count)
        credentials = str(bench.folder / "credentials")
        first, again = (
            aws.play(SITE, inventory, *options, memory=MEMORY_SECONDS, AWS_SHARED_CREDENTIALS_FILE=credentials)
            for _repeat in range(2)
        )
    if written := sorted(action for action in again.actions if not action.split(":")[-1].startswith(READING)):
        sys.exit(f"the run of {count} environments without changes wrote: {', '.join(written)}")
    return [*run_rows(f"{count}: first run", first, count), *run_rows(f"{count}: no change", again, count)]


def run_rows(name: str, run: Run, count: int) -> list[Figure]:
    refused = sum(call["action"].startswith("route53:") and call["status"] == 400 for call in run.calls)
    answered = len(run.calls) - refused
    return [
        Figure(f"{name}, wall time", f"{seconds(run.cost.wall)}, {seconds(run.cost.wall / count)} each"),
        Figure(
            f"{name}, CPU time", f"{seconds(run.cost.cpu / count)} each, local AWS {seconds(run.stand_in_cpu / count)}"
        ),
        Figure(f"{name}, requests", f"{answered}, {answered / count:.1f} each; Route 53 refused {refused} more"),
        Figure(f"{name}, memory", f"{run.cost.memory:.0f} MB, {run.cost.memory / count:.0f} MB each"),
    ]


def image_source(bench: Bench, aws: StandIn, builder: Path) -> dict[str, Any]:
    """Builds the image in the account of the parent domain; returns the variable that lets environments copy it."""
    playbook = bench.folder / "image.yml"
    playbook.write_text(ONLY_IMAGE, encoding="utf-8")
    aws.play(str(playbook), builder)
    ecr = boto3.client("ecr", region_name=aws.environment["AWS_REGION"], **client_options(aws.environment))
    (image,) = ecr.describe_images(repositoryName=BUILDER)["imageDetails"]
    return {"stack_image_source": {"environment": BUILDER, "digest": image["imageDigest"]}}


def make_parent_role(aws: StandIn) -> None:
    keys = aws.environment
    iam = boto3.client("iam", region_name=keys["AWS_REGION"], **client_options(keys))
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    grant = {"Effect": "Allow", "Action": "route53:*", "Resource": "*"}
    for call, words in (
        (iam.create_role, {"AssumeRolePolicyDocument": policy(trust)}),
        (iam.put_role_policy, {"PolicyName": "delegate", "PolicyDocument": policy(grant)}),
    ):
        call(RoleName="delegate", **words)


def policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def fleet_inventory(bench: Bench, aws: StandIn, builder: Path, count: int) -> Path:
    """Writes an inventory of environments, and the credentials of their accounts."""
    local = yaml.safe_load(builder.read_text(encoding="utf-8"))["all"]["hosts"]
    names = [f"env-{number:02}" for number in range(1, count + 1)]
    parent = f"arn:aws:iam::{aws.environment['AWS_ACCESS_KEY_ID']}:role/delegate"
    hosts = {
        name: {
            **local[BUILDER],
            "stack_name": name,
            "stack_domain": f"{name}.gatehouse.localhost",
            "stack_profile": name,
            "stack_parent_role_arn": parent,
        }
        for name in names
    }
    lines = [
        f"[{name}]\naws_access_key_id = {400000000000 + number}\naws_secret_access_key = example-key-of-the-stand-in\n"
        for number, name in enumerate(names)
    ]
    (bench.folder / "credentials").write_text("\n".join(lines), encoding="utf-8")
    file = bench.folder / f"fleet-{count}.yml"
    file.write_text(yaml.safe_dump({"all": {"hosts": {**local, **hosts}}}), encoding="utf-8")
    return file
