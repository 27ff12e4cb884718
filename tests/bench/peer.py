# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An equivalent stack of our own writing in Terraform, applied to the same local AWS, where Terraform is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3

from .bench import NO_TIME, ONLY_IMAGE, SITE, Bench, client_options
from .cost import Cost
from .report import Figure, Section, seconds
from .stand_in import HERE, StandIn

SOURCE = HERE / "peer"
PEER = {
    "name": "peer",
    "region": "ap-northeast-1",
    "domain": "peer.gatehouse.localhost",
    "parent_domain": "gatehouse.localhost",
}


def is_installed() -> bool:
    return shutil.which("terraform") is not None


class Peer:
    """One working folder of Terraform against a local AWS; the variables are those of main.tf."""

    def __init__(self, folder: Path, aws: StandIn, variables: dict[str, str]) -> None:
        self._folder = folder
        shutil.copytree(SOURCE, folder)
        settings = {f"TF_VAR_{name}": value for name, value in variables.items()}
        self._environment = {**os.environ, **aws.environment, **settings, "TF_IN_AUTOMATION": "1"}

    def has_provider(self) -> bool:
        return self._run(["terraform", "init", "-input=false", "-no-color"]).returncode == 0

    def measure(self, *words: str) -> Cost:
        """Runs a subcommand; a failure ends the benchmark."""
        command = [sys.executable, str(HERE / "cost.py"), "--", "terraform", *words, "-input=false", "-no-color"]
        done = self._run(command)
        if done.returncode:
            sys.exit(f"{done.stderr}\nterraform {words[0]} failed with {done.returncode}")
        return Cost(**json.loads(done.stdout.splitlines()[-1]))

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )


def beside_terraform(bench: Bench) -> Section:
    """The same stack by Terraform: from nothing and without a change, each against a local AWS of its own."""
    title, lead = "Beside Terraform", "An equivalent stack (tests/bench/peer/main.tf), AWS answering at once."
    if not is_installed():
        return Section(title, lead, [], notes=["Not measured here: Terraform is not installed.\n"])
    inventory, _app = bench.inventory("beside")
    only_image = bench.folder / "image.yml"
    only_image.write_text(ONLY_IMAGE, encoding="utf-8")
    with bench.aws("beside", **NO_TIME) as aws:
        aws.play(str(only_image), inventory)
        peer = Peer(bench.folder / "peer", aws, {**PEER, "image": pushed_image(aws)})
        if not peer.has_provider():
            return Section(title, lead, [], notes=["Not measured here: its provider hashicorp/aws is not installed.\n"])
        applied, planned = peer.measure("apply", "-auto-approve"), peer.measure("plan")
    with bench.aws("beside-ours", **NO_TIME) as aws:
        aws.play(str(only_image), inventory)
        first, again = aws.play(SITE, inventory), aws.play(SITE, inventory)
    return Section(
        title,
        lead,
        [
            *compared("from nothing", first.cost, applied),
            *compared("no change", again.cost, planned),
        ],
    )


def pushed_image(aws: StandIn) -> str:
    keys = aws.environment
    ecr = boto3.client("ecr", region_name=keys["AWS_REGION"], **client_options(keys))
    repository = ecr.describe_repositories()["repositories"][0]
    digest = ecr.describe_images(repositoryName=repository["repositoryName"])["imageDetails"][0]["imageDigest"]
    return f"{repository['repositoryUri']}@{digest}"


def compared(what: str, ours: Cost, theirs: Cost) -> list[Figure]:
    return [
        Figure(f"{what}, Gatehouse", seconds(ours.wall)),
        Figure(f"{what}, Terraform", seconds(theirs.wall)),
        Figure(f"{what}, ratio", f"{ours.wall / theirs.wall:.2f}"),
    ]
