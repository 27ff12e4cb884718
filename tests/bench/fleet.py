# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Many environments in one run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import yaml

from .bench import NO_TIME, SITE, Bench, client_options
from .report import Figure, Section, seconds
from .stand_in import Run, StandIn


def fleet(bench: Bench) -> Section:
    """Environments in accounts of their own, with one parent domain in another account."""
    rows = [row for count in bench.fleets for row in fleet_rows(bench, count)]
    return Section(
        "Many environments in one run",
        "Each environment is a host of one inventory with an account and a profile of its own; the parent domain\n"
        "is in another account. The image is built before for the first environment and copied to the others.\n"
        "AWS answers at once; memory is that of the run without changes.",
        rows,
    )


def fleet_rows(bench: Bench, count: int) -> list[Figure]:
    with bench.aws(f"fleet-{count}", **NO_TIME) as aws:
        make_parent_role(aws)
        inventory = fleet_inventory(bench, aws, count)
        aws.play(SITE, inventory, "--limit", "env-01", AWS_SHARED_CREDENTIALS_FILE=str(bench.folder / "credentials"))
        runs = [
            aws.play(
                SITE, inventory, "--forks", "10",
                memory=memory, AWS_SHARED_CREDENTIALS_FILE=str(bench.folder / "credentials"),
            )
            for memory in (False, False, True)
        ]  # fmt: skip
    first, again, heavy = runs
    return [
        Figure(f"{count}: first run", per_environment(first, count)),
        Figure(f"{count}: no change", per_environment(again, count)),
        Figure(f"{count}: requests for each environment, first and no change", requests_each(first, again, count)),
        Figure(f"{count}: memory", f"{heavy.cost.memory:.0f} MB"),
    ]


def per_environment(run: Run, count: int) -> str:
    return f"{seconds(run.cost.wall)}, {seconds(run.cost.wall / count)} each"


def requests_each(first: Run, again: Run, count: int) -> str:
    return f"{len(first.calls) / count:.0f}, {len(again.calls) / count:.0f}"


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


def fleet_inventory(bench: Bench, aws: StandIn, count: int) -> Path:
    """Writes an inventory of environments, and the credentials of their accounts."""
    local, _app = bench.inventory(f"fleet-{count}")
    (common,) = yaml.safe_load(local.read_text(encoding="utf-8"))["all"]["hosts"].values()
    names = [f"env-{number:02}" for number in range(1, count + 1)]
    parent = f"arn:aws:iam::{aws.environment['AWS_ACCESS_KEY_ID']}:role/delegate"
    hosts = {
        name: {
            **common,
            "stack_name": name,
            "stack_domain": f"{name}.gatehouse.localhost",
            "stack_profile": name,
            "stack_parent_role_arn": parent,
            **({} if name == names[0] else {"stack_image_source": names[0]}),
        }
        for name in names
    }
    lines = [
        f"[{name}]\naws_access_key_id = {400000000000 + number}\naws_secret_access_key = example-key-of-the-stand-in\n"
        for number, name in enumerate(names)
    ]
    (bench.folder / "credentials").write_text("\n".join(lines), encoding="utf-8")
    file = bench.folder / f"fleet-{count}.yml"
    file.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    return file
