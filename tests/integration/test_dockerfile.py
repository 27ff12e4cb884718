# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The app's Dockerfile through a real engine: what a change of the source builds again, and what it does not.

The program is smaller than the app, with one package from crates.io in place of many, so that this takes seconds. The
Dockerfile, Cargo's settings and the ignore file are the app's own; only the base image is one made of this machine's
toolchain.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import engine
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import Registry
from conftest import ROOT, LocalAws
from docker.errors import DockerException
from rust_image import import_image, remove_image

PACKAGE = "itoa"
MANIFEST = f'[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\n{PACKAGE} = "1"\n'
SOURCE = 'fn main() {\n    println!("{}", itoa::Buffer::new().format(NUMBER));\n}\n'
PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]


def engine_answers() -> bool:
    try:
        return bool(docker.from_env().ping())
    except (DockerException, OSError):
        return False


pytestmark = pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers")


@dataclass(frozen=True)
class App:
    """A program in the place of the app, and where its image goes."""

    folder: Path
    registry: Registry
    logs: Path

    def write(self, number: int) -> None:
        (self.folder / "src" / "main.rs").write_text(SOURCE.replace("NUMBER", f"{number}_u32"), encoding="utf-8")

    def build(self, tag: str) -> list[str]:
        """Builds and pushes; returns what the log says of each step that runs Cargo."""
        dockerfile = engine.Dockerfile(self.folder, "Dockerfile", ".dockerignore", PLATFORM, {})
        log = self.logs / tag
        assert engine.missing_engine(dockerfile) == ""
        assert engine.build_and_push(dockerfile, self.registry, tag, log).startswith("sha256:")
        steps = re.split(r"^Step \d+/\d+ : ", log.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return [step for step in steps if step.startswith("RUN")]

    def run(self, tag: str) -> str:
        name = f"{self.registry.host}/{self.registry.repository}:{tag}"
        try:
            return docker.from_env().containers.run(name, remove=True, read_only=True).decode().strip()
        finally:
            docker.from_env().images.remove(name)


def lock_file() -> str:
    """The lock of a program that needs one package, in the version that the app's own lock has."""
    packages = tomllib.loads((ROOT / "app" / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    (found,) = [package for package in packages if package["name"] == PACKAGE]
    fields = "".join(f'{key} = "{value}"\n' for key, value in found.items())
    own = f'[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["{PACKAGE}"]\n'
    return f"version = 4\n\n{own}\n[[package]]\n{fields}"


@pytest.fixture(scope="module")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home, folder = tmp_path_factory.mktemp("cargo"), tmp_path_factory.mktemp("fetch")
    plant(folder)
    environment = {**os.environ, "CARGO_HOME": str(home)}
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=folder, env=environment, check=True)
    name = f"gatehouse-test-{uuid.uuid4().hex}:latest"
    import_image(name, home)
    yield name
    remove_image(name)


def plant(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text("fn main() {}\n", encoding="utf-8")
    (folder / "Cargo.toml").write_text(MANIFEST, encoding="utf-8")
    (folder / "Cargo.lock").write_text(lock_file(), encoding="utf-8")


@pytest.fixture
def app(tmp_path: Path, base_image: str, local_aws: LocalAws) -> Iterator[App]:
    folder = tmp_path / "app"
    folder.mkdir()
    plant(folder)
    shutil.copytree(ROOT / "app" / ".cargo", folder / ".cargo")
    shutil.copy(ROOT / "app" / ".dockerignore", folder)
    recipe, bases = re.subn(r"^FROM rust:\S+ AS", f"FROM {base_image} AS", dockerfile_of_the_app(), flags=re.MULTILINE)
    assert bases == 1
    (folder / "Dockerfile").write_text(recipe, encoding="utf-8")
    ecr, name = local_aws.client("ecr"), "dockerfile"
    ecr.create_repository(repositoryName=name)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    yield App(folder, Registry(local_aws.environment["GATEHOUSE_REGISTRY"], name, f"Basic {token}"), tmp_path)
    ecr.delete_repository(repositoryName=name, force=True)


def dockerfile_of_the_app() -> str:
    return (ROOT / "app" / "Dockerfile").read_text(encoding="utf-8")


def test_a_changed_source_compiles_no_dependency(app: App) -> None:
    app.write(1)
    dependencies, program = app.build("first")
    assert f"Compiling {PACKAGE}" in dependencies
    assert "Compiling app" in program
    assert f"Compiling {PACKAGE}" not in program

    app.write(2)
    dependencies, program = app.build("second")
    assert "Using cache" in dependencies
    assert "Compiling" not in dependencies
    assert "Compiling app" in program
    assert f"Compiling {PACKAGE}" not in program
    # The program is static, for the image holds nothing else; and it is the new one.
    assert app.run("second") == "2"
    assert app.run("first") == "1"


def test_what_is_no_source_builds_nothing(app: App) -> None:
    app.write(1)
    app.build("first")
    (app.folder / "README.md").write_text("other", encoding="utf-8")
    assert all("Using cache" in step and "Compiling" not in step for step in app.build("second"))
    assert (app.run("first"), app.run("second")) == ("1", "1")
