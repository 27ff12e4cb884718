# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import digests, watch, way_back
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed, Outcome
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Look
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.reports import news, standing
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress

OLD, NEW = "arn:aws:ecs:eu-west-1:1:task-definition/hello:1", "arn:aws:ecs:eu-west-1:1:task-definition/hello:2"
WANTED = Followed("hello", "ecs-svc/2", NEW, "2026-01-02T00:00:00+00:00")
PINNED, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ecs-svc/2",
        "status": "PRIMARY",
        "task_definition": NEW,
        "rollout_state": "IN_PROGRESS",
        "rollout_state_reason": "",
        "created_at": "2026-01-02T00:00:00+00:00",
        "desired_count": 1,
        "running_count": 0,
        "failed_tasks": 0,
        **fields,
    }


BEGUN = deployment()
DONE = deployment(rollout_state="COMPLETED", running_count=1)
BACK = deployment(id="ecs-svc/1", task_definition=OLD, rollout_state="COMPLETED", running_count=1)
BEFORE = {**BACK, "status": "ACTIVE"}
STATELESS = deployment(rollout_state=None, running_count=1)


def task(**fields: Any) -> dict[str, Any]:
    return {
        "id": "0a1b2c3d4e5f",
        "task_definition": NEW,
        "status": "RUNNING",
        "created_at": "2026-01-02T00:00:00+00:00",
        "pull_started_at": "2026-01-02T00:00:12+00:00",
        "pull_stopped_at": "2026-01-02T00:00:16+00:00",
        "started_at": "2026-01-02T00:00:17+00:00",
        "stopping_at": "",
        "stopped_at": "",
        "stop_code": "",
        "stopped_reason": "",
        "addresses": ["10.0.0.7"],
        "containers": [{"name": "app", "exit_code": None, "reason": "", "image_digest": PINNED}],
        **fields,
    }


CRASHED = task(
    status="STOPPED",
    stop_code="EssentialContainerExited",
    stopped_reason="Essential container in task exited",
    stopping_at="2026-01-02T00:00:18+00:00",
    stopped_at="2026-01-02T00:00:20+00:00",
    containers=[{"name": "app", "exit_code": 3, "reason": "", "image_digest": PINNED}],
)
CRASHED_AGAIN = {**CRASHED, "id": "1b2c3d4e5f6a", "created_at": "2026-01-02T00:00:19+00:00"}


def target(state: str, description: str = "") -> dict[str, Any]:
    return {"id": "10.0.0.7:3000", "address": "10.0.0.7", "state": state, "reason": "", "description": description}


def look(*deployments: dict[str, Any], rollout: str = "", events: list[str] | None = None, **fields: Any) -> Look:
    service = {
        "name": "hello", "arn": "arn", "cluster_arn": "cluster", "status": "ACTIVE",
        "deployments": list(deployments), "events": events or [],
    }  # fmt: skip
    record = {"arn": "rollout", "status": rollout, "status_reason": "", "stage": "", "target_revision": ""}
    return Look(service, rollout=record if rollout else {}, **fields)


@pytest.mark.parametrize(
    ("seen", "outcome", "reason"),
    [
        pytest.param(look(DONE), Outcome.SUCCEEDED, "", id="complete"),
        pytest.param(look(DONE, rollout="SUCCESSFUL"), Outcome.SUCCEEDED, "", id="complete, and recorded as such"),
        pytest.param(look(DONE, rollout="IN_PROGRESS"), Outcome.PENDING, "IN_PROGRESS", id="bakes"),
        pytest.param(look(STATELESS, rollout="SUCCESSFUL"), Outcome.SUCCEEDED, "", id="another strategy"),
        pytest.param(look(STATELESS, rollout="IN_PROGRESS"), Outcome.PENDING, "is IN_PROGRESS", id="another, begun"),
        pytest.param(look(BEGUN, rollout="ROLLBACK_REQUESTED"), Outcome.FAILED, "Somebody rolls", id="stopped by hand"),
        pytest.param(look(DONE, rollout="ROLLBACK_SUCCESSFUL"), Outcome.FAILED, "ECS rolled the", id="rolled back"),
        pytest.param(
            look(DONE, tasks=[task()], targets=[target("initial")]), Outcome.PENDING, "is initial", id="new target"
        ),
        pytest.param(look(DONE, tasks=[task()], targets=[target("healthy")]), Outcome.SUCCEEDED, "", id="healthy"),
        pytest.param(
            look(DONE, tasks=[task(addresses=["10.0.0.8"])], targets=[target("draining")]),
            Outcome.SUCCEEDED,
            "",
            id="targets of the last release leave",
        ),
    ],
)  # fmt: skip
def test_the_verdict_on_everything_that_was_seen(seen: Look, outcome: Outcome, reason: str) -> None:
    verdict = watch.judge_look(seen, WANTED)
    assert verdict.outcome is outcome
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("begun", "listed", "outcome"),
    [
        ("2020-01-02T00:00:00+00:00", [STATELESS], Outcome.SUCCEEDED),
        ("2020-01-02T00:00:00+00:00", [{**STATELESS, "running_count": 0}], Outcome.PENDING),
        ("2020-01-02T00:00:00+00:00", [STATELESS, BEFORE], Outcome.PENDING),
        (datetime.now(UTC).isoformat(), [STATELESS], Outcome.PENDING),
    ],
    ids=["runs", "does not run", "goes on", "no record yet"],
)
def test_a_deployment_that_ecs_has_forgotten_is_known_by_its_tasks(
    begun: str, listed: list[dict[str, Any]], outcome: Outcome
) -> None:
    wanted = Followed("hello", "ecs-svc/2", NEW, begun)
    assert watch.judge_look(look(*listed), wanted).outcome is outcome


