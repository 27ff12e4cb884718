# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What every part of the benchmark needs: a local AWS with a parent zone, inventories, and clients."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import yaml

from .stand_in import ROOT, StandIn, standing_in

SITE, DESTROY = "gatehouse.fargate.site", "gatehouse.fargate.destroy"
INVENTORY = ROOT / "playbooks" / "inventories" / "local" / "hosts.yml"
NO_TIME = {"LOCAL_AWS_PROVISIONING_SECONDS": "0"}
ONLY_IMAGE = """\
- hosts: all
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  roles:
    - gatehouse.fargate.ecr_image
"""


@dataclass
class Bench:
    """Where the measurements take place."""

    folder: Path
    port: int
    scale: float
    fleets: tuple[int, ...]

    @contextmanager
    def aws(self, name: str, **settings: str) -> Iterator[StandIn]:
        self.port += 1
        with standing_in(self.folder / name, self.port, **settings) as stand_in:
            create_parent_zone(stand_in)
            yield stand_in

    def inventory(self, name: str) -> tuple[Path, Path]:
        """Writes the local inventory with a copy of the app of its own; returns both."""
        app = self.folder / f"{name}-app"
        shutil.copytree(ROOT / "app", app, ignore=shutil.ignore_patterns("target"))
        hosts = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))
        for variables in hosts["all"]["hosts"].values():
            variables["stack_app_path"] = str(app)
        file = self.folder / f"{name}.yml"
        file.write_text(yaml.safe_dump(hosts), encoding="utf-8")
        return file, app


def create_parent_zone(stand_in: StandIn) -> None:
    """The parent zone is the user's, not the stack's."""
    keys = stand_in.environment
    route53 = boto3.client("route53", region_name=keys["AWS_REGION"], **client_options(keys))
    route53.create_hosted_zone(Name="gatehouse.localhost", CallerReference="bench")


def client_options(keys: dict[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": keys["AWS_ENDPOINT_URL"],
        "aws_access_key_id": keys["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": keys["AWS_SECRET_ACCESS_KEY"],
    }
