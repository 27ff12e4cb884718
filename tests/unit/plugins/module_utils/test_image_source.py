# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import source as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "target").mkdir()
    for name in ("Cargo.toml", "Cargo.lock", "Dockerfile", "README.md", "src/main.rs", "target/app"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "src/link").symlink_to("main.rs")
    (folder / ".dockerignore").write_text("target\nREADME.md\nDockerfile\n", encoding="utf-8")
    return folder


def source_hash(folder: Path, recipe: Any = None, platform: str = "linux/amd64") -> subject.SourceHash:
    return subject.source_hash(folder, "Dockerfile", ".dockerignore", recipe or {}, platform)


def test_the_hash_and_its_tag(app: Path) -> None:
    found = source_hash(app)
    assert re.fullmatch("[0-9a-f]{64}", found.hash)
    assert found.tag == f"src-{found.hash[:32]}"
    assert found.files == len([".dockerignore", "Cargo.toml", "Cargo.lock", "src/main.rs", "src/link"])


@pytest.mark.parametrize(
    "change",
    [
        lambda app: (app / "src/main.rs").write_text("other"),
        lambda app: (app / "src/main.rs").chmod(0o755),
        lambda app: (app / "src/main.rs").rename(app / "src/lib.rs"),
        lambda app: (app / "src/empty.rs").touch(),
        lambda app: (app / "src/empty").mkdir(),
        lambda app: (app / "src/link").unlink(),
        lambda app: ((app / "src/link").unlink(), (app / "src/link").symlink_to("other.rs")),
        lambda app: ((app / "src/link").unlink(), (app / "src/link").write_text("main.rs")),
        lambda app: (app / "Dockerfile").write_text("other, though it is left out of the context"),
        lambda app: (app / ".dockerignore").write_text("target\nREADME.md\nDockerfile\n# a note"),
    ],
)
def test_what_the_build_can_see_changes_the_hash(app: Path, change: Callable[[Path], Any]) -> None:
    before = source_hash(app).hash
    change(app)
    assert source_hash(app).hash != before


@pytest.mark.parametrize(
    "change",
    [
        lambda app: os.utime(app / "src/main.rs", (1, 1)),
        lambda app: (app / "README.md").write_text("other"),
        lambda app: (app / "target/app").write_text("other"),
        lambda app: (app / "src/main.rs").chmod(0o600),
        lambda app: shutil.rmtree(app / "target"),
    ],
)
def test_what_it_cannot_see_does_not(app: Path, change: Callable[[Path], Any]) -> None:
    before = source_hash(app).hash
    change(app)
    assert source_hash(app).hash == before


def test_the_same_source_elsewhere_has_the_same_hash(app: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(app.iterdir(), reverse=True):
        if path.is_dir():
            shutil.copytree(path, other / path.name, symlinks=True)
        else:
            shutil.copy(path, other / path.name)
    assert source_hash(other) == source_hash(app)


def test_recipe_and_platform_are_part_of_it(app: Path) -> None:
    hashes = [
        source_hash(app).hash,
        source_hash(app, {"builder": "oci"}).hash,
        source_hash(app, {"builder": "oci", "port": 1}).hash,
        source_hash(app, platform="linux/arm64").hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert source_hash(app, {"a": 1, "b": 2}) == source_hash(app, {"b": 2, "a": 1})


def test_names_cannot_be_taken_for_contents(tmp_path: Path) -> None:
    for name, files in {"one": {"a": "b\nc"}, "two": {"a": "b", "c": ""}, "three": {"a\nb": "", "c": ""}}.items():
        (tmp_path / name).mkdir()
        for file, content in {**files, "Dockerfile": ""}.items():
            (tmp_path / name / file).write_text(content, encoding="utf-8")
    assert len({source_hash(tmp_path / name).hash for name in ("one", "two", "three")}) == 3


def test_names_that_are_no_text_are_hashed_too(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").touch()
    hashes = set()
    for name in (b"\xff", b"\xfe"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
        hashes.add(source_hash(tmp_path).hash)
    assert len(hashes) == 2


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").touch()
    with (tmp_path / "large").open("wb") as large:
        large.truncate(200_000_000)
    tracemalloc.start()
    source_hash(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def many_small(folder: Path) -> None:
    for number in range(10_000):
        part = folder / str(number % 100)
        part.mkdir(exist_ok=True)
        (part / str(number)).write_text(f"file {number}\n" * 20, encoding="utf-8")


def one_large(folder: Path) -> None:
    with (folder / "large").open("wb") as large:
        large.truncate(1_000_000_000)


def processor_seconds(work: Callable[[], Any]) -> float:
    """What this process and its children used: other programs on the machine do not count."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


@pytest.mark.parametrize("fill", [many_small, one_large])
def test_it_takes_at_most_twice_as_long_as_sha256sum(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    (tmp_path / "Dockerfile").touch()
    fill(tmp_path)
    plain = ["find", str(tmp_path), "-type", "f", "-exec", "sha256sum", "{}", "+"]
    ours, theirs = [], []
    for _run in range(3):
        theirs.append(processor_seconds(lambda: subprocess.run(plain, stdout=subprocess.DEVNULL, check=True)))
        ours.append(processor_seconds(lambda: source_hash(tmp_path)))
    print(f"{min(ours):.2f} s, sha256sum {min(theirs):.2f} s")
    assert min(ours) <= 2 * min(theirs)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"Folder .*/none does not exist"):
        source_hash(tmp_path / "none")


def test_a_folder_that_nothing_says_how_to_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds neither Dockerfile nor Cargo"):
        source_hash(tmp_path)
    assert source_hash(tmp_path, {"build_command": "make"}).files == 0


def test_an_unreadable_file_is_refused(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(subject, "_content", lambda path, _entry: deny(path))
    with pytest.raises(
        ImageError, match=r"Cannot read the source: .*Permission denied.*leave it out in \.dockerignore"
    ):
        source_hash(app)


def test_a_malformed_ignore_file_is_refused(app: Path) -> None:
    (app / ".dockerignore").write_text("[", encoding="utf-8")
    with pytest.raises(ImageError, match="no pattern that Docker accepts"):
        source_hash(app)
