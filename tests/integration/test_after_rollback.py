# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""After a way back the next run deploys the source again, unless the old digest is pinned; as visitors see it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gatehouse.fargate.tests.local_aws.visitor import Visitor
from conftest import LocalAws, run_playbook, running_local_aws
from small_service import results
from stack import HOST, Outcome, Stack

pytestmark = pytest.mark.docker

# Answers every request with the name of its release.
PROGRAM = r"""
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int number) { _exit(number != SIGTERM); }

int main(void) {
    char request[4096], text[128];
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(3000)};
    signal(SIGTERM, stop);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 16)) return 1;
    const char *form = "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n" RELEASE;
    int length = sprintf(text, form, strlen(RELEASE));
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (read(client, request, sizeof request) < 0 || write(client, text, length) != length) return 1;
        close(client);
    }
}
"""


class Site:
    """One environment without a login, its source, and what its visitors get."""

    def __init__(self, folder: Path, aws: LocalAws) -> None:
        self.aws = aws
        self.stack = Stack(folder, aws)
        self.stack.variables |= {
            "stack_login": False,
            "stack_users": {},
            "stack_architecture": {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()],
            **{"alb_https_health_check_interval": 5, "alb_https_health_check_timeout": 2},
            "ecs_service_role_propagation": 0,
        }
        self._folder = folder

    def write(self, release: str) -> None:
        source = Path(self.stack.variables["stack_app_path"], "main.c")
        source.write_text(f'#define RELEASE "{release}"\n{PROGRAM}', encoding="utf-8")

    def page(self) -> str:
        front = self.aws.environment
        ports = int(front["LOCAL_AWS_HTTPS_PORT"]), int(front["LOCAL_AWS_HTTP_PORT"])
        return Visitor(Path(front["LOCAL_AWS_CA"]), *ports).get(f"https://{self.stack.variables['stack_domain']}/").text

    def digest(self) -> str:
        """The digest that the service is to run."""
        ecs = self.aws.client("ecs")
        (service,) = ecs.describe_services(cluster=HOST, services=[HOST])["services"]
        found = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"].partition("@")[2])

    def built(self) -> int:
        """How many images were pushed in all."""
        answer = self.aws.client("ecr").describe_images(repositoryName=HOST)
        return len({one["imageDigest"] for one in answer["imageDetails"]})

    def roll_back(self) -> str:
        run = run_playbook(
            ["gatehouse.fargate.rollback", "-i", str(self._folder / "inventory.yml")], self.aws.environment
        )
        assert run.failure(HOST) == ""
        (said,) = results(run, "Say what runs, and what the next deployment does")
        return " ".join(said["msg"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that went from its second release back to its first."""
    with running_local_aws(tmp_path_factory.mktemp("back-aws")) as aws:
        if aws.environment["LOCAL_AWS_DOCKER"] != "true":
            pytest.skip("no Docker engine answers")
        found = Site(tmp_path_factory.mktemp("back"), aws)
        for release in ("one", "two"):
            found.write(release)
            found.stack.site()
            assert found.page() == release
        yield found
        aws.client("ecs").delete_service(cluster=HOST, service=HOST, force=True)


def changed(outcome: Outcome) -> set[str]:
    return {resource for _action, resource, _name in outcome.changes()}


def test_the_next_run_deploys_the_source_again_and_says_so(site: Site) -> None:
    source, built = site.digest(), site.built()
    said = site.roll_back()
    assert (site.page(), site.digest() != source) == ("one", True)
    assert "The next run of gatehouse.fargate.site deploys the source again" in said
    assert f"set stack_image_digest to {site.digest()}" in said

    planned = site.stack.site("--check")
    (service,) = [change for change in planned.host["changes"] if change["resource"] == "ecs_service"]
    assert list(service["after"]) == ["task_definition"]
    applied = site.stack.site()
    assert applied.changes() == planned.changes()
    assert (site.page(), site.digest(), site.built()) == ("two", source, built)


def test_a_pinned_digest_stays_over_runs_and_new_sources_and_nothing_is_built(site: Site) -> None:
    site.roll_back()
    old, built = site.digest(), site.built()
    site.stack.variables["stack_image_digest"] = old
    assert changed(site.stack.site()) <= {"ecs_task_definition", "ecs_service", "ecr_live_images"}
    assert (site.page(), site.digest()) == ("one", old)

    site.write("three")
    site.aws.forget_calls()
    again = site.stack.site()
    assert (again.changes(), again.run.changed(), site.aws.writes()) == (set(), 0, [])
    assert (site.page(), site.digest(), site.built()) == ("one", old, built)

    del site.stack.variables["stack_image_digest"]
    site.stack.site()
    assert (site.page(), site.built()) == ("three", built + 1)
