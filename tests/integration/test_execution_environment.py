# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The execution environment runs the collection, in jobs for parts of an inventory as in one for the whole.

Its parts are installed as its build would, but into a folder and a virtual environment: what ansible-builder writes
says what. Only collections of others are taken from this machine in place of Galaxy. ansible-runner runs the jobs as
AWX does, with its cut of the inventory: sorted by name, every n-th host.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_collections
import pytest
import yaml
from accounts import EXTERNAL_ID, HOME, client, make_role, make_user, role_arn
from conftest import PARENT, ROOT, LocalAws, running_local_aws
from stack import SOURCE
from test_bad_input import GOOD

DEFINITION = ROOT / "execution-environment.yml"
# As users write them into their AWX project.
PROJECT = {
    f"{name}.yml": f"- ansible.builtin.import_playbook: gatehouse.fargate.{name}\n" for name in ("site", "rollout")
}
SETTINGS = "[defaults]\ncallbacks_enabled = gatehouse.fargate.plan\n"
VAULT_PASSWORD = "only-for-this-test"
FIRST = "env-a"
ACCOUNTS = {FIRST: "222233334444", "env-b": "333344445555", "env-c": "444455556666"}
SLICES = 2


@dataclass(frozen=True)
class Image:
    """What the definition makes: a build context, the collections, and the commands of its Python."""

    folder: Path

    @property
    def context(self) -> Path:
        return self.folder / "context"

    @property
    def collections(self) -> Path:
        return self.folder / "collections"

    def command(self, name: str) -> str:
        return str(self.folder / "python" / "bin" / name)

    def requirements(self) -> list[str]:
        """The Python packages by the definition's own words and by what the build finds in the collections."""
        script, found = self.context / "_build" / "scripts" / "introspect.py", self.folder / "requirements.txt"
        run(sys.executable, script, "introspect", self.collections, "--write-pip", found)
        (own,) = re.findall(r'^ARG ANSIBLE_INSTALL_REFS="(.*)"$', self.containerfile(), re.MULTILINE)
        lines = found.read_text(encoding="utf-8").splitlines()
        return [*own.split(), *(line.partition("#")[0].strip() for line in lines if line)]

    def containerfile(self) -> str:
        return (self.context / "Containerfile").read_text(encoding="utf-8")


