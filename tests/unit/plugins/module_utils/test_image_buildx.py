# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Buildx through an executable that writes down how it is called, for machines where buildx is not installed."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import buildx as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import engine
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

RECORDER = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[1:] == ["buildx", "version"]:
    sys.exit(int((here / "installed").read_text()))
(here / "call.json").write_text(json.dumps([sys.argv, os.environ.get("colour")]))
(here / "context.tar").write_bytes(sys.stdin.buffer.read())
print("#1 building", flush=True)
sys.exit(int((here / "status").read_text()))
"""


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docker").write_text(RECORDER, encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    for name in ("installed", "status"):
        (tmp_path / name).write_text("0", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def recipe(folder: Path, arguments: Mapping[str, str]) -> engine.Dockerfile:
    folder.mkdir(exist_ok=True)
    for name in ("Dockerfile", "app", "secret"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / ".dockerignore").write_text("secret\n", encoding="utf-8")
    return engine.Dockerfile(folder, "Dockerfile", ".dockerignore", "linux/arm64", {"a": "b c"}, arguments)


@pytest.mark.parametrize(("code", "installed"), [("0", True), ("1", False)])
def test_it_is_asked_whether_it_is_there(recorder: Path, code: str, installed: bool) -> None:
    (recorder / "installed").write_text(code, encoding="utf-8")
    assert subject.is_installed() is installed


def test_without_docker_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not subject.is_installed()


def build(recorder: Path) -> tuple[Any, str]:
    log = recorder / "log"
    with log.open("a", encoding="utf-8") as output:
        dockerfile = recipe(recorder / "app-folder", {"colour": "deep blue"})
        engine._build_logged(None, dockerfile, "registry/hello:src-1", lambda *_: "", output)
    return json.loads((recorder / "call.json").read_text(encoding="utf-8")), log.read_text(encoding="utf-8")


def test_the_command_and_its_context(recorder: Path) -> None:
    (words, colour), log = build(recorder)
    assert words[1:] == [
        *("buildx", "build", "--load", "--progress", "plain", "--provenance", "false"),
        *("--platform", "linux/arm64", "--file", "Dockerfile", "--tag", "registry/hello:src-1"),
        *("--label", "a=b c", "--build-arg", "colour", "-"),
    ]
    assert colour == "deep blue"
    with tarfile.open(fileobj=io.BytesIO((recorder / "context.tar").read_bytes())) as context:
        assert sorted(context.getnames()) == [".dockerignore", "Dockerfile", "app"]
    assert log == "#1 building\n"


def test_a_failed_build_names_its_log(recorder: Path) -> None:
    (recorder / "status").write_text("7", encoding="utf-8")
    with pytest.raises(ImageError, match=r"(?s)buildx ended with code 7; nothing was pushed.*log; it ends:.*building"):
        build(recorder)
