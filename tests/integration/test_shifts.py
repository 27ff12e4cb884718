# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Deployments that shift traffic between two target groups, with real containers and requests through the rule."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.pushing import compile_app, push_app
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import REGION, Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import build_network
from conftest import LocalAws, running_local_aws
from in_process import Modules, Task

CLUSTER, PORT = "shifts", 3000
POLICY = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
# Serves its release's name, or is sick; the release is part of the program, so each image has a digest of its own.
PROGRAM = r"""
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int number) { (void)number; _exit(0); }

int main(void) {
    signal(SIGTERM, stop);
    int server = socket(AF_INET, SOCK_STREAM, 0), sick = !strcmp(RELEASE, "sick");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(3000)};
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 16)) return 1;
    for (;;) {
        char request[4096], answer[256];
        int client = accept(server, NULL, NULL);
        ssize_t size = read(client, request, sizeof request);
        const char *status = sick ? "500 Sick" : "200 OK", *form = "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s";
        int length = snprintf(answer, sizeof answer, form, status, strlen(RELEASE), RELEASE);
        if (size < 0 || write(client, answer, length) != length) perror("answer");
        close(client);
    }
}
"""
pytestmark = pytest.mark.docker
Fields = dict[str, Any]


@dataclass
class Site:
    """A load balancer with one rule for two target groups, and the service behind it."""

    aws: LocalAws
    account: Account
    folder: Path
    subnets: list[str]
    vpc: str
    modules: Modules
    images: dict[str, str] = field(default_factory=dict)

    def run(self, module: str, **options: Any) -> Fields:
        return self.modules.run(Task(module, {"region": REGION, **options}))

    def found(self, name: str) -> None:
        """Makes both target groups, the rule and the role for one service of a name."""
        for group in (name, f"{name}-alternate"):
            self.run(
                "elb_target_group", name=group, vpc_id=self.vpc, port=PORT, health_check_path="/healthz",
                health_check_interval=5, health_check_timeout=2, unhealthy_threshold=2,
            )  # fmt: skip
        role = {"name": f"{name}-ecs", "service": "ecs.amazonaws.com", "managed_policies": [POLICY]}
        self.run("iam_service_roles", roles=[role])

    def group(self, name: str) -> str:
        (found,) = self.account.client("elbv2").describe_target_groups(Names=[name])["TargetGroups"]
        return str(found["TargetGroupArn"])

    def balance(self, name: str, **forward: Any) -> Fields:
        """Declares the load balancer, whose one rule forwards to the group of the name and others that are given."""
        action = {"type": "forward", "target_group_arn": self.group(name), **forward}
        rule = {"priority": 100, "path_patterns": ["/*"], "actions": [action]}
        listener = {"port": 80, "protocol": "HTTP", "default_actions": [{"type": "fixed_response"}], "rules": [rule]}
        (group,) = self.account.client("ec2").describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [self.vpc]}]
        )["SecurityGroups"]
        own = {"subnet_ids": self.subnets, "security_group_ids": [group["GroupId"]], "listeners": [listener]}
        return self.run("elb_load_balancer", name=name, **own)

    def shared(self, name: str) -> Fields:
        return self.balance(name, alternate_target_group_arn=self.group(f"{name}-alternate"))

    def weights(self, name: str) -> dict[str, int]:
        """What the rule gives each target group, by its name."""
        rule = self.balance_rule(name)
        (action,) = self.account.client("elbv2").describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
        groups = action["ForwardConfig"]["TargetGroups"]
        return {one["TargetGroupArn"].split("/")[1].removeprefix(name): one["Weight"] for one in groups}

    def balance_rule(self, name: str) -> str:
        elb = self.account.client("elbv2")
        (balancer,) = elb.describe_load_balancers(Names=[name])["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        return str(next(one["RuleArn"] for one in rules if one["Priority"] == "100"))

    def image(self, release: str) -> str:
        if release not in self.images:
            source = self.folder / "app.c"
            source.write_text(f'#define RELEASE "{release}"\n{PROGRAM}', encoding="utf-8")
            self.images[release] = push_app(self.account, compile_app("gcc", source, self.folder), release)
        return self.images[release]

    def deploy(self, name: str, release: str, **changes: Any) -> Fields:
        """Deploys an image and waits; returns the module's result, which may be a failure."""
        container = {"name": "app", "image": self.image(release), "port": PORT, "environment": {"PORT": PORT}}
        role = f"arn:aws:iam::{self.account.number}:role/execution"
        options = {"family": name, "cpu": 256, "memory": 512, "execution_role_arn": role, "containers": [container]}
        registered = self.run("ecs_task_definition", **options)["task_definition"]["arn"]
        own = {
            "region": REGION, "name": name, "cluster": CLUSTER, "task_definition": registered, "subnets": self.subnets,
            "security_groups": ["sg-0123456789abcdef0"], "wait_timeout": 90, "bake_time_in_minutes": 4,
            **({} if "load_balancers" in changes else {"load_balancers": [self.behind(name)]}), **changes,
        }  # fmt: skip
        return self.modules.attempt(Task("ecs_service", own))

    def alone(self, name: str) -> Fields:
        return {"target_group_arn": self.group(name), "container_name": "app", "container_port": PORT}

    def behind(self, name: str) -> Fields:
        advanced = {
            "alternate_target_group_arn": self.group(f"{name}-alternate"),
            "production_listener_rule": self.balance_rule(name),
            "role_arn": f"arn:aws:iam::{self.account.number}:role/{name}-ecs",
        }
        return {**self.alone(name), "advanced_configuration": advanced}

    def ask(self, name: str) -> tuple[int, str]:
        """Asks for the page through the front door, as a visitor does."""
        (balancer,) = self.account.client("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"]
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.aws.environment["LOCAL_AWS_HTTP_PORT"]), timeout=9
        )
        connection.request("GET", "/", headers={"Host": balancer["DNSName"]})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Visitor:
    """Asks again and again while something else happens, and counts what it got."""

    def __init__(self, site: Site, name: str) -> None:
        self._site, self._name = site, name
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.seen: list[tuple[int, str]] = []

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join(30)

    def _ask(self) -> None:
        while not self._end.wait(0.1):
            self.seen.append(self._site.ask(self._name))

    @property
    def counted(self) -> Counter[tuple[int, str]]:
        return Counter(self.seen)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAws, Account, list[str], str]]:
    if not shutil.which("gcc"):
        pytest.skip("the app of these tests is compiled with gcc")
    with running_local_aws(tmp_path_factory.mktemp("shifts-aws")) as aws:
        if aws.environment["LOCAL_AWS_DOCKER"] != "true":
            pytest.skip("no Docker engine answers")
        account = Account(aws.environment["AWS_ENDPOINT_URL"], aws.environment["AWS_ACCESS_KEY_ID"])
        subnets, vpc = build_network(account)
        trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        account.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=document)
        account.client("ecs").create_cluster(clusterName=CLUSTER)
        yield aws, account, subnets, vpc


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    """Images that were pushed by an earlier test."""
    return {}


