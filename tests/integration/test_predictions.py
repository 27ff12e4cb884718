# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a plan predicts is what a run then does: on an empty account, on a half-built one, and after drift."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from conftest import LocalAws
from drift_table import SCALED_SERVICE
from stack import HOST, PASSWORD, SCALED, Outcome, Stack

PENDING = 10
CODE = {"GATEHOUSE_PENDING_EXIT_CODE": str(PENDING)}


@pytest.fixture(scope="module")
def stack(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    made = Stack(tmp_path_factory.mktemp("stack"), own_aws)
    made.variables |= SCALED
    return made


@pytest.fixture(scope="module")
def first_plan(stack: Stack, own_aws: LocalAws) -> tuple[Outcome, list[str]]:
    """A plan on an empty account, and the writes that it sent."""
    own_aws.forget_calls()
    return stack.site("--check", "--diff", **CODE), own_aws.writes()


@pytest.fixture(scope="module")
def runs(first_plan: tuple[Outcome, list[str]], stack: Stack, own_aws: LocalAws) -> dict[str, Outcome]:
    """The whole story in the order in which it happens; each run of it costs most of a minute."""
    found = {"empty planned": first_plan[0]}
    found["empty applied"] = stack.site(**CODE)
    found["converged"] = stack.site("--check", **CODE)
    break_off(own_aws)
    found["half-built planned"] = stack.site("--check", **CODE)
    found["half-built applied"] = stack.site()
    drift(own_aws)
    found["drift planned"] = stack.site("--check", **CODE)
    found["drift applied"] = stack.site()
    return found


def break_off(aws: LocalAws) -> None:
    """Leaves an account as an interrupted run would, or somebody with a heavy hand."""
    ecs, elbv2, logs = aws.client("ecs"), aws.client("elbv2"), aws.client("logs")
    ecs.delete_service(cluster=HOST, service=HOST, force=True)
    aws.client("application-autoscaling").delete_scaling_policy(**SCALED_SERVICE, PolicyName="cpu")
    balancer = elbv2.describe_load_balancers(Names=[HOST])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    elbv2.delete_listener(ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 443))
    logs.delete_log_group(logGroupName=f"/gatehouse/{HOST}")
    endpoints = aws.client("ec2").describe_vpc_endpoints(Filters=[{"Name": "tag:Name", "Values": [f"{HOST}-logs"]}])
    aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[endpoints["VpcEndpoints"][0]["VpcEndpointId"]])


def drift(aws: LocalAws) -> None:
    elbv2, logs, ecs = aws.client("elbv2"), aws.client("logs"), aws.client("ecs")
    group = elbv2.describe_target_groups(Names=[HOST])["TargetGroups"][0]["TargetGroupArn"]
    elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/stray")
    logs.put_retention_policy(logGroupName=f"/gatehouse/{HOST}", retentionInDays=1)
    ecs.update_service(cluster=HOST, service=HOST, healthCheckGracePeriodSeconds=7)
    aws.client("iam").attach_role_policy(RoleName=f"{HOST}-task", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    found = aws.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"{HOST}-alb"]}])
    ranges = [{"CidrIp": "192.0.2.0/24"}]
    aws.client("ec2").authorize_security_group_ingress(
        GroupId=found["SecurityGroups"][0]["GroupId"],
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}],
    )
    scaling = aws.client("application-autoscaling")
    scaling.register_scalable_target(**SCALED_SERVICE, MaxCapacity=7)
    scaling.delete_scheduled_action(**SCALED_SERVICE, ScheduledActionName="night")


@pytest.mark.parametrize("account", ["empty", "half-built", "drift"])
def test_the_applied_set_is_the_predicted_one(runs: dict[str, Outcome], account: str) -> None:
    planned, applied = runs[f"{account} planned"], runs[f"{account} applied"]
    assert planned.changes() == applied.changes()
    assert planned.unchanged() == applied.unchanged()
    assert planned.changes() != set()


@pytest.mark.parametrize("account", ["empty", "half-built", "drift"])
def test_the_applied_fields_are_the_predicted_ones(runs: dict[str, Outcome], account: str) -> None:
    def fields(outcome: Outcome) -> dict[tuple[str, str], list[str]]:
        return {(one["resource"], one["name"]): sorted(one["after"]) for one in outcome.host["changes"]}

    assert fields(runs[f"{account} planned"]) == fields(runs[f"{account} applied"])


def test_a_plan_on_an_empty_account_only_adds(first_plan: tuple[Outcome, list[str]]) -> None:
    planned, writes = first_plan
    summary = planned.plan["summary"]
    assert (summary["create"] > 40, {key for key in summary if summary[key]}) == (True, {"create"})
    assert writes == []


def test_the_login_rule_names_a_domain_that_exists(runs: dict[str, Outcome], own_aws: LocalAws) -> None:
    actions = [call["action"] for call in own_aws.calls()]
    domain = actions.index("cognito-idp:CreateUserPoolDomain")
    assert runs["empty applied"].run.status == 0
    assert actions.index("elasticloadbalancing:CreateLoadBalancer") < domain
    assert domain < actions.index("elasticloadbalancing:CreateRule")


def test_what_was_added_is_unchanged_from_then_on(runs: dict[str, Outcome]) -> None:
    added = {(resource, name) for _action, resource, name in runs["empty applied"].changes()}
    assert runs["converged"].unchanged() == added
    assert runs["converged"].changes() == set()


def test_drift_is_told_field_by_field(runs: dict[str, Outcome]) -> None:
    changes = {one["resource"]: set(one["after"]) for one in runs["drift planned"].host["changes"]}
    assert changes == {
        "elb_target_group": {"health_check_path"},
        "cloudwatch_log_group": {"retention"},
        "ecs_service": {"health_check_grace_period"},
        "iam_role": {"managed_policies"},
        "security_group": {"ingress"},
        "scalable_target": {"max_capacity"},
        "scheduled_action": {"schedule", "timezone", "min_capacity", "max_capacity"},
    }


@pytest.mark.parametrize(
    ("run", "status"),
    [("empty planned", PENDING), ("empty applied", 0), ("converged", 0), ("half-built planned", PENDING)],
)
def test_the_exit_code_tells_whether_changes_are_pending(runs: dict[str, Outcome], run: str, status: int) -> None:
    assert runs[run].run.status == status


def test_the_plan_shows_no_secret_and_only_its_owner_reads_it(runs: dict[str, Outcome], stack: Stack) -> None:
    assert PASSWORD not in str(runs["empty planned"].plan)
    assert stat.S_IMODE(stack.plan_file.stat().st_mode) == 0o600


def test_a_person_reads_the_same(runs: dict[str, Any]) -> None:
    text = runs["empty planned"].run.output
    count = runs["empty planned"].plan["summary"]["create"]
    assert f"Plan: {count} to add, 0 to change, 0 to replace, 0 to destroy, 0 unchanged." in text
    assert f"No changes: {count} resources are as declared." in runs["converged"].run.output
