# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import build_command, builders, engine
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import Registry

GNU = "x86_64-unknown-linux-gnu"
NOBODY = Registry("http://127.0.0.1:9", "hello", "")


@pytest.fixture
def request_(tmp_path: Path) -> builders.Request:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / ".dockerignore").write_text("target\n", encoding="utf-8")
    (folder / "Cargo.toml").write_text('[package]\nname = "hello"\n', encoding="utf-8")
    return builders.Request(
        folder=folder,
        platform="linux/amd64",
        builder="oci",
        dockerfile="Dockerfile",
        dockerignore=".dockerignore",
        build_command="",
        artifact="",
        port=3000,
        user=65532,
        build_args={},
        labels={},
        certificates=None,
        size_limit=0,
        log=tmp_path / "logs" / "build.log",
    )


def says(reason: str) -> Callable[[], str]:
    return lambda: reason


@pytest.mark.parametrize(
    ("wanted", "docker", "oci", "chosen"),
    [
        ("auto", "", "", "docker"),
        ("auto", "no engine", "", "oci"),
        ("auto", "", "no cargo", "docker"),
        ("docker", "", "no cargo", "docker"),
        ("oci", "", "", "oci"),
    ],
)
def test_the_documented_order(wanted: str, docker: str, oci: str, chosen: str) -> None:
    assert builders.choose(wanted, {"docker": says(docker), "oci": says(oci)}) == chosen


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("auto", "docker: no engine; oci: no cargo. Mend one of these"),
        ("docker", "Builder docker cannot build the image. docker: no engine. Mend"),
        ("oci", "Builder oci cannot build the image. oci: no cargo. Mend"),
    ],
)
def test_neither_builder_is_an_error_with_both_reasons(wanted: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        builders.choose(wanted, {"docker": says("no engine"), "oci": says("no cargo")})


def test_nobody_asks_for_docker_when_it_is_not_wanted() -> None:
    def never() -> str:
        raise AssertionError

    assert builders.choose("oci", {"docker": never, "oci": says("")}) == "oci"


@pytest.mark.parametrize(
    ("cargo", "artifact"),
    [
        ('[package]\nname = "hello"\n', f"target/{GNU}/release/hello"),
        ('[package]\nname = "hello"\n[[bin]]\nname = "serve"\n', f"target/{GNU}/release/serve"),
    ],
)
def test_what_cargo_does_by_default(
    request_: builders.Request, monkeypatch: pytest.MonkeyPatch, cargo: str, artifact: str
) -> None:
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    (request_.folder / "Cargo.toml").write_text(cargo, encoding="utf-8")
    build = request_.with_command()
    assert build.command == ("cargo", "build", "--release", "--locked", "--target", GNU)
    assert str(build.artifact) == artifact


def test_cargo_may_build_elsewhere_and_for_arm(request_: builders.Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", "/elsewhere")
    build = dataclasses.replace(request_, platform="linux/arm64").with_command()
    assert re.fullmatch(r"/elsewhere/gatehouse-\w{16}/aarch64-unknown-linux-gnu/release/hello", str(build.program))


@pytest.mark.parametrize(
    ("cargo", "message"),
    [
        ('[[bin]]\nname = "a"\n[[bin]]\nname = "b"\n', "does not name exactly one program: set artifact"),
        ("[workspace]\n", "does not name exactly one program: set artifact"),
        ("[", "Cargo.toml in .* cannot be read"),
        (None, "holds no Cargo.toml: set build_command and artifact"),
    ],
)
def test_when_cargo_leaves_it_open(request_: builders.Request, cargo: str | None, message: str) -> None:
    (request_.folder / "Cargo.toml").unlink()
    if cargo:
        (request_.folder / "Cargo.toml").write_text(cargo, encoding="utf-8")
    with pytest.raises(ImageError, match=message):
        request_.with_command()


def test_what_stands_in_the_way_of_the_command(request_: builders.Request) -> None:
    def obstacle(build_command: str) -> str:
        request = dataclasses.replace(request_, artifact="target/x", build_command=build_command)
        return builders.obstacles(request)["oci"]()

    assert obstacle("no-such-program-here x") == ("the build command's program no-such-program-here is not installed")
    assert obstacle("./none.sh") == "the build command's program ./none.sh is not installed"
    assert obstacle("sh -c true") == ""
    (request_.folder / "Cargo.toml").unlink()
    assert "holds no Cargo.toml" in builders.obstacles(request_)["oci"]()


def with_script(request: builders.Request, script: str) -> builders.Request:
    return dataclasses.replace(request, build_command=f"sh -c '{script}'", artifact="target/app")


def test_a_failed_build_names_its_log_shows_its_end_and_pushes_nothing(request_: builders.Request) -> None:
    request = with_script(request_, "seq 1 100; echo broken >&2; exit 3")
    builders.open_log(request.log)
    with pytest.raises(ImageError) as caught:
        builders.build_and_push("oci", request, NOBODY, "src-1")
    message = str(caught.value)
    assert f"ended with code 3; nothing was pushed. The whole log is {request.log}; it ends:" in message
    assert message.endswith("100\nbroken\n")
    assert "\n50\n" not in message
    assert "\n50\n" in request.log.read_text(encoding="utf-8")


def test_the_log_grows_while_the_build_runs(request_: builders.Request) -> None:
    request = with_script(request_, f"echo first; grep -c first {request_.log} > grown")
    builders.open_log(request.log)
    with pytest.raises(ImageError, match="made no target/app"):
        builders.build_and_push("oci", request, NOBODY, "src-1")
    # The command line is in the log too.
    assert (request.folder / "grown").read_text(encoding="utf-8").strip() == "2"


def test_a_program_that_is_not_static_is_not_pushed(request_: builders.Request) -> None:
    request = with_script(request_, "mkdir -p target; echo script > target/app")
    builders.open_log(request.log)
    with pytest.raises(ImageError, match="is no 64-bit Linux program"):
        builders.build_and_push("oci", request, NOBODY, "src-1")


ALONE = "mkdir busy; sleep 0.5; rmdir busy; echo done; exit 3"


def test_builds_in_one_folder_wait_for_each_other_and_say_so(request_: builders.Request, tmp_path: Path) -> None:
    request = with_script(request_, ALONE)
    logs = [tmp_path / name / "build.log" for name in ("first", "second")]

    def build(log: Path) -> str:
        builders.open_log(log)
        with pytest.raises(ImageError, match="ended with code 3"):
            builders.build_and_push("oci", dataclasses.replace(request, log=log), NOBODY, "src-1")
        return log.read_text(encoding="utf-8")

    with ThreadPoolExecutor() as threads:
        texts = list(threads.map(build, logs))
    # A second mkdir at the same time would fail.
    assert [text.splitlines()[-1:] for text in texts] == [["done"], ["done"]]
    assert not any("cannot create directory" in text for text in texts)
    assert sum(f"Waits for another build in {request.folder}." in text for text in texts) == 1


def test_a_result_that_counts_as_source_is_refused_before_the_build(request_: builders.Request) -> None:
    (request_.folder / ".dockerignore").unlink()
    request = with_script(request_, "touch built")
    with pytest.raises(ImageError, match=r"target/app would count as source: add its folder to \.dockerignore"):
        builders.build_and_push("oci", request, NOBODY, "src-1")
    assert not (request.folder / "built").exists()


def test_the_log_is_new_and_private(request_: builders.Request) -> None:
    request_.log.parent.mkdir()
    request_.log.symlink_to(request_.folder / "Cargo.toml")
    builders.open_log(request_.log)
    assert request_.log.read_text(encoding="utf-8") == ""
    assert stat.S_IMODE(os.lstat(request_.log).st_mode) == 0o600
    assert (request_.folder / "Cargo.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("dockerfile", "images"),
    [
        ("FROM rust:1.95\n", ["rust:1.95"]),
        ("FROM rust:1.95 AS build\nFROM scratch\nCOPY --from=build /app /app\n", ["rust:1.95"]),
        ("FROM a as Build\nFROM build\nFROM b\n", ["a", "b"]),
        ("FROM --platform=linux/amd64 a AS x\n", ["a"]),
        ("FROM a\nCOPY --from=0 /x /\nCOPY --chown=1 --from=busybox:1 /y /\n", ["a", "busybox:1"]),
        (
            "ARG VERSION=1.95\nARG BASE\nFROM rust:${VERSION}\nFROM ${BASE:-debian}\nFROM x$VERSION\n",
            ["rust:1.95", "debian", "x1.95"],
        ),
        ("# FROM nothing\nfrom a\n", ["a"]),
        ("FROM scratch\n", []),
    ],
)
def test_the_base_images_of_a_dockerfile(dockerfile: str, images: list[str]) -> None:
    assert engine.base_images(dockerfile) == images


def test_obstacles_to_docker_that_need_no_engine(request_: builders.Request, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = builders.obstacles(request_)["docker"]
    assert ask().startswith("there is no Dockerfile in ")
    (request_.folder / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    assert "no Docker engine answers" in ask()
    monkeypatch.setattr(engine, "HAS_DOCKER", False)
    assert ask() == "the Python package docker is not installed"


def test_a_missing_program_beats_a_missing_artifact(tmp_path: Path) -> None:
    build = build_command.build_of(tmp_path, "./build.sh", "out/app", "linux/amd64")
    assert build_command.missing_program(build)
    (tmp_path / "build.sh").touch()
    assert not build_command.missing_program(build)


def crate(folder: Path, text: str) -> Path:
    """One of two apps that were started from the same template: same name, same version, other source."""
    (folder / "src").mkdir(parents=True)
    manifest = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n'
    (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
    (folder / "Cargo.lock").write_text(
        'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n', encoding="utf-8"
    )
    main = folder / "src" / "main.rs"
    main.write_text(f'fn main() {{ println!("{text}"); }}\n', encoding="utf-8")
    os.utime(main, (1, 1))
    return folder


@pytest.mark.skipif(not shutil.which("cargo"), reason="Cargo is not installed")
def test_two_apps_of_one_name_share_a_target_folder_and_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path / "shared"))
    platform = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
    builds = {
        text: build_command.build_of(crate(tmp_path / text, text), "", "", platform) for text in ("first", "second")
    }
    for build in builds.values():
        build_command.run_build(build, tmp_path / "log")
    said = {
        text: subprocess.run([build.program], capture_output=True, text=True, check=True)
        for text, build in builds.items()
    }
    assert {text: run.stdout.strip() for text, run in said.items()} == {"first": "first", "second": "second"}


def test_a_target_folder_of_the_app_itself_is_taken_as_it_is(
    request_: builders.Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", "/elsewhere")
    build = dataclasses.replace(request_, build_args={"CARGO_TARGET_DIR": "target/own"}).with_command()
    assert build.program == request_.folder / "target" / "own" / GNU / "release" / "hello"
    assert build.arguments["CARGO_TARGET_DIR"] == "target/own"
    named = dataclasses.replace(request_, artifact="out/hello", build_command="make").with_command()
    assert named.arguments == {}


def test_the_engines_pieces_join_to_the_lines_that_the_build_wrote() -> None:
    events: list[dict[str, str]] = [
        {"stream": "Step 1/1 : RUN cargo build"},
        {"stream": "\n"},
        {"stream": "\x1b[91m   Compil\x1b[0m"},
        {"stream": "\x1b[91ming app\n\x1b[0m"},
        {"status": "Pushing", "progress": "[=>  ]"},
        {"status": "Pushed"},
    ]
    assert "".join(map(engine._said, events)) == "Step 1/1 : RUN cargo build\n   Compiling app\nPushed\n"
