# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.filter.task_needs import task_needs
from ansible_collections.gatehouse.fargate.plugins.filter.task_problems import task_problems

REGION = "eu-west-1"
ECR = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:db-AbCdEf"
PARAMETER = f"arn:aws:ssm:{REGION}:123456789012:parameter/hello/key"
MINIMUM = ["ecr.api", "ecr.dkr", "logs"]


@pytest.mark.parametrize(
    ("secrets", "sidecars", "shell", "further"),
    [
        ({}, [], False, []),
        ({}, [], True, ["ssmmessages"]),
        ({"A": SECRET, "B": SECRET}, [], False, ["secretsmanager"]),
        ({"A": PARAMETER}, [{"secrets": {"A": SECRET}}], True, ["ssmmessages", "secretsmanager", "ssm"]),
        ({}, [{"aws_services": ["monitoring", "logs"]}, {"aws_services": ["xray"]}], False, ["monitoring", "xray"]),
    ],
)
def test_services(secrets: dict[str, str], sidecars: list[dict[str, Any]], shell: bool, further: list[str]) -> None:
    assert task_needs(secrets, sidecars, shell, REGION)["services"] == MINIMUM + further


def test_what_may_be_read_are_the_secrets_themselves() -> None:
    found = task_needs({"A": f"{SECRET}:password::", "B": PARAMETER}, [{"secrets": {"C": SECRET}}], False, REGION)
    assert (found["secret_arns"], found["parameter_arns"]) == ([SECRET], [PARAMETER])


@pytest.mark.parametrize(
    ("image", "repository", "reachable"),
    [
        (f"{ECR}/tools/proxy@sha256:0", f"arn:aws:ecr:{REGION}:123456789012:repository/tools/proxy", True),
        (f"{ECR}/proxy:1", f"arn:aws:ecr:{REGION}:123456789012:repository/proxy", True),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/proxy:1",
            "arn:aws:ecr:us-east-1:123456789012:repository/proxy",
            False,
        ),
        (f"123456789012.dkr-ecr.{REGION}.on.aws/proxy", f"arn:aws:ecr:{REGION}:123456789012:repository/proxy", True),
        ("public.ecr.aws/docker/library/nginx:1", None, False),
        ("nginx", None, False),
    ],
)
def test_images_of_sidecars(image: str, repository: str | None, reachable: bool) -> None:
    found = task_needs({}, [{"image": image}], False, REGION)
    assert found["repository_arns"] == ([repository] if repository else [])
    assert found["unreachable_images"] == ([] if reachable else [image])


def test_a_partition_of_its_own() -> None:
    image = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/proxy:1"
    found = task_needs({}, [{"image": image}], False, "cn-north-1")
    assert found["repository_arns"] == ["arn:aws-cn:ecr:cn-north-1:123456789012:repository/proxy"]


def test_problems_come_before_anything_is_created() -> None:
    task = {"cpu": "512", "memory": "1024", "containers": [{"name": "app", "stop_timeout": "121"}]}
    assert task_problems(task) == ["stop_timeout of container app is 121: Fargate accepts 2 to 120 s."]
