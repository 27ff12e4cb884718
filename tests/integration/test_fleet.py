# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Several environments in one run cost what each costs alone, also while the account they share turns requests away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from accounts import HOME, make_role, role_arn
from conftest import PARENT, LocalAws, PlaybookRun, run_playbook, running_local_aws
from stack import SOURCE
from test_bad_input import GOOD

ACCOUNTS = {"env-a": "222233334444", "env-b": "333344445555", "env-c": "444455556666"}
# Less than AWS takes, so that three environments meet what fifty do there.
ROUTE53_RATE = "2"
# Of one environment without changes: find the zone, read the delegation.
PARENT_REQUESTS = 2
Calls = list[dict[str, Any]]


@dataclass(frozen=True)
class Fleet:
    """Three environments in accounts of their own, with a parent domain in a fourth."""

    aws: LocalAws
    folder: Path

    def inventory(self) -> Path:
        app = self.folder / "app"
        (app / "out").mkdir(parents=True)
        (app / "main.c").write_text(SOURCE, encoding="utf-8")
        (app / ".dockerignore").write_text("out\n", encoding="utf-8")
        file = self.folder / "inventory.yml"
        hosts = {name: self._variables(name) for name in ACCOUNTS}
        file.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        return file

    def _variables(self, name: str) -> dict[str, Any]:
        return {
            **GOOD,
            "stack_name": name,
            "stack_role_arn": role_arn(ACCOUNTS[name]),
            "stack_parent_domain": PARENT,
            "stack_parent_role_arn": role_arn(HOME, "dns"),
            "stack_domain": f"{name}.{PARENT}",
            "stack_app_path": str(self.folder / "app"),
            "stack_desired_count": 0,
            "stack_login": False,
            "stack_smoke_test": False,
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "gcc -static -o out/hello main.c",
            "ecr_image_artifact": "out/hello",
            "ecr_image_log_path": str(self.folder / f"{name}.log"),
            "ecs_service_role_propagation": 0,
        }

    def site(self, hosts: Sequence[str]) -> tuple[PlaybookRun, Calls]:
        self.aws.forget_calls()
        options = ["-i", str(self.folder / "inventory.yml"), "--limit", ",".join(hosts), "--forks", str(len(ACCOUNTS))]
        run = run_playbook(["gatehouse.fargate.site", *options], self.aws.environment)
        assert ([run.failure(name) for name in hosts], run.status) == ([""] * len(hosts), 0), run.stderr
        return run, self.aws.calls()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with running_local_aws(folder / "aws", LOCAL_AWS_DOCKER="false", LOCAL_AWS_ROUTE53_RATE=ROUTE53_RATE) as aws:
        for account in ACCOUNTS.values():
            make_role(aws, account)
        make_role(aws, HOME, "dns", trusted=[*ACCOUNTS.values()])
        made = Fleet(aws, folder)
        made.inventory()
        yield made


def was_refused(call: dict[str, Any]) -> bool:
    return bool(call["action"].startswith("route53:") and call["status"] == 400)


def answered(calls: Calls, account: str) -> Counter[str]:
    return Counter(call["action"] for call in calls if call["account"] == account and not was_refused(call))


def test_all_converge_while_route_53_turns_requests_away(fleet: Fleet) -> None:
    run, calls = fleet.site([*ACCOUNTS])
    assert run.changed() > 0
    refused = sum(map(was_refused, calls))
    asked = sum(call["action"].startswith("route53:") for call in calls) - refused
    # Who is refused waits longer each time, so that it asks few times in vain.
    assert 0 < refused < 2 * asked


def test_an_environment_costs_as_much_among_others_as_alone(fleet: Fleet) -> None:
    alone_run, alone = fleet.site(["env-a"])
    run, together = fleet.site([*ACCOUNTS])
    assert (alone_run.changed(), run.changed()) == (0, 0)
    costs = {name: answered(together, account) for name, account in ACCOUNTS.items()}
    assert costs == dict.fromkeys(ACCOUNTS, answered(alone, ACCOUNTS["env-a"]))
    shared = answered(alone, HOME)
    assert sum(count for action, count in shared.items() if action.startswith("route53:")) == PARENT_REQUESTS
    assert answered(together, HOME) == Counter({action: len(ACCOUNTS) * count for action, count in shared.items()})
