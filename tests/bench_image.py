# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Measures the way from source to pushed image beside the plain recipe, and writes docs/performance-image.md.

The plain recipe is one stage: `COPY . .` and `cargo build --release` on the Rust image, which is also what runs.
What this machine cannot run is said to be so, not estimated.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import docker
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import engine, oci
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.build_command import Build, build_of, run_build
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.connection import Registry
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.elf import require_static
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.registry import push
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.source import source_hash
from docker.errors import DockerException

ROOT = Path(__file__).resolve().parent.parent
CTL = ROOT / "tests" / "local_aws" / "ctl.py"
REPORT = ROOT / "docs" / "performance-image.md"
BASE_IMAGE = "rust:1.95"
PLAIN = f"FROM {BASE_IMAGE}\nWORKDIR /app\nCOPY . .\nRUN cargo build --release --locked\n"
PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
NOT_RUN = "not run"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    gatehouse: str
    plain: str
    how: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=4640, help="port of the local AWS that is pushed to")
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        rows, notes = measure(Path(folder), port)
    text = report(rows, notes)
    REPORT.write_text(text, encoding="utf-8")
    print(text)


def measure(folder: Path, port: int) -> tuple[list[Row], list[str]]:
    app = folder / "app"
    shutil.copytree(ROOT / "app", app, ignore=shutil.ignore_patterns("target"))
    obstacle = why_plain_cannot_run()
    plain_times = plain_builds(app) if not obstacle else None
    cold, warm, image = own_builds(app, folder)
    cold_plain, warm_plain = cargo_twice(app, folder / "plain-1", folder / "plain-2")
    size_plain = plain_times[2] if plain_times else NOT_RUN
    rows = [
        Row(
            "image size", megabytes(sum(blob.size for blob in image.blobs)), size_plain, "compressed, as ECR counts it"
        ),
        Row("cold build", seconds(cold), plain_times[0] if plain_times else NOT_RUN, "nothing built before"),
        Row("warm build", seconds(warm), plain_times[1] if plain_times else NOT_RUN, "after a change of one line"),
        Row("cold build, Cargo alone", seconds(cold), seconds(cold_plain), "what runs inside either recipe"),
        Row("warm build, Cargo alone", seconds(warm), seconds(warm_plain), "the plain recipe loses its target folder"),
        Row("hash", seconds(timed(lambda: hash_of(app))), "none: builds every time", "best of three"),
        *push_rows(image, port),
    ]
    notes = [f"The plain recipe was not run as a whole: {obstacle}."] if obstacle else []
    return rows, notes


def why_plain_cannot_run() -> str:
    try:
        client = docker.from_env(timeout=engine.PROBE_SECONDS)
        client.ping()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers ({error})"
    return "" if engine._is_to_be_had(client, BASE_IMAGE) else f"the base image {BASE_IMAGE} cannot be had here"


def plain_builds(app: Path) -> tuple[str, str, str]:
    """Returns the time of a cold and of a warm build, and the size of the image before compression."""
    client = docker.from_env()
    if not client.images.list(BASE_IMAGE):
        client.images.pull(BASE_IMAGE)
    (app / "Plain.Dockerfile").write_text(PLAIN, encoding="utf-8")

    def build() -> None:
        client.images.build(path=str(app), dockerfile="Plain.Dockerfile", tag="gatehouse-bench-plain", rm=True)

    cold = timed(build, 1)
    with changed_line(app):
        warm = timed(build, 1)
    size = client.images.get("gatehouse-bench-plain").attrs["Size"]
    client.images.remove("gatehouse-bench-plain", force=True)
    (app / "Plain.Dockerfile").unlink()
    return seconds(cold), seconds(warm), f"{megabytes(size)} before compression"


