# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a change of the source does to a running stack; the tests build on one another, in order."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
import converged
from stack import client, containers_run, visitor

NAME = "rebuild-test"
HOST = "rebuild.gatehouse.localhost"
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
APP = EPHEMERAL / "app"
GREETING = "Hello World from Rust app"
OTHER_GREETING = "Hello again from Rust app"


converge = partial(converged.converge, NAME)


def deployed() -> str:
    """The digest that the service stands on."""
    ecs = client("ecs")
    (service,) = ecs.describe_services(cluster=NAME, services=[NAME])["services"]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"].partition("@")[2])


def images() -> dict[str, list[str]]:
    found = client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    return {image["imageDigest"]: image["imageTags"] for image in found}


def require_served(text: str) -> None:
    if containers_run():
        page = visitor().get(f"https://{HOST}/")
        assert page.status == 200
        assert text in page.text


def sources_with(text: str) -> list[Path]:
    return [path for path in (APP / "src").iterdir() if text in path.read_text(encoding="utf-8")]


def replace(old: str, new: str) -> None:
    changed = sources_with(old)
    assert changed
    for path in changed:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def first() -> str:
    return deployed()


def test_the_first_image_is_served_and_kept(first: str) -> None:
    assert [tag for tag in images()[first] if tag.startswith("live-")] == [f"live-{first[7:39]}"]
    require_served(GREETING)


def test_what_is_no_source_builds_nothing(first: str) -> None:
    for path in APP.rglob("*"):
        os.utime(path, (1, 1))
    (APP / "README.md").write_text("other", encoding="utf-8")
    (APP / "tests" / "new.rs").write_text("ignored", encoding="utf-8")
    run = converge()
    assert (run.failure, run.builds, run.changed) == ("", 0, [])
    assert deployed() == first


def test_a_build_that_fails_leaves_the_service_alone(first: str) -> None:
    main = APP / "src" / "main.rs"
    before = main.read_text(encoding="utf-8")
    main.write_text(f"{before}\nthis is no Rust\n", encoding="utf-8")
    run = converge()
    main.write_text(before, encoding="utf-8")
    assert run.status != 0
    assert run.builds == 1
    assert "nothing was pushed. The whole log is " in run.failure
    assert f"{NAME} | error" in run.stderr
    assert list(images()) == [first]
    assert deployed() == first
    require_served(GREETING)


def test_a_changed_line_is_built_once_and_served(first: str) -> None:
    replace(GREETING, OTHER_GREETING)
    run = converge()
    assert (run.failure, run.builds) == ("", 1)
    assert f"{NAME} | $ cargo build --release --locked" in run.stderr
    assert deployed() != first
    require_served(OTHER_GREETING)


def test_the_change_taken_back_finds_the_old_image(first: str) -> None:
    replace(OTHER_GREETING, GREETING)
    run = converge()
    assert (run.failure, run.builds) == ("", 0)
    assert deployed() == first
    require_served(GREETING)


def test_a_digest_can_be_named_instead(first: str) -> None:
    (other,) = {*images()} - {first}
    run = converge("--extra-vars", f"stack_image_digest={other}")
    assert (run.failure, run.builds) == ("", 0)
    assert deployed() == other
    require_served(OTHER_GREETING)


def test_a_digest_that_is_not_there_is_refused(first: str) -> None:
    before = deployed()
    run = converge("--extra-vars", f"stack_image_digest=sha256:{'f' * 64}")
    assert run.status != 0
    assert f"repository {NAME} in ap-northeast-1 has no such image" in run.failure
    assert deployed() == before != first
