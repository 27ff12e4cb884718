# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which release is which, and the one to go back to in every state that a service can be in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import releases
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import PlanRefusedError

PREFIX = "arn:aws:ecs:eu-west-1:111122223333:task-definition/hello:"
REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
# Deployments, oldest first, as revision and status; and the revision that the service has now.
STATES: dict[str, tuple[list[tuple[int, str]], int, int]] = {
    "the last of two worked": ([(1, "SUCCESSFUL"), (2, "SUCCESSFUL")], 2, 1),
    "the one before failed": ([(1, "SUCCESSFUL"), (2, "ROLLBACK_SUCCESSFUL"), (3, "SUCCESSFUL")], 3, 1),
    "ECS went back already": ([(1, "SUCCESSFUL"), (2, "SUCCESSFUL"), (3, "ROLLBACK_SUCCESSFUL")], 2, 2),
    "it went back already": ([(1, "SUCCESSFUL"), (2, "SUCCESSFUL"), (1, "SUCCESSFUL")], 1, 1),
    "after a way back and a new release": (
        [(1, "SUCCESSFUL"), (2, "SUCCESSFUL"), (1, "SUCCESSFUL"), (3, "SUCCESSFUL")],
        3,
        1,
    ),
    "in the middle of a deployment": ([(1, "SUCCESSFUL"), (2, "SUCCESSFUL"), (3, "IN_PROGRESS")], 3, 2),
    "stuck without a circuit breaker": ([(1, "SUCCESSFUL"), (2, "STOPPED")], 2, 1),
    "ECS forgot all but the last": ([(1, "SERVED"), (2, "SUCCESSFUL")], 2, 1),
    "a good one is nearer than the served one": ([(1, "SERVED"), (2, "SUCCESSFUL"), (3, "SUCCESSFUL")], 3, 2),
}


def digest(number: int) -> str:
    return f"sha256:{number:064}"


def definition(revision: int, image: str = "") -> dict[str, Any]:
    return {
        "taskDefinitionArn": f"{PREFIX}{revision}",
        "revision": revision,
        "registeredAt": datetime(2026, 11, revision, tzinfo=UTC),
        "registeredBy": "arn:aws:sts::111122223333:assumed-role/deployer/alice",
        "containerDefinitions": [
            {"name": "proxy", "image": "public.ecr.aws/proxy:1"},
            {"name": "app", "image": image or f"{REGISTRY}/hello@{digest(revision)}"},
        ],
    }


def service(current: int) -> dict[str, Any]:
    return {
        "taskDefinition": f"{PREFIX}{current}",
        "loadBalancers": [{"containerName": "app"}],
        "deployments": [],
    }


def deployed(*history: tuple[int, str]) -> list[dict[str, Any]]:
    events = [
        {
            "task_definition": f"{PREFIX}{revision}",
            "status": status,
            "at": None if status == "SERVED" else datetime(2026, 11, 20, hour, tzinfo=UTC),
        }
        for hour, (revision, status) in enumerate(history)
    ]
    return events[::-1]


def found(history: list[tuple[int, str]], current: int, revisions: int = 3) -> list[dict[str, Any]]:
    definitions = [definition(revision) for revision in range(1, revisions + 1)]
    return releases.releases(service(current), definitions, deployed(*history))


@pytest.mark.parametrize("state", STATES)
def test_the_way_back_without_a_name(state: str) -> None:
    history, current, expected = STATES[state]
    assert releases.target(found(history, current), "")["revision"] == expected


@pytest.mark.parametrize(
    "history", [[(1, "SUCCESSFUL")], [(1, "ROLLBACK_FAILED"), (2, "SUCCESSFUL")], [(1, "STOPPED"), (2, "IN_PROGRESS")]]
)
def test_no_way_back_is_said(history: list[tuple[int, str]]) -> None:
    with pytest.raises(PlanRefusedError, match=r"no earlier release.*hello:1.*Name one"):
        releases.target(found(history, history[-1][0]), "")


@pytest.mark.parametrize("name", ["1", "hello:1", digest(1)])
def test_a_release_is_named_by_revision_or_digest(name: str) -> None:
    assert releases.target(found([(3, "SUCCESSFUL")], 3), name)["name"] == "hello:1"