def run(*command: object, **options: Any) -> str:
    words = list(map(str, command))
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"))
    shutil.copy(DEFINITION, made.folder)
    run("ansible-galaxy", "collection", "build", ROOT, "--output-path", made.folder)
    written = ["--file", made.folder / DEFINITION.name, "--context", made.context, "--output-filename", "Containerfile"]
    run("ansible-builder", "create", *written)
    for name in ("amazon/aws", "community/docker"):
        source = Path(next(iter(ansible_collections.__path__)), name)
        shutil.copytree(source, made.collections / "ansible_collections" / name)
    wanted = yaml.safe_load((made.context / "_build" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    settings = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(made.collections)}
    for one in wanted:
        archive = made.context / "_build" / one["name"]
        # Whatever else this machine has of it.
        options = ["--offline", "--force", "--collections-path", made.collections]
        run("ansible-galaxy", "collection", "install", archive, *options, env=settings)
    run(sys.executable, "-m", "venv", made.folder / "python")
    run(made.command("pip"), "install", "--quiet", "--disable-pip-version-check", *made.requirements())
    return made


@dataclass(frozen=True)
class Job:
    """What a job of AWX leaves."""

    status: int
    output: str
    plan: dict[str, Any]

    def changed(self) -> list[str]:
        return [change["name"] for host in self.plan["hosts"].values() for change in host["changes"]]


class Awx:
    """Runs jobs with the image, for somebody who may only take roles, in accounts that enforce policies."""

    def __init__(self, image: Image, aws: LocalAws, folder: Path) -> None:
        self.image, self.aws, self.folder = image, aws, folder
        app = folder / "app"
        (app / "out").mkdir(parents=True)
        (app / "main.c").write_text(SOURCE, encoding="utf-8")
        (app / ".dockerignore").write_text("out\n", encoding="utf-8")
        for account in ACCOUNTS.values():
            make_role(aws, account, external_id=EXTERNAL_ID)
        make_role(aws, HOME, "dns", trusted=[*ACCOUNTS.values()])
        self.user = make_user(aws)
        self.hosts = {name: self._variables(name) for name in ACCOUNTS}
        for name in ACCOUNTS:
            if name != FIRST:
                self.hosts[name]["stack_image_source"] = self.first_environment()

    def _variables(self, name: str) -> dict[str, Any]:
        return {
            **GOOD,
            "stack_name": name,
            "stack_role_arn": role_arn(ACCOUNTS[name]),
            "stack_role_external_id": "{{ vault_external_id }}",
            "stack_parent_domain": PARENT,
            "stack_parent_role_arn": role_arn(HOME, "dns"),
            "stack_domain": f"{name}.{PARENT}",
            "stack_app_path": str(self.folder / "app"),
            "stack_resolvers": [self.aws.environment["GATEHOUSE_RESOLVER"]],
            "stack_desired_count": 0,
            "stack_login": False,
            "stack_smoke_test": False,
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "gcc -static -o out/hello main.c",
            "ecr_image_artifact": "out/hello",
            "ecr_image_log_path": str(self.folder / "build.log"),
            "ecs_service_role_propagation": 0,
        }

    def first_environment(self) -> dict[str, Any]:
        """Where the image is, said without the host that a job may not have."""
        return {
            "repository": FIRST,
            "region": GOOD["stack_region"],
            "cluster": FIRST,
            "service": FIRST,
            "inherit": False,
            "role_arn": role_arn(ACCOUNTS[FIRST]),
            "external_id": "{{ vault_external_id }}",
        }

    def job(self, name: str, hosts: Sequence[str], playbook: str = "site", **variables: Any) -> Job:
        """Runs a playbook on an inventory that has these hosts alone, each in a group of its own."""
        data = self.folder / name
        groups = {f"wave_{host[-1]}": {"hosts": {host: {**self.hosts[host], **variables}}} for host in hosts}
        inventory = {"all": {"children": groups}}
        secrets = data / "inventory" / "group_vars" / "all.yml"
        files = {
            **{data / "project" / file: text for file, text in PROJECT.items()},
            data / "project" / "ansible.cfg": SETTINGS,
            data / "inventory" / "hosts.yml": yaml.safe_dump(inventory),
            secrets: yaml.safe_dump({"vault_external_id": EXTERNAL_ID}),
            data / "env" / "envvars": json.dumps(self._settings(data)),
            data / "env" / "cmdline": "--ask-vault-pass",
            data / "env" / "passwords": json.dumps({r"^Vault password:\s*?$": VAULT_PASSWORD}),
            data / "password": VAULT_PASSWORD,
        }
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        run(self.image.command("ansible-vault"), "encrypt", "--vault-password-file", data / "password", secrets)
        words = [self.image.command("ansible-runner"), "run", str(data), "--playbook", f"{playbook}.yml", "--quiet"]
        done = subprocess.run(words, env=self._outside(), check=False)
        (output,) = data.glob("artifacts/*/stdout")
        plan = data / "plan.json"
        return Job(
            done.returncode,
            output.read_text(encoding="utf-8"),
            json.loads(plan.read_text(encoding="utf-8")) if plan.exists() else {},
        )

    def _settings(self, data: Path) -> dict[str, str]:
        return {
            **self.aws.environment,
            **self.user,
            "ANSIBLE_COLLECTIONS_PATH": str(self.image.collections),
            "GATEHOUSE_PLAN_FILE": str(data / "plan.json"),
        }

    def _outside(self) -> dict[str, str]:
        """Nothing of the checkout's own environment but the compiler."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        return {**kept, "PATH": os.pathsep.join([str(Path(self.image.command("python")).parent), os.defpath])}


@pytest.fixture(scope="module")
def awx(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Awx]:
    folder = tmp_path_factory.mktemp("awx")
    with running_local_aws(folder / "aws", LOCAL_AWS_DOCKER="false", AUTH="true") as aws:
        yield Awx(image, aws, folder)


def slices(hosts: Sequence[str]) -> list[Sequence[str]]:
    """The inventories of a job template with a job slice count, as AWX cuts them."""
    return [sorted(hosts)[start::SLICES] for start in range(SLICES)]


def digest(aws: LocalAws, name: str) -> str:
    (image,) = client(aws, "ecr", ACCOUNTS[name]).describe_images(repositoryName=name)["imageDetails"]
    return str(image["imageDigest"])


def test_the_definition_installs_this_version_and_all_that_it_needs(image: Image) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    installed = image.collections / "ansible_collections" / "gatehouse" / "fargate" / "MANIFEST.json"
    assert json.loads(installed.read_text(encoding="utf-8"))["collection_info"]["version"] == version
    needed = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    # Collections and ansible-core come by themselves, not as the package that has them all.
    assert {line for line in needed if line and line[0] not in "#"} - {*image.requirements()} == {"ansible>=12,<13"}
    packages = json.loads(run(image.command("pip"), "list", "--format", "json", "--disable-pip-version-check"))
    assert {"ansible-core", "ansible-runner"} <= {one["name"].replace("_", "-") for one in packages}
    assert "ansible" not in {one["name"] for one in packages}


def test_jobs_for_slices_leave_what_one_job_for_all_would(awx: Awx) -> None:
    waves = {"rollout_waves": ["wave_a", "wave_b"], "rollout_approval": ["wave_b"]}
    first = awx.job("first", [FIRST, "env-b"], "rollout", **waves, approve=[])
    # There is a terminal, and nobody to answer: the wave that nobody approved ends the job.
    assert "Wave wave_b (env-b) waits for approval" in " ".join(first.output.split())
    verdicts = {name: host["report"].get("verdict") for name, host in first.plan["hosts"].items()}
    assert (first.status, verdicts[FIRST], verdicts.get("env-b")) == (2, "passed", None), first.output
    parts = slices([name for name in ACCOUNTS if name != FIRST])
    with ThreadPoolExecutor() as pool:
        jobs = list(pool.map(awx.job, ["slice-1", "slice-2"], parts))
    assert [job.status for job in jobs] == [0, 0], "\n".join(job.output for job in jobs)
    assert len({digest(awx.aws, name) for name in ACCOUNTS}) == 1
    whole = awx.job("whole", [*ACCOUNTS])
    assert whole.status == 0, whole.output
    assert whole.changed() == []
    assert {*whole.plan["hosts"]} == {*ACCOUNTS}


def test_a_slice_without_the_environment_that_it_names_says_what_to_give(awx: Awx) -> None:
    awx.aws.forget_calls()
    job = awx.job("lost", ["env-b"], stack_image_source=FIRST)
    assert job.status != 0
    message = " ".join(job.output.split())
    assert f"names {FIRST}, which is no environment of the inventory (env-b)" in message
    assert "give repository, region, cluster and service" in message
    assert awx.aws.calls() == []