def own_builds(app: Path, folder: Path) -> tuple[float, float, oci.Image]:
    """Builds with the builder oci: cold, then after a change of one line; Cargo's target folder stays."""
    default = build_of(app, "", "", PLATFORM)
    artifact = Path("target", *default.artifact.parts[-3:])
    build = Build(app, default.command, artifact, {"CARGO_TARGET_DIR": str(app / "target")})
    log = folder / "build.log"
    image: list[oci.Image] = []

    def run(out: str) -> Callable[[], None]:
        def once() -> None:
            run_build(build, log)
            require_static(build.program, PLATFORM)
            (folder / out).mkdir()
            image.append(oci.assemble(oci.Contents(build.program, PLATFORM, 65532, 3000), folder / out))

        return once

    cold = timed(run("cold"), 1)
    with changed_line(app):
        warm = timed(run("warm"), 1)
    return cold, warm, image[0]


def cargo_twice(app: Path, first: Path, second: Path) -> tuple[float, float]:
    """`COPY . .` before the build loses the target folder with every change, so both builds start from nothing."""

    def build(target: Path) -> Callable[[], None]:
        words = ["cargo", "build", "--release", "--locked", "--quiet"]
        environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
        return lambda: subprocess.run(words, cwd=app, env=environment, check=True) and None

    cold = timed(build(first), 1)
    with changed_line(app):
        return cold, timed(build(second), 1)


@contextmanager
def changed_line(app: Path) -> Iterator[None]:
    """Changes one line of the source, and takes it back."""
    main = app / "src" / "main.rs"
    before = main.read_text(encoding="utf-8")
    main.write_text(f"{before}\n#[used]\nstatic CHANGED: u8 = 1;\n", encoding="utf-8")
    yield
    main.write_text(before, encoding="utf-8")


def hash_of(app: Path) -> str:
    return source_hash(app, "Dockerfile", ".dockerignore", {}, PLATFORM).hash


def push_rows(image: oci.Image, port: int) -> list[Row]:
    """Pushes to the local AWS: once with nothing there, and once with everything there."""
    with local_registry(port) as registry:
        first = timed(lambda: push(registry, image, "first"), 1)
        second = timed(lambda: push(registry, image, "second"), 1)
    return [
        Row("push", seconds(first), NOT_RUN, "to a registry on this machine"),
        Row("push again", seconds(second), NOT_RUN, "every blob is there already"),
    ]


@contextmanager
def local_registry(port: int) -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as state:
        subprocess.run(["python3", str(CTL), "start", "--state", state, "--port", str(port)], check=True)
        try:
            lines = Path(state, "env").read_text(encoding="utf-8").splitlines()
            yield registry_of(dict(line.split("=", 1) for line in lines if "=" in line))
        finally:
            subprocess.run(["python3", str(CTL), "stop", "--state", state], check=True)


def registry_of(aws: dict[str, str]) -> Registry:
    ecr = boto3.client(
        "ecr", aws["AWS_REGION"], endpoint_url=aws["AWS_ENDPOINT_URL"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"], aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    ecr.create_repository(repositoryName="bench")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return Registry(aws["GATEHOUSE_REGISTRY"], "bench", f"Basic {token}")


def timed(work: Callable[[], object], times: int = 3) -> float:
    """Returns the shortest time of several."""
    found = []
    for _run in range(times):
        started = time.monotonic()
        work()
        found.append(time.monotonic() - started)
    return min(found)


def seconds(value: float) -> str:
    if value < 0.1:
        return f"{1000 * value:.1f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:.2f} MB"


def report(rows: list[Row], notes: list[str]) -> str:
    lines = [
        "# How fast the image is",
        "",
        f"Written by `make bench-image` on {platform.machine()} with {os.cpu_count()} processors, at a load of",
        f"{os.getloadavg()[1]:.1f} over five minutes. Gatehouse is the builder `oci`; the plain recipe is one stage of",
        "`COPY . .` and `cargo build --release` whose builder image is what runs.",
        "",
        "| | Gatehouse | plain recipe | measured |",
        "|---|---|---|---|",
        *(f"| {row.what} | {row.gatehouse} | {row.plain} | {row.how} |" for row in rows),
    ]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


if __name__ == "__main__":
    main()
