# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From one account to another: what the service of the first runs is what the second gets; skopeo reads both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from conftest import LocalAws, PlaybookRun, run_playbook
from test_image_role import ARCHITECTURE, PLAY, PROGRAM, handed_on

STAGING, PRODUCTION = "111122223333", "999988887777"
REGIONS = {"staging": "ap-northeast-1", "production": "eu-west-1"}
SKOPEO = shutil.which("skopeo")
PROFILES = f"""[staging]
aws_access_key_id = {STAGING}
aws_secret_access_key = anything
"""


class Accounts:
    """An environment in each of two accounts; the second reads the first with a profile."""

    def __init__(self, folder: Path, aws: LocalAws) -> None:
        self.aws, self.folder = aws, folder
        self.app = folder / "app"
        self.app.mkdir()
        (self.app / ".dockerignore").write_text("out\n", encoding="utf-8")
        (folder / "credentials").write_text(PROFILES, encoding="utf-8")
        (folder / "play.yml").write_text(PLAY, encoding="utf-8")

    def client(self, service: str, environment: str) -> Any:
        account = STAGING if environment == "staging" else PRODUCTION
        return boto3.client(
            service, region_name=REGIONS[environment], endpoint_url=self.aws.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=account, aws_secret_access_key="anything",
        )  # fmt: skip

    def run(self, environment: str, *options: str, **variables: Any) -> PlaybookRun:
        """Brings one environment up to date with the credentials of its account."""
        hosts = {name: self._variables(name, region) for name, region in REGIONS.items()}
        hosts[environment].update(variables)
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        credentials = {
            "AWS_ACCESS_KEY_ID": STAGING if environment == "staging" else PRODUCTION,
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "credentials"),
        }
        arguments = [str(self.folder / "play.yml"), "-i", str(inventory), "--limit", environment, *options]
        return run_playbook(arguments, {**self.aws.environment, **credentials})

    def _variables(self, name: str, region: str) -> dict[str, Any]:
        return {
            "stack_name": name,
            "stack_region": region,
            "stack_app_path": str(self.app),
            "stack_architecture": ARCHITECTURE,
            "ecr_image_builder": "oci",
            "ecr_image_build_command": "sh -c 'mkdir -p out && gcc -static -o out/hello main.c'",
            "ecr_image_artifact": "out/hello",
            "ecr_image_log_path": str(self.folder / "build.log"),
        }

    def build(self, word: str) -> dict[str, Any]:
        (self.app / "main.c").write_text(PROGRAM.replace("one", word), encoding="utf-8")
        return handed_on(self.run("staging"), "staging")

    def deploy(self, image: str) -> None:
        """Lets staging's service run the image, as the role ecs_service does after the role ecr_image."""
        ecs = self.client("ecs", "staging")
        container = {"name": "app", "image": image, "essential": True}
        definition = ecs.register_task_definition(
            family="staging", containerDefinitions=[container], requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc", cpu="256", memory="512",
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        ec2 = self.client("ec2", "staging")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        ecs.create_cluster(clusterName="staging")
        ecs.create_service(
            cluster="staging", serviceName="staging", taskDefinition=definition, desiredCount=1,
            launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
        )  # fmt: skip
        wait_for_success(ecs)


def wait_for_success(ecs: Any) -> None:
    for _second in range(60):
        found = ecs.list_service_deployments(cluster="staging", service="staging")["serviceDeployments"]
        if [one["status"] for one in found] == ["SUCCESSFUL"]:
            return
        time.sleep(1)
    raise AssertionError(found)


@pytest.fixture(scope="module")
def accounts(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    return Accounts(tmp_path_factory.mktemp("accounts"), own_aws)


@pytest.fixture(scope="module")
def deployed(accounts: Accounts) -> dict[str, Any]:
    """What staging runs; a newer image is in its repository, but was never deployed."""
    image = accounts.build("deployed")
    accounts.deploy(image["image"])
    assert accounts.build("newer")["digest"] != image["digest"]
    return image


@pytest.fixture(scope="module")
def promoted(accounts: Accounts, deployed: dict[str, Any]) -> dict[str, Any]:
    source = {"environment": "staging", "profile": "staging"}
    run = accounts.run("production", stack_image_source=source)
    assert f"have the same digest {deployed['digest']}" in run.output
    return handed_on(run, "production")


def test_production_gets_what_staging_runs(promoted: dict[str, Any], deployed: dict[str, Any]) -> None:
    assert promoted["digest"] == deployed["digest"]
    assert promoted["tag"] == deployed["tag"]
    assert promoted["source"] == deployed["image"]
    assert promoted["source"].startswith(f"{STAGING}.dkr.ecr.ap-northeast-1.")
    assert promoted["image"].startswith(f"{PRODUCTION}.dkr.ecr.eu-west-1.")


def test_the_same_again_changes_nothing(accounts: Accounts, promoted: dict[str, Any]) -> None:
    again = accounts.run("production", stack_image_source={"environment": "staging", "profile": "staging"})
    assert again.changed() == 0
    assert handed_on(again, "production") == promoted


@pytest.mark.usefixtures("deployed")
def test_without_the_profile_the_other_account_stays_closed(accounts: Accounts) -> None:
    refused = accounts.run("production", stack_image_source="staging")
    assert "Source repository staging does not exist" in refused.failure("production")


@pytest.mark.usefixtures("deployed")
def test_a_profile_that_is_not_there_is_named(accounts: Accounts) -> None:
    refused = accounts.run("production", stack_image_source={"environment": "staging", "profile": "nobody"})
    assert "nobody" in refused.failure("production")


def skopeo(accounts: Accounts, environment: str, *words: str) -> str:
    """Runs skopeo with the registry login that AWS's API gives, from a file as people keep it."""
    assert SKOPEO
    registry = accounts.aws.environment["GATEHOUSE_REGISTRY"].removeprefix("http://")
    token = accounts.client("ecr", environment).get_authorization_token()["authorizationData"][0]["authorizationToken"]
    login = accounts.folder / f"login-{environment}.json"
    login.write_text(json.dumps({"auths": {registry: {"auth": token}}}), encoding="utf-8")
    command, *rest = words
    done = subprocess.run(
        [SKOPEO, command, "--authfile", str(login), *(word.replace("REGISTRY", registry) for word in rest)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_skopeo = pytest.mark.skipif(not SKOPEO and not os.environ.get("CI"), reason="skopeo is not installed")


@needs_skopeo
def test_skopeo_accepts_the_built_image(accounts: Accounts, deployed: dict[str, Any]) -> None:
    name = f"docker://REGISTRY/staging:{deployed['tag']}"
    found = json.loads(skopeo(accounts, "staging", "inspect", "--tls-verify=false", name))
    assert found["Digest"] == deployed["digest"]
    assert (found["Os"], found["Architecture"]) == ("linux", {"x86_64": "amd64", "arm64": "arm64"}[ARCHITECTURE])
    assert found["Labels"]["org.opencontainers.image.title"] == "hello"
    assert deployed["tag"] in found["RepoTags"]
    config = json.loads(skopeo(accounts, "staging", "inspect", "--config", "--tls-verify=false", name))["config"]
    assert config["User"] == "65532:65532"
    assert config["ExposedPorts"] == {"3000/tcp": {}}


@needs_skopeo
def test_skopeo_copies_the_promoted_image_with_every_digest(accounts: Accounts, promoted: dict[str, Any]) -> None:
    layout = accounts.folder / "layout"
    name = f"docker://REGISTRY/production@{promoted['digest']}"
    skopeo(accounts, "production", "copy", "--src-tls-verify=false", name, f"oci:{layout}:promoted")
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    assert [manifest["digest"] for manifest in index["manifests"]] == [promoted["digest"]]
