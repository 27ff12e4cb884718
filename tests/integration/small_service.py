# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A service without load balancer whose containers really run: for what people do with a service that is there."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import yaml
from conftest import LocalAws, PlaybookRun, run_playbook
from in_process import Modules, Task

REGION = "ap-northeast-1"
# Without arguments it serves until it is told to stop; `count STEPS STATUS` prints steps and ends with a status.
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    const char *mode = getenv("MODE");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 4 && strcmp(words[1], "count") == 0) {
        printf("mode %s\n", mode ? mode : "none");
        for (int step = 1; step <= atoi(words[2]); step++) {
            printf("step %d\n", step);
            usleep(700000);
        }
        return atoi(words[3]);
    }
    if (mode && strcmp(mode, "crash") == 0) {
        puts("cannot start: no configuration");
        return 7;
    }
    puts("serving " BUILD);
    for (;;) pause();
}
"""


class SmallService:
    """One environment: its cluster, its images and its service, all of one name."""

    def __init__(self, name: str, folder: Path, aws: LocalAws, modules: Modules) -> None:
        self.name = name
        self.aws = aws
        self.ecs = aws.client("ecs")
        self._folder = folder
        self._modules = modules
        self._source = folder / "source"
        (self._source / "out").mkdir(parents=True)
        (self._source / ".dockerignore").write_text("out\n", encoding="utf-8")

    def module(self, module: str, **options: Any) -> dict[str, Any]:
        return self._modules.run(Task(module, {"region": REGION, **options}))

    def attempt(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Runs a module, which may fail."""
        return self._modules.attempt(Task(module, {"region": REGION, **options}), check=check)

    @property
    def tags(self) -> dict[str, str]:
        return {"gatehouse:stack": self.name}

    def found(self) -> None:
        """Makes everything but the service."""
        self.module("ecs_cluster", name=self.name, tags=self.tags)
        self.module("cloudwatch_log_group", name=f"/gatehouse/{self.name}", tags=self.tags)
        self.module("ecr_repository", name=self.name, tags=self.tags)
        role = {"path": "/gatehouse/", "service": "ecs-tasks.amazonaws.com"}
        roles = [{**role, "name": f"{self.name}-{one}"} for one in ("execution", "task")]
        self.module("iam_service_roles", roles=roles, tags=self.tags)
        self.module(
            "vpc_network",
            name=self.name,
            cidr="10.77.0.0/16",
            private_subnets=[{"cidr": "10.77.0.0/20", "availability_zone": f"{REGION}a"}],
            tags=self.tags,
        )
        self.module("security_groups", vpc_id=self.vpc()["id"], groups=[{"name": self.name}], tags=self.tags)

    def vpc(self) -> dict[str, str]:
        ec2 = self.aws.client("ec2")
        mine = [{"Name": "tag:gatehouse:stack", "Values": [self.name]}]
        group = {"Name": "group-name", "Values": [self.name]}
        (vpc,) = ec2.describe_vpcs(Filters=mine)["Vpcs"]
        (subnet,) = ec2.describe_subnets(Filters=mine)["Subnets"]
        groups = ec2.describe_security_groups(Filters=[group])["SecurityGroups"]
        return {
            "id": vpc["VpcId"],
            "subnet": subnet["SubnetId"],
            "group": groups[0]["GroupId"] if groups else "",
        }

    def image(self, build: str) -> str:
        """Builds and pushes one more image; returns its name with its digest."""
        (self._source / "main.c").write_text(f'#define BUILD "{build}"\n{PROGRAM}', encoding="utf-8")
        built = self.module(
            "ecr_image",
            repository=self.name,
            tag=build,
            path=str(self._source),
            builder="oci",
            build_command="gcc -static -o out/tool main.c",
            artifact="out/tool",
            platform={"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()],
            registry=self.aws.environment["GATEHOUSE_REGISTRY"],
            log_path=str(self._folder / "build.log"),
        )
        account = self.aws.client("sts").get_caller_identity()["Account"]
        return f"{account}.dkr.ecr.{REGION}.amazonaws.com/{self.name}@{built['image']['digest']}"

    def register(self, image: str, **changes: Any) -> str:
        """Registers one more revision; returns its ARN."""
        account = self.aws.client("sts").get_caller_identity()["Account"]
        container = {
            "name": "app",
            "image": image,
            "linux_parameters": {"init_process_enabled": True},
            "log_configuration": {
                "options": {
                    "awslogs-group": f"/gatehouse/{self.name}",
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "app",
                }
            },
            **changes,
        }
        registered = self.module(
            "ecs_task_definition",
            family=self.name,
            cpu_architecture={"x86_64": "X86_64", "aarch64": "ARM64"}[platform.machine()],
            execution_role_arn=f"arn:aws:iam::{account}:role/gatehouse/{self.name}-execution",
            task_role_arn=f"arn:aws:iam::{account}:role/gatehouse/{self.name}-task",
            containers=[container],
            keep_revisions=10,
            tags=self.tags,
        )
        return str(registered["task_definition"]["arn"])

    def deploy(self, task_definition: str, **changes: Any) -> dict[str, Any]:
        """Deploys a revision and waits; returns the module's result, which may be a failure."""
        options = {
            "name": self.name,
            "cluster": self.name,
            "task_definition": task_definition,
            "subnets": [self.vpc()["subnet"]],
            "security_groups": [self.vpc()["group"]],
            "circuit_breaker": {"failed_tasks": 3},
            "wait_timeout": 120,
            "tags": self.tags,
            **changes,
        }
        return self.attempt("ecs_service", **options)

    def service(self) -> dict[str, Any]:
        (found,) = self.ecs.describe_services(cluster=self.name, services=[self.name])["services"]
        return dict(found)

    def revision(self) -> int:
        """The revision that the service is to run."""
        return int(self.service()["taskDefinition"].rpartition(":")[2])

    def tasks(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=self.name)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]) if arns else []

    def play(self, playbook: str, *options: str, **environment: str) -> PlaybookRun:
        inventory = self._folder / "inventory.yml"
        host = {"stack_name": self.name, "stack_region": REGION}
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"small": host}}}), encoding="utf-8")
        arguments = [f"gatehouse.fargate.{playbook}", "-i", str(inventory), *options]
        return run_playbook(arguments, {**self.aws.environment, **environment})


def extra(**variables: Any) -> tuple[str, str]:
    """The option that gives extra variables."""
    return "-e", json.dumps(variables)


def results(run: PlaybookRun, task: str) -> list[dict[str, Any]]:
    """What the tasks of a name said, in order."""
    named = [one for play in run.report["plays"] for one in play["tasks"] if one["task"]["name"].endswith(task)]
    return [result for one in named for result in one["hosts"].values() if not result.get("skipped")]
