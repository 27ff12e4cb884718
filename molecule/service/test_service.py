# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What becomes of a service when releases work and when they fail; the tests build on one another, in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "shared"))
from stack import client, containers_run, visitor

NAME, HOST = "service-test", "service.gatehouse.localhost"
SECRET = "s3cr3t-of-the-app"
pytestmark = pytest.mark.skipif(not containers_run(), reason="no Docker engine answers")


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its status, the message of the task that failed, and what was shown, with its times."""

    status: int
    failure: str
    shown: list[tuple[float, str]]


def play(playbook: str, **variables: Any) -> Run:
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        playbook,
        "-i",
        os.environ["MOLECULE_INVENTORY_FILE"],
    ]
    began, shown = time.monotonic(), []
    # The report goes to a file: a pipe that nobody reads meanwhile would stop the playbook.
    with (
        TemporaryFile("w+", encoding="utf-8") as report_file,
        subprocess.Popen(
            [*command, "-e", json.dumps(variables)],
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            stdin=subprocess.DEVNULL, stdout=report_file, stderr=subprocess.PIPE, text=True,
        ) as running,
    ):  # fmt: skip
        for line in running.stderr or ():
            shown.append((time.monotonic() - began, line.rstrip()))
        running.wait()
        report_file.seek(0)
        output = report_file.read()
    # Other callbacks write after the report.
    report, _end = json.JSONDecoder().raw_decode(output[output.index("{") :])
    results = [task["hosts"].get(NAME, {}) for one in report["plays"] for task in one["tasks"]]
    return Run(running.returncode, "".join(str(one.get("msg")) for one in results if one.get("failed")), shown)


def release(mode: str, **variables: Any) -> Run:
    """Deploys a release of the app that behaves as the mode says, to what the first run has built."""
    current = service()
    network = current["networkConfiguration"]["awsvpcConfiguration"]
    inputs = {
        "ecs_service_image": image(current["taskDefinition"]),
        "ecs_service_subnet_ids": network["subnets"],
        "ecs_service_security_group_ids": network["securityGroups"],
        "ecs_service_target_group_arn": current["loadBalancers"][0]["targetGroupArn"],
        "ecs_service_sensitive_environment": {"API_KEY": SECRET},
        # The time makes a release of its own of each.
        "stack_environment": {"MODE": mode, "RELEASED": str(time.time())},
    }
    return play(str(HERE / "release.yml"), **inputs, **variables)


def service() -> dict[str, Any]:
    (found,) = client("ecs").describe_services(cluster=NAME, services=[NAME])["services"]
    return dict(found)


def image(definition: str) -> str:
    found = client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    return str(found["containerDefinitions"][0]["image"])


def serves() -> bool:
    return visitor().get(f"https://{HOST}/").status == 200


@pytest.fixture(scope="module")
def good() -> str:
    """The task definition of the release that works, once it runs with the variables of this test."""
    run = release("well")
    assert (run.status, run.failure) == (0, ""), run.shown
    assert any("is RUNNING: placed in" in line for _moment, line in run.shown), run.shown
    assert any("The deployment is complete" in line for _moment, line in run.shown), run.shown
    told = [moment for moment, line in run.shown if line.startswith(f"{NAME} | ")]
    assert max(later - earlier for earlier, later in pairwise(told)) <= 10
    assert serves()
    return str(service()["taskDefinition"])


@pytest.mark.parametrize(
    ("mode", "variables", "said"),
    [
        pytest.param("crash", {}, "ended with exit code 3", id="crashes"),
        pytest.param("lost", {}, "The app answers 404 to the health check GET /healthz", id="never gets healthy"),
        pytest.param(
            "crash", {"ecs_service_failed_tasks": 1}, "circuit breaker was triggered", id="given up by ECS itself"
        ),
    ],
)
def test_a_release_that_fails_is_told_and_leaves_what_worked(
    good: str, mode: str, variables: dict[str, Any], said: str
) -> None:
    run = release(mode, **variables)
    assert run.status != 0
    assert said in run.failure
    assert f"The service runs {good.rpartition('/')[2]} again, 1 of 1 tasks." in run.failure
    assert SECRET not in run.failure + str(run.shown)
    assert service()["taskDefinition"] == good
    assert serves()


def test_a_deployment_and_a_rollback_keep_the_count_of_an_autoscaled_service(good: str) -> None:
    client("ecs").update_service(cluster=NAME, service=NAME, desiredCount=2)
    run = release("crash", ecs_service_autoscaled=True)
    assert f"The service runs {good.rpartition('/')[2]} again, 2 of 2 tasks." in run.failure
    run = release("well", ecs_service_autoscaled=True)
    assert (run.status, run.failure) == (0, "")
    current = service()
    assert (current["desiredCount"], current["runningCount"]) == (2, 2)
    assert current["taskDefinition"] != good


def test_the_last_good_release_comes_back_in_one_command(good: str) -> None:
    run = play("gatehouse.fargate.rollback")
    assert (run.status, run.failure) == (0, "")
    assert service()["taskDefinition"] == good
    assert service()["desiredCount"] == 2
    assert serves()
