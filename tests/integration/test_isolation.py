# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Two environments in one account and region: whatever happens to one leaves the other as it is.

The name of one begins with the name of the other, so whoever looks for names by their beginning is found out.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PARENT, LocalAws, PlaybookRun, run_playbook
from stack import SOURCE
from test_bad_input import GOOD
from test_destroy import DEAD, HISTORY, SERVICES, difference

FIRST, SECOND = "twin", "twin-b"


class Twins:
    """The inventory of both, and what the account holds."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        app = folder / "app"
        (app / "out").mkdir(parents=True)
        (app / "main.c").write_text(SOURCE, encoding="utf-8")
        (app / ".dockerignore").write_text("out\n", encoding="utf-8")
        self.inventory = folder / "inventory.yml"
        hosts = {name: self.variables(name, app) for name in (FIRST, SECOND)}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")

    def variables(self, name: str, app: Path) -> dict[str, Any]:
        return {
            **GOOD,
            "stack_name": name,
            "stack_parent_domain": PARENT,
            "stack_domain": f"{name}.{PARENT}",
            "stack_app_path": str(app),
            "stack_desired_count": 0,
            "stack_force_delete": True,
            "stack_smoke_test": False,
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "gcc -static -o out/hello main.c",
            "ecr_image_artifact": "out/hello",
            "ecs_service_role_propagation": 0,
        }

    def run(self, playbook: str, name: str, *options: str) -> PlaybookRun:
        arguments = [f"gatehouse.fargate.{playbook}", "-i", str(self.inventory), "--limit", name, *options]
        run = run_playbook(arguments, self.aws.environment)
        assert (run.failure(name), run.status) == ("", 0), run.stderr
        return run

    def state(self) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.aws.environment['AWS_ENDPOINT_URL']}/_local_aws/state") as answer:
            entries: dict[str, str] = json.load(answer)
        kept = {key: value for key, value in entries.items() if key.split(".")[0] in SERVICES}
        return {key: value for key, value in kept.items() if not key.startswith(HISTORY) and DEAD not in key}


@pytest.fixture(scope="module")
def twins(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return Twins(own_aws, tmp_path_factory.mktemp("twins"))


def test_an_environment_that_comes_and_goes_leaves_its_neighbour_as_it_was(twins: Twins) -> None:
    twins.run("site", FIRST)
    # What AWS provisions in the background is there by the end of a run with nothing to do.
    assert twins.run("site", FIRST).changed() == 0
    alone = twins.state()
    twins.run("site", SECOND)
    both = twins.state()
    assert len(both) > len(alone)
    assert twins.run("site", FIRST).changed() == 0
    twins.run("destroy", SECOND, "-e", f"confirm={SECOND}")
    assert difference(alone, twins.state()) == {}
    assert twins.run("site", FIRST).changed() == 0