@pytest.fixture
def site(
    ground: tuple[LocalAws, Account, list[str], str],
    images: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    aws, account, subnets, vpc = ground
    return Site(aws, account, tmp_path, subnets, vpc, Modules(aws, monkeypatch), images)


def test_blue_green_moves_all_traffic_at_once_and_nothing_moves_it_back(site: Site, tmp_path: Path) -> None:
    name, told = "blue", tmp_path / "told"
    site.found(name)
    site.shared(name)
    first = site.deploy(name, "one", strategy="BLUE_GREEN")
    assert not first["failed"], first["msg"]
    before = site.weights(name)
    assert sorted(before.values()) == [0, 100]
    with Visitor(site, name) as visitor:
        second = site.deploy(name, "two", strategy="BLUE_GREEN", progress_path=str(told))
        after = site.weights(name)
    assert not second["failed"], second["msg"]
    assert after == {group: 100 - weight for group, weight in before.items()}
    # Every visitor got a page, first of the old release, then of the new one, and never of the old one again.
    assert {status for status, _page in visitor.seen} == {200}
    pages = [page for _status, page in visitor.seen]
    assert pages == sorted(pages)
    assert set(pages) == {"one", "two"}
    said = told.read_text(encoding="utf-8")
    assert "Stage BAKE_TIME" in said
    assert "The deployment is complete" in said
    # The same again changes nothing, at the rule as little as at the service.
    assert site.shared(name)["changes"] == []
    assert not site.deploy(name, "two", strategy="BLUE_GREEN")["changed"]
    assert site.weights(name) == after
    assert site.ask(name) == (200, "two")


def test_a_green_release_that_gets_never_healthy_gets_no_visitor(site: Site) -> None:
    name = "sick"
    site.found(name)
    site.shared(name)
    good = site.deploy(name, "one", strategy="BLUE_GREEN")
    assert not good["failed"], good["msg"]
    weights = site.weights(name)
    with Visitor(site, name) as visitor:
        failed = site.deploy(name, "sick", strategy="BLUE_GREEN")
    assert failed["failed"], failed
    assert failed["failure"]["code"] == "health_check_refused", failed["msg"]
    assert "runs sick:1 again" in failed["msg"]
    assert set(visitor.seen) == {(200, "one")}
    assert site.weights(name) == weights
    assert site.ask(name) == (200, "one")


def test_a_canary_gets_its_share_first(site: Site) -> None:
    name = "canary"
    site.found(name)
    site.shared(name)
    steps = {"canary_percent": 30.0, "canary_bake_time_in_minutes": 8}
    options = {"strategy": "CANARY", "canary_configuration": steps, "bake_time_in_minutes": 1}
    first = site.deploy(name, "one", **options)
    assert not first["failed"], first["msg"]
    with Visitor(site, name) as visitor:
        second = site.deploy(name, "two", **options)
    assert not second["failed"], second["msg"]
    pages = [page for _status, page in visitor.seen]
    begun, ended = pages.index("two"), len(pages) - pages[::-1].index("one")
    # Between the first page of the new release and the last of the old one both are seen, the old one more often.
    mixed = Counter(pages[begun:ended])
    assert mixed["one"] > mixed["two"] > 1, visitor.counted
    assert sorted(site.weights(name).values()) == [0, 100]
    assert site.ask(name) == (200, "two")


def test_back_to_rolling_no_visitor_is_lost_and_the_second_group_can_go(site: Site) -> None:
    name = "home"
    site.found(name)
    site.shared(name)
    first = site.deploy(name, "one", strategy="BLUE_GREEN", bake_time_in_minutes=1)
    assert not first["failed"], first["msg"]
    # As after any first deployment, the second group has the traffic; one more brings it back.
    assert site.weights(name) == {"": 0, "-alternate": 100}
    with Visitor(site, name) as visitor:
        assert site.balance(name, retiring_target_group=f"{name}-alternate")["changes"] == []
        back = site.deploy(name, "one", strategy="BLUE_GREEN", bake_time_in_minutes=1, force_new_deployment=True)
        assert not back["failed"], back["msg"]
        assert site.weights(name) == {"": 100, "-alternate": 0}
        rolling = site.deploy(name, "two", strategy="ROLLING", load_balancers=[site.alone(name)])
        assert not rolling["failed"], rolling["msg"]
        assert site.balance(name)["changed"]
        site.run("elb_target_group", name=f"{name}-alternate", state="absent")
    assert {status for status, _page in visitor.seen} == {200}, visitor.counted
    assert site.weights(name) == {"": 1}
    again = site.deploy(name, "two", strategy="ROLLING", load_balancers=[site.alone(name)])
    assert not again["changed"]
