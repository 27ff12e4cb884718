# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way back: releases with their verdicts, from the account alone, and one command that returns to a good one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import LocalAws
from in_process import Modules
from small_service import SmallService, extra, results

NAME = "rollback"


@pytest.fixture(scope="module")
def small(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallService]:
    """A service with two good releases, and a third one that crashed and that ECS took back."""
    if local_aws.environment["LOCAL_AWS_DOCKER"] != "true":
        pytest.skip("no Docker engine answers")
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = SmallService(NAME, tmp_path_factory.mktemp(NAME), local_aws, Modules(local_aws, monkeypatch))
        found.found()
        for build in ("one", "two"):
            assert found.deploy(found.register(found.image(build)))["failed"] is False
        crashing = found.register(found.image("three"), environment={"MODE": "crash"})
        assert "failed" in found.deploy(crashing)["msg"]
        yield found
    found.ecs.delete_service(cluster=NAME, service=NAME, force=True)


def named(small: SmallService) -> dict[int, dict[str, object]]:
    listed = small.attempt("ecs_releases_info", name=NAME, cluster=NAME)
    return {release["revision"]: release for release in listed["releases"]}


def test_releases_are_listed_and_nothing_is_done(small: SmallService) -> None:
    small.aws.forget_calls()
    run = small.play("rollback", *extra(list=True))
    assert (run.status, run.changed(), small.aws.writes()) == (0, 0, [])
    (shown,) = results(run, "Show the releases")
    assert [line.lstrip("* ").split()[0] for line in shown["msg"]] == ["rollback:3", "rollback:2", "rollback:1"]
    assert shown["msg"][1].startswith("* ")
    releases = named(small)
    assert {number: one["verdict"] for number, one in releases.items()} == {1: "succeeded", 2: "succeeded", 3: "failed"}
    assert len({one["digest"] for one in releases.values()}) == 3
    assert all(one["registered_by"] and one["deployed_at"] and not one["missing_images"] for one in releases.values())


def test_what_ecs_took_back_needs_no_second_way_back(small: SmallService) -> None:
    run = small.play("rollback")
    assert (run.failure("small"), run.changed(), small.revision()) == ("", 0, 2)
    (said,) = results(run, "Say what runs, and what the next deployment does")
    assert "stays where it is" in said["msg"][0]


def test_a_named_release_runs_again(small: SmallService) -> None:
    small.aws.forget_calls()
    checked = small.play("rollback", "--check", *extra(release=1))
    assert small.aws.writes() == []
    (planned,) = results(checked, "Return the service to the release")
    assert small.revision() == 2

    run = small.play("rollback", *extra(release=1))
    assert run.failure("small") == ""
    (done,) = results(run, "Return the service to the release")
    assert done["changes"] == planned["changes"]
    assert done["rollback"]["release"]["verdict"] == "succeeded"
    assert small.revision() == 1
    assert [task["taskDefinitionArn"].rpartition(":")[2] for task in small.tasks()] == ["1"]
    (said,) = results(run, "Say what runs, and what the next deployment does")
    assert "rollback:1" in said["msg"][0]
    assert "stack_image_digest" in said["msg"][1]
    digest = str(named(small)[1]["digest"])
    tags = small.aws.client("ecr").describe_images(repositoryName=NAME, imageIds=[{"imageDigest": digest}])
    assert any(tag.startswith("live-") for tag in tags["imageDetails"][0]["imageTags"])

    again = small.play("rollback", *extra(release="rollback:1"))
    assert (again.failure("small"), again.changed()) == ("", 0)


def test_a_way_back_to_what_crashes_is_a_failure(small: SmallService) -> None:
    before = small.revision()
    run = small.play("rollback", *extra(release="3"))
    assert "The deployment of rollback:3 to service rollback failed." in run.failure("small")
    assert small.revision() == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"release": "latest"}, ["release", "'latest'", "revision", "digest"]),
        ({"release": "99"}, ["release", "'99'", "no such release", "rollback:2"]),
        ({"name": "nobody"}, ["nobody", "nothing to roll back"]),
        ({"cluster": "nowhere"}, ["nowhere", "nothing to roll back"]),
        ({"stack": "other"}, ["belongs to somebody else", "stack_adopt"]),
    ],
)
def test_what_cannot_be_is_refused(small: SmallService, given: dict[str, str], words: list[str]) -> None:
    small.aws.forget_calls()
    options = {"name": NAME, "cluster": NAME, "stack": NAME, "release": "1", **given}
    message = small.attempt("ecs_service_rollback", **options)["msg"]
    assert [word for word in words if word not in message] == []
    assert small.aws.writes() == []


@pytest.mark.parametrize("given", [{"list": "perhaps"}, {"release": ["1"]}])
def test_what_no_playbook_understands_is_refused(small: SmallService, given: dict[str, object]) -> None:
    small.aws.forget_calls()
    message = small.play("rollback", *extra(**given)).failure("small")
    assert f"{next(iter(given))} is '" in message
    assert small.aws.writes() == []


def test_a_release_whose_image_is_gone_is_refused(small: SmallService) -> None:
    digest = str(named(small)[2]["digest"])
    small.aws.client("ecr").batch_delete_image(repositoryName=NAME, imageIds=[{"imageDigest": digest}])
    small.aws.forget_calls()
    message = small.play("rollback", *extra(release="2")).failure("small")
    assert "rollback:2 cannot be started: " in message
    assert f"{digest} is not in the registry" in message
    assert small.aws.writes() == []
