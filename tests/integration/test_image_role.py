# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The role ecr_image alone: one environment builds a C program, others take the image over, go back or refuse."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import LocalAws, PlaybookRun, run_playbook

PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - ansible.builtin.import_role: {name: gatehouse.fargate.ecr_image}
    - ansible.builtin.debug: {var: ecr_image}
"""
PROGRAM = '#include <stdio.h>\nint main(void) { puts("one"); return 0; }\n'
MAKEFILE = "out/hello: main.c\n\tmkdir -p out && gcc -static -DCOLOUR=$(colour) -o $@ main.c\n"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


class Environments:
    """Some environments of one app, each with a repository of its own."""

    def __init__(self, folder: Path, aws: LocalAws) -> None:
        self.app = folder / "app"
        self.app.mkdir()
        for name, text in {"main.c": PROGRAM, "Makefile": MAKEFILE, ".dockerignore": "out\n"}.items():
            (self.app / name).write_text(text, encoding="utf-8")
        self._folder = folder
        self._aws = aws
        self.ecr = aws.client("ecr")

    def run(self, name: str, *options: str, **variables: Any) -> PlaybookRun:
        """Brings one environment up to date; its neighbours are in the inventory too."""
        (self._folder / "play.yml").write_text(PLAY, encoding="utf-8")
        inventory = self._folder / "inventory.yml"
        hosts = {host: self._variables(host) for host in ("image-dev", "image-prod")}
        hosts[name].update(variables)
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        arguments = [str(self._folder / "play.yml"), "-i", str(inventory), "--limit", name, *options]
        return run_playbook(arguments, self._aws.environment)

    def _variables(self, name: str) -> dict[str, Any]:
        return {
            "stack_name": name,
            "stack_region": "eu-west-1" if name == "image-prod" else self._aws.environment["AWS_REGION"],
            "stack_app_path": str(self.app),
            "stack_architecture": ARCHITECTURE,
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "make -B",
            "ecr_image_artifact": "out/hello",
            "ecr_image_build_args": {"colour": 1},
            "ecr_image_log_path": str(self._folder / "build.log"),
        }

    def change(self, old: str, new: str) -> None:
        source = (self.app / "main.c").read_text(encoding="utf-8")
        (self.app / "main.c").write_text(source.replace(old, new), encoding="utf-8")


@pytest.fixture
def environments(tmp_path: Path, local_aws: LocalAws) -> Iterator[Environments]:
    found = Environments(tmp_path, local_aws)
    yield found
    for name, region in (("image-dev", None), ("image-prod", "eu-west-1")):
        ecr = local_aws.client("ecr", region)
        if any(repository["repositoryName"] == name for repository in ecr.describe_repositories()["repositories"]):
            ecr.delete_repository(repositoryName=name, force=True)


def handed_on(run: PlaybookRun, name: str) -> dict[str, Any]:
    assert run.failure(name) == ""
    assert run.status == 0, run.stderr
    results = [task["hosts"].get(name, {}) for play in run.report["plays"] for task in play["tasks"]]
    return dict(next(result["ecr_image"] for result in results if isinstance(result.get("ecr_image"), dict)))


def test_an_image_is_built_promoted_and_gone_back_to(environments: Environments) -> None:
    first = handed_on(environments.run("image-dev"), "image-dev")
    assert first["built"] is True
    again = environments.run("image-dev")
    assert handed_on(again, "image-dev") == {**first, "built": False}
    assert again.changed() == 0

    environments.change("one", "two")
    second = handed_on(environments.run("image-dev"), "image-dev")
    assert second["digest"] != first["digest"]

    back = handed_on(environments.run("image-dev", stack_image_digest=first["digest"]), "image-dev")
    assert back == {**first, "built": False}

    # From here on nothing could build it.
    shutil.rmtree(environments.app)
    source = {"environment": "image-dev", "tag": second["tag"]}
    predicted = handed_on(environments.run("image-prod", "--check", stack_image_source=source), "image-prod")
    run = environments.run("image-prod", stack_image_source=source)
    promoted = handed_on(run, "image-prod")
    assert promoted["digest"] == second["digest"] == predicted["digest"]
    assert promoted["source"] == second["image"]
    assert promoted["repository_uri"].endswith("eu-west-1.amazonaws.com/image-prod")
    assert environments.run("image-prod", stack_image_source=source).changed() == 0


def test_build_arguments_are_part_of_the_source(environments: Environments) -> None:
    one = handed_on(environments.run("image-dev"), "image-dev")
    other = handed_on(environments.run("image-dev", ecr_image_build_args={"colour": 2}), "image-dev")
    assert other["built"] is True
    assert other["tag"] != one["tag"]


def test_a_tag_of_another_source_is_refused(environments: Environments) -> None:
    first = handed_on(environments.run("image-dev"), "image-dev")
    environments.change("one", "two")
    tag = handed_on(environments.run("image-dev", "--check"), "image-dev")["tag"]
    manifest = environments.ecr.batch_get_image(
        repositoryName="image-dev", imageIds=[{"imageTag": first["tag"]}]
    )["images"][0]["imageManifest"]  # fmt: skip
    environments.ecr.put_image(repositoryName="image-dev", imageManifest=manifest, imageTag=tag)
    refused = environments.run("image-dev").failure("image-dev")
    assert f"has an image {tag}, but it was built from source " in refused
    assert "delete that image" in refused


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"stack_image_digest": "latest"}, "stack_image_digest (ecr_image_digest) is latest: write a digest like"),
        ({"stack_image_digest": f"sha256:{'f' * 64}"}, "has no such image: name a digest that it has"),
        ({"stack_image_source": "staging"}, "names staging, which is no environment of the inventory"),
        ({"stack_image_source": "image-dev"}, "is image-dev itself: name another environment"),
        ({"stack_image_source": {"region": "eu-west-1"}}, "names neither environment nor repository"),
        ({"stack_image_source": "image-prod"}, "Source repository image-prod does not exist"),
        ({"ecr_image_builder": "docker"}, "lacks what builder docker needs: add Dockerfile, or set"),
        (
            {"ecr_image_build_command": "", "ecr_image_artifact": ""},
            "lacks what builder oci needs: add Cargo.toml and Cargo.lock, or set",
        ),
        ({"ecr_image_size_limit": 1000}, "MB compressed, more than size_limit allows"),
        (
            {"ecr_image_build_command": "sh -c 'mkdir -p out && gcc -o out/hello main.c'"},
            "is not static: it needs libc.so.6",
        ),
    ],
)
def test_what_cannot_work_is_refused(environments: Environments, variables: dict[str, Any], message: str) -> None:
    run = environments.run("image-dev", **variables)
    assert run.status != 0
    assert message in run.failure("image-dev")
    repositories = environments.ecr.describe_repositories()["repositories"]
    if "image-dev" in [repository["repositoryName"] for repository in repositories]:
        assert environments.ecr.list_images(repositoryName="image-dev")["imageIds"] == []
