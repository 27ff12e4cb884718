# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An environment with another deployment strategy: what it has more of, what a run leaves alone, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import PARENT, LocalAws, run_playbook
from in_process import Modules, Task
from stack import Outcome, Stack
from test_bad_input import GOOD, ONE_RULE

NAME = GOOD["stack_name"]
SECOND, ROLE = f"{NAME}-alt", f"{NAME}-traffic"
CANARY = {"strategy": "CANARY", "bake_time_in_minutes": 0, "canary_configuration": {"canary_bake_time_in_minutes": 0}}
LOGIN, FORWARD = "authenticate-cognito", "forward"


class Environment:
    """One environment, and a look at what of it lies behind the load balancer."""

    def __init__(self, folder: Path, aws: LocalAws) -> None:
        self.stack = Stack(folder, aws)
        self.stack.variables |= {"stack_login": True, **ONE_RULE}
        self.folder, self.aws = folder, aws

    def site(self, deployment: dict[str, Any], *options: str) -> Outcome:
        self.stack.variables["stack_deployment"] = deployment
        return self.stack.site(*options)

    def rule(self) -> dict[str, Any]:
        elb = self.aws.client("elbv2")
        (balancer,) = elb.describe_load_balancers(Names=[NAME])["LoadBalancers"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        arn = next(one["ListenerArn"] for one in listeners if one["Port"] == 443)
        (rule,) = [one for one in elb.describe_rules(ListenerArn=arn)["Rules"] if not one["IsDefault"]]
        return dict(rule)

    def kinds(self) -> list[str]:
        return [action["Type"] for action in self.rule()["Actions"]]

    def weights(self) -> dict[str, int]:
        groups = self.rule()["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        return {one["TargetGroupArn"].split("/")[1]: one["Weight"] for one in groups}

    def groups(self) -> set[str]:
        found = self.aws.client("elbv2").describe_target_groups()["TargetGroups"]
        return {one["TargetGroupName"] for one in found}

    def roles(self) -> set[str]:
        return {one["RoleName"] for one in self.aws.client("iam").list_roles()["Roles"]}

    def deployment(self) -> dict[str, Any]:
        (service,) = self.aws.client("ecs").describe_services(cluster=NAME, services=[NAME])["services"]
        return dict(service["deploymentConfiguration"])


@pytest.fixture(scope="module")
def environment(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("strategies"), own_aws)


@pytest.fixture(scope="module")
def foreseen(environment: Environment) -> Outcome:
    return environment.site(CANARY, "--check")


@pytest.fixture(scope="module")
def first(foreseen: Outcome, environment: Environment) -> Outcome:
    assert foreseen.run.changed() > 0
    return environment.site(CANARY)


def test_an_empty_account_is_told_what_it_will_get(foreseen: Outcome, first: Outcome) -> None:
    assert foreseen.changes() == first.changes()


def test_it_has_a_second_group_and_a_role_for_ecs(first: Outcome, environment: Environment) -> None:
    assert {("create", "elb_target_group", SECOND), ("create", "iam_role", ROLE)} <= first.changes()
    assert environment.deployment()["canaryConfiguration"] == {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 0}
    # The first deployment has led visitors to the second group.
    assert environment.weights() == {NAME: 0, SECOND: 100}
    assert environment.kinds() == [LOGIN, FORWARD]


@pytest.mark.usefixtures("first")
def test_the_next_run_changes_nothing(environment: Environment) -> None:
    again = environment.site(CANARY)
    assert again.run.changed() == 0, again.changes()
    assert environment.weights() == {NAME: 0, SECOND: 100}


@pytest.mark.usefixtures("first")
def test_the_doctor_finds_every_link_whole(own_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"name": NAME, "domain": GOOD["stack_domain"], "parent_domain": PARENT, "region": GOOD["stack_region"]}
    links = Modules(own_aws, monkeypatch).run(Task("stack_doctor_info", names))["links"]
    assert {link["ok"] for link in links} == {True}, [link for link in links if not link["ok"]]


@pytest.mark.usefixtures("first")
def test_a_lost_login_comes_back_and_the_weights_stay(environment: Environment) -> None:
    rule = environment.rule()
    forward = {key: rule["Actions"][-1][key] for key in ("Type", "ForwardConfig")}
    environment.aws.client("elbv2").modify_rule(RuleArn=rule["RuleArn"], Actions=[forward])
    assert environment.kinds() == [FORWARD]
    assert environment.site(CANARY).changes() == {("update", "elb_listener_rule", f"{NAME}:443/100")}
    assert environment.kinds() == [LOGIN, FORWARD]
    assert environment.weights() == {NAME: 0, SECOND: 100}


@pytest.mark.usefixtures("first")
def test_back_to_rolling_all_of_it_goes(environment: Environment) -> None:
    foreseen = environment.site({}, "--check")
    gone = {("delete", "elb_target_group", SECOND), ("delete", "iam_role", ROLE), ("update", "ecs_service", NAME)}
    assert gone <= foreseen.changes()
    done = environment.site({})
    assert done.changes() == foreseen.changes()
    assert environment.groups() == {NAME}
    assert ROLE not in environment.roles()
    assert environment.weights() == {NAME: 1}
    assert environment.deployment()["strategy"] == "ROLLING"
    assert environment.site({}).run.changed() == 0


@pytest.mark.usefixtures("first")
def test_destroy_leaves_neither(environment: Environment) -> None:
    environment.site({"strategy": "BLUE_GREEN", "bake_time_in_minutes": 0})
    assert environment.groups() == {NAME, SECOND}
    inventory = str(environment.folder / "inventory.yml")
    run = run_playbook(
        ["gatehouse.fargate.destroy", "-i", inventory, "-e", f"confirm={NAME} stack_force_delete=true"],
        environment.aws.environment,
    )
    assert run.failure("hello") == ""
    assert environment.groups() == set()
    assert ROLE not in environment.roles()