@pytest.mark.parametrize("name", ["latest", "sha256:12ab", "hello", "0", "-1", "1; rm", digest(1)[:-1]])
def test_what_names_no_release_is_refused(name: str) -> None:
    with pytest.raises(PlanRefusedError, match=r"such as 7 or hello-dev:7, or by its digest"):
        releases.target(found([], 3), name)


@pytest.mark.parametrize("name", ["9", "other:1", digest(9)])
def test_an_unknown_release_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(PlanRefusedError, match=r"no such release.*hello:3 \(current, succeeded\), hello:2"):
        releases.target(found([(3, "SUCCESSFUL")], 3), name)


def test_of_one_image_in_two_revisions_the_newest_is_meant_unless_one_runs() -> None:
    twins = [
        definition(1, f"{REGISTRY}/hello@{digest(8)}"),
        definition(2, f"{REGISTRY}/hello@{digest(8)}"),
        definition(3),
    ]
    for current, expected in ((3, 2), (1, 1)):
        every = releases.releases(service(current), twins, [])
        assert releases.target(every, digest(8))["revision"] == expected


def test_a_missing_image_is_refused_and_the_others_are_offered() -> None:
    history = [(1, "SUCCESSFUL"), (2, "SUCCESSFUL"), (3, "SUCCESSFUL")]
    held = {f"{REGISTRY}/hello": {digest(1), digest(3)}}
    every = releases.without_images(found(history, 3), held)
    with pytest.raises(PlanRefusedError, match=rf"hello:2 cannot be started: .*{digest(2)}.* can: hello:1\."):
        releases.target(every, "")
    with pytest.raises(PlanRefusedError, match=r"hello:2 cannot be started"):
        releases.target(every, "2")
    assert releases.target(every, "1")["revision"] == 1


def test_only_repositories_of_the_account_and_region_are_asked() -> None:
    images = [
        f"{REGISTRY}/team/hello@{digest(1)}",
        f"{REGISTRY}/other:tag",
        "222233334444.dkr.ecr.eu-west-1.amazonaws.com/hello:1",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/hello:1",
        "localhost:5000/hello:1",
    ]
    wanted = releases.repositories([{"images": images}], "111122223333", "eu-west-1")
    assert wanted == {f"{REGISTRY}/team/hello": "team/hello", f"{REGISTRY}/other": "other"}


def test_a_release_tells_what_ecs_keeps() -> None:
    tagged = definition(2, f"{REGISTRY}/hello:v2")
    history = deployed((2, "ROLLBACK_SUCCESSFUL"))
    history[0] |= {"reason": "circuit breaker", "digests": {"app": digest(7)}}
    (one,) = releases.releases(service(1), [tagged], history)
    assert one["digest"] == digest(7)
    assert f"{REGISTRY}/hello:v2@{digest(7)}" in one["images"]
    assert (one["verdict"], one["reason"], one["current"]) == ("failed", "circuit breaker", False)
    assert one["registered_by"].endswith("deployer/alice")
    assert releases.is_missing(f"{REGISTRY}/hello:v2@{digest(7)}", {f"{REGISTRY}/hello": {digest(7)}}) is False


def test_a_deployment_older_than_the_history_counts() -> None:
    old = {"taskDefinition": f"{PREFIX}1", "rolloutState": "COMPLETED", "createdAt": datetime(2026, 1, 1, tzinfo=UTC)}
    (one,) = releases.releases({**service(1), "deployments": [old]}, [definition(1)], [])
    assert (one["verdict"], one["deployed_at"]) == ("succeeded", "2026-01-01T00:00:00+00:00")


def test_the_table_marks_the_current_release() -> None:
    lines = releases.table(found([(1, "SUCCESSFUL"), (2, "SUCCESSFUL")], 2))
    assert [line[0] for line in lines] == [" ", "*", " "]
    assert "hello:2" in lines[1]
    assert lines[1].endswith("succeeded  assumed-role/deployer/alice")
    assert releases.table([]) == []
