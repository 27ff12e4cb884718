# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What every scenario's verification needs: the local AWS it runs against, API clients and a visitor."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import boto3

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from local_aws.visitor import Visitor


@cache
def environment() -> dict[str, str]:
    lines = Path(os.environ["LOCAL_AWS_STATE"], "env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def client(service: str, region: str = "ap-northeast-1") -> Any:
    return boto3.client(service, region_name=region)


def visitor() -> Visitor:
    found = environment()
    ports = int(found["LOCAL_AWS_HTTPS_PORT"]), int(found["LOCAL_AWS_HTTP_PORT"])
    return Visitor(Path(found["LOCAL_AWS_CA"]), *ports)


def containers_run() -> bool:
    return environment()["LOCAL_AWS_DOCKER"] == "true"


def owned(name: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:gatehouse:stack", "Values": [name]}]