class Clock:
    """Stands in for time; sleeping only moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.fixture
def silent() -> Progress:
    return Progress(None, "")


def one_by_one(looks: list[Look], clock: Clock, seconds: float = 0.0) -> Callable[[], Look]:
    def observe() -> Look:
        clock.now += seconds
        return looks.pop(0) if len(looks) > 1 else looks[0]

    return observe


def test_following_ends_with_the_deployment(clock: Clock, silent: Progress) -> None:
    seen = watch.follow(one_by_one([look(BEGUN), look(BEGUN), look(DONE)], clock), WANTED, silent, timeout=60)
    assert (seen, clock.now) == (look(DONE), 6)


def test_following_ends_when_the_time_is_up(clock: Clock, silent: Progress) -> None:
    with pytest.raises(watch.DeploymentFailedError, match=r"not complete after 9 s: IN_PROGRESS, 0 of 1"):
        watch.follow(one_by_one([look(BEGUN)], clock), WANTED, silent, timeout=9)
    assert clock.now == 9


def test_following_ends_with_the_first_crash_loop(clock: Clock, silent: Progress) -> None:
    looks = [look(BEGUN), look(BEGUN, tasks=[CRASHED]), look(BEGUN, tasks=[CRASHED, CRASHED_AGAIN])]
    with pytest.raises(watch.DeploymentFailedError, match="failed in the same way"):
        watch.follow(one_by_one(looks, clock), WANTED, silent, timeout=900)
    assert clock.now == 6


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 3.0), (5.0, 5.0), (60.0, 15.0)])
def test_slow_answers_are_asked_for_less_often(clock: Clock, silent: Progress, seconds: float, pause: float) -> None:
    watch.follow(one_by_one([look(BEGUN), look(DONE)], clock, seconds), WANTED, silent, timeout=900)
    assert clock.now == 2 * seconds + pause


def test_only_news_is_told() -> None:
    first = look(BEGUN, events=["started"], tasks=[task(status="PENDING", started_at="", pull_stopped_at="")])
    second = look(BEGUN, events=["registered", "started"], tasks=[task()], targets=[target("initial", "in progress")])
    third = look(BEGUN, events=["registered", "started"], tasks=[CRASHED], targets=[])
    assert list(news(look(BEGUN), first)) == ["Task 0a1b2c3d is PENDING: placed in 12 s", "Event: started"]
    assert list(news(first, second)) == [
        "Task 0a1b2c3d is RUNNING: placed in 12 s, pulled in 4 s, started in 1 s",
        "Target 10.0.0.7:3000 is initial: in progress",
        "Event: registered",
    ]
    assert list(news(second, third)) == [
        "Task 0a1b2c3d stopped: Essential container in task exited; container app: exit code 3"
    ]
    assert list(news(third, third)) == []


def test_how_far_it_is() -> None:
    seen = look(deployment(running_count=1, failed_tasks=1), tasks=[task()], targets=[target("initial")])
    assert standing(seen, WANTED) == (
        "Waiting: 1 of 1 tasks run, 1 failed, 0 of 1 targets healthy, task 0a1b2c3d is RUNNING"
    )
    assert standing(look(BEGUN), WANTED) == "Waiting: 0 of 1 tasks run, 0 failed, no task yet"


def test_nothing_is_silent_for_long(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Progress(str(told), "Waiting for AWS", silence=0.05) as progress:
        while not told.exists() or len(told.read_text(encoding="utf-8").splitlines()) < 2:
            pass
        progress.doing("Waiting: 0 of 1 tasks run")
        progress.say("Task 0a1b is PENDING")
        while "Waiting: 0 of 1" not in told.read_text(encoding="utf-8"):
            pass
    lines = [line.partition(" s  ")[2] for line in told.read_text(encoding="utf-8").splitlines()]
    assert lines[:2] == ["Waiting for AWS"] * 2
    assert lines[-1] == "Waiting: 0 of 1 tasks run"
    assert "Task 0a1b is PENDING" in lines


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    with Progress(str(tmp_path / "none" / "told"), "Waiting") as progress:
        progress.say("Task 0a1b is PENDING")


@pytest.mark.parametrize(
    ("running", "accepted", "said"),
    [
        pytest.param(task(), {"app": {PINNED}}, "", id="ours"),
        pytest.param(task(), {"app": {OTHER, PINNED}}, "", id="the platform's manifest of an index"),
        pytest.param(task(), {}, "", id="not pinned"),
        pytest.param(task(), {"app": {OTHER}}, f"runs {PINNED} instead of {OTHER}", id="another image"),
        pytest.param(task(task_definition=OLD), {}, f"runs {OLD} instead of {NEW}", id="another definition"),
    ],
)
def test_the_image_that_runs(running: dict[str, Any], accepted: dict[str, set[str]], said: str) -> None:
    found = digests.foreign_image([running], NEW, accepted)
    assert said in found
    assert bool(said) == bool(found)


def test_what_may_run_is_what_was_pinned_and_what_ecs_made_of_it() -> None:
    definition = {
        "containerDefinitions": [{"name": "app", "image": f"repository@{PINNED}"}, {"name": "b", "image": "b:1"}]
    }
    revision = {
        "containerImages": [{"containerName": "app", "image": "x", "imageDigest": OTHER}, {"containerName": "b"}]
    }
    assert digests.accepted(definition, revision) == {"app": {PINNED, OTHER}}


class Ecs:
    """Records the calls that change something; remembers or forgets that a deployment was complete."""

    def __init__(self, successful: bool = True) -> None:
        self.calls: list[str] = []
        self._successful = successful

    def list_service_deployments(self, **_request: Any) -> dict[str, Any]:
        return {"serviceDeployments": [{"serviceDeploymentArn": "rollout"}] if self._successful else []}

    def stop_service_deployment(self, **request: Any) -> None:
        self.calls.append(f"stop {request['serviceDeploymentArn']} {request['stopType']}")

    def delete_service(self, **request: Any) -> None:
        self.calls.append(f"delete {request['service']} {request['force']}")


GIVEN_UP = deployment(rollout_state="FAILED")


@pytest.mark.parametrize(
    ("seen", "then", "worked", "wanted_back", "calls", "said"),
    [
        pytest.param(
            look(BEGUN, BEFORE, rollout="IN_PROGRESS"),
            [look(BACK, rollout="ROLLBACK_IN_PROGRESS"), look(BACK, rollout="ROLLBACK_SUCCESSFUL")],
            True, True, ["stop rollout ROLLBACK"], "The service runs hello:1 again, 1 of 1 tasks.",
            id="rolled back by us",
        ),
        pytest.param(
            look(BACK, {**GIVEN_UP, "status": "ACTIVE"}, rollout="ROLLBACK_IN_PROGRESS"),
            [look(BACK, rollout="ROLLBACK_SUCCESSFUL")],
            True, True, [], "The service runs hello:1 again, 1 of 1 tasks.",
            id="rolled back by ECS",
        ),
        pytest.param(
            look(BEGUN, rollout="IN_PROGRESS"), [], False, True, ["delete hello True"], "The next run creates it.",
            id="nothing to return to",
        ),
        pytest.param(
            look(GIVEN_UP, rollout="ROLLBACK_FAILED"),
            [],
            False, True, ["delete hello True"], "The next run creates it.",
            id="given up by ECS, nothing to return to",
        ),
        pytest.param(
            look(BEGUN, rollout="IN_PROGRESS"), [], True, False, [], "ECS goes on with it, 0 of 1 tasks run.",
            id="not wanted",
        ),
        pytest.param(Look({}), [], True, True, [], "The service is gone.", id="deleted meanwhile"),
    ],
)  # fmt: skip
def test_the_way_back(
    clock: Clock,
    silent: Progress,
    seen: Look,
    then: list[Look],
    worked: bool,
    wanted_back: bool,
    calls: list[str],
    said: str,
) -> None:
    ecs = Ecs(worked)
    way = way_back.WayBack(ecs, one_by_one(then or [seen], clock), WANTED, silent)
    assert said in way.go(seen, wanted_back)
    assert ecs.calls == calls
