# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A whole stack for tests: its inventory, and what a run said about every resource."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from conftest import LocalAws, PlaybookRun, run_playbook
from test_bad_input import GOOD

HOST = "hello"
PASSWORD = "Welcome-to-Gatehouse-1"
# What a service can have beside itself: limits, each kind of policy, a schedule, spare capacity, and alarms.
SCALED: dict[str, Any] = {
    "stack_autoscaling": {
        **{"min_capacity": 1, "max_capacity": 4, "cpu": 60, "memory": 70, "requests_per_target": 500},
        "schedules": [
            {
                "name": "night",
                "schedule": "cron(0 20 * * ? *)",
                "timezone": "Asia/Tokyo",
                "min_capacity": 0,
                "max_capacity": 2,
            }
        ],
    },
    "stack_capacity_providers": [{"capacity_provider": "FARGATE_SPOT", "base": 1}],
    "stack_deployment_alarms": True,
}
SOURCE = "int main(void) { return 0; }\n"


@dataclass(frozen=True)
class Outcome:
    """One run of site.yml and the plan that it left."""

    run: PlaybookRun
    plan: dict[str, Any]

    @property
    def host(self) -> dict[str, Any]:
        found: dict[str, Any] = self.plan["hosts"][HOST]
        return found

    def changes(self) -> set[tuple[str, str, str]]:
        return {(change["action"], change["resource"], change["name"]) for change in self.host["changes"]}

    def unchanged(self) -> set[tuple[str, str]]:
        return {(one["resource"], one["name"]) for one in self.host["unchanged"]}


class Stack:
    """Runs site.yml on one environment, with an app that only needs a C compiler."""

    def __init__(self, folder: Path, local_aws: LocalAws) -> None:
        self._folder = folder
        self._local_aws = local_aws
        self.plan_file = folder / "plan.json"
        source = folder / "app"
        (source / "out").mkdir(parents=True)
        (source / "main.c").write_text(SOURCE, encoding="utf-8")
        (source / ".dockerignore").write_text("out\n", encoding="utf-8")
        self.variables: dict[str, Any] = {
            **GOOD,
            "stack_app_path": str(source),
            "stack_tags": {"team": "web"},
            # The names of this test lead nowhere: the front door may stand on any port.
            "stack_smoke_test": False,
            "stack_users": {"alice": {"email": "alice@example.com", "temporary_password": PASSWORD}},
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "gcc -static -o out/hello main.c",
            "ecr_image_artifact": "out/hello",
            "ecr_image_log_path": str(folder / "build.log"),
        }

    def site(self, *options: str, **environment: str) -> Outcome:
        inventory, plan = self._folder / "inventory.yml", self.plan_file
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {HOST: self.variables}}}), encoding="utf-8")
        plan.unlink(missing_ok=True)
        settings = {
            **self._local_aws.environment,
            "ANSIBLE_CALLBACKS_ENABLED": "gatehouse.fargate.plan",
            "GATEHOUSE_PLAN_FILE": str(plan),
            **environment,
        }
        run = run_playbook(["gatehouse.fargate.site", "-i", str(inventory), *options], settings)
        assert run.failure(HOST) == "", run.failure(HOST)
        return Outcome(run, json.loads(plan.read_text(encoding="utf-8")))
