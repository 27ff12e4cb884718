# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from ansible_collections.gatehouse.fargate.plugins.filter.deployment_problems import deployment_problems
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import deployments, services, shifts
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed, Outcome
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY, PlanRefusedError
from ansible_collections.gatehouse.fargate.plugins.modules import ecs_service as subject
from botocore.stub import ANY, Stubber

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/hello"
SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/hello/hello"
OLD = "arn:aws:ecs:eu-west-1:123456789012:task-definition/hello:1"
NEW = "arn:aws:ecs:eu-west-1:123456789012:task-definition/hello:2"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/hello/0123456789abcdef"
BALANCER = {"target_group_arn": GROUP, "container_name": "app", "container_port": 3000}
SPOT = [{"capacity_provider": "FARGATE_SPOT", "weight": 1, "base": 0}]


def desired(**fields: Any) -> dict[str, Any]:
    return {
        "name": "hello",
        "cluster": CLUSTER,
        "state": "present",
        "task_definition": OLD,
        "desired_count": 1,
        "autoscaled": False,
        "platform_version": "1.4.0",
        "capacity_provider_strategy": [],
        "subnets": ["subnet-b", "subnet-a"],
        "security_groups": ["sg-a"],
        "assign_public_ip": False,
        "load_balancers": [BALANCER],
        "health_check_grace_period": 60,
        "enable_execute_command": False,
        "minimum_healthy_percent": 100,
        "maximum_percent": 200,
        "circuit_breaker": {"enable": True, "rollback": True, "failed_tasks": 3},
        "alarms": ["slow", "errors"],
        "strategy": "ROLLING",
        **shifts.DEFAULTS,
        "force_new_deployment": False,
        "availability_zone_rebalancing": None,
        "propagate_tags": "SERVICE",
        "enable_ecs_managed_tags": True,
        "wait": True,
        "wait_timeout": 900,
        "tags": {"gatehouse:stack": "hello"},
        "purge_tags": True,
        **fields,
    }


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ecs-svc/1",
        "status": "PRIMARY",
        "taskDefinition": OLD,
        "rolloutState": "COMPLETED",
        "desiredCount": 1,
        "runningCount": 1,
        "failedTasks": 0,
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
        **fields,
    }


def api(**fields: Any) -> dict[str, Any]:
    """What DescribeServices answers for desired()."""
    return {
        "serviceName": "hello",
        "serviceArn": SERVICE,
        "clusterArn": CLUSTER,
        "status": "ACTIVE",
        "deploymentController": {"type": "ECS"},
        "taskDefinition": OLD,
        "desiredCount": 1,
        "runningCount": 1,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a", "subnet-b"],
                "securityGroups": ["sg-a"],
                "assignPublicIp": "DISABLED",
            }
        },
        "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "app", "containerPort": 3000}],
        "healthCheckGracePeriodSeconds": 60,
        "enableExecuteCommand": False,
        "deploymentConfiguration": {
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
            "strategy": "ROLLING",
            "alarms": {"alarmNames": ["errors", "slow"], "enable": True, "rollback": True},
            "deploymentCircuitBreaker": {
                "enable": True,
                "rollback": True,
                "resetOnHealthyTask": True,
                "thresholdConfiguration": {"type": "COUNT", "value": 3},
            },
        },
        "availabilityZoneRebalancing": "ENABLED",
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
        "tags": [{"key": "gatehouse:stack", "value": "hello"}],
        "deployments": [deployment()],
        "events": [],
        **fields,
    }


def current(**fields: Any) -> dict[str, Any]:
    return {**services.described(api()), **fields}


def test_an_empty_account_gets_the_service_although_nothing_is_known() -> None:
    params = desired(
        cluster=KNOWN_AFTER_APPLY,
        task_definition=KNOWN_AFTER_APPLY,
        subnets=[KNOWN_AFTER_APPLY],
        security_groups=[KNOWN_AFTER_APPLY],
    )
    assert subject.describe(None, params) == {}
    (change,) = subject.plan({}, params).changes
    assert (change.action.value, change.after["cluster"]) == ("create", KNOWN_AFTER_APPLY)


def test_a_converged_service_is_left_alone() -> None:
    assert subject.plan(current(), desired()).changes == ()


DRIFT: list[tuple[str, Any]] = [
    ("task_definition", NEW),
    ("desired_count", 2),
    ("platform_version", "1.3.0"),
    ("subnets", ["subnet-a"]),
    ("security_groups", ["sg-b"]),
    ("assign_public_ip", True),
    ("load_balancers", []),
    ("health_check_grace_period", 0),
    ("enable_execute_command", True),
    ("minimum_healthy_percent", 50),
    ("maximum_percent", 150),
    ("circuit_breaker", {"enable": False, "rollback": False, "failed_tasks": None}),
    ("circuit_breaker", {"enable": True, "rollback": True, "failed_tasks": None}),
    ("alarms", []),
    ("alarms", ["errors", "other"]),
    ("capacity_provider_strategy", SPOT),
    ("propagate_tags", "NONE"),
    ("enable_ecs_managed_tags", False),
    ("tags", {}),
]


@pytest.mark.parametrize(("field", "drifted"), DRIFT)
def test_drift_is_found_field_by_field(field: str, drifted: Any) -> None:
    (change,) = subject.plan(current(**{field: drifted}), desired()).changes
    assert change.before == {field: drifted}
    assert change.after == {field: current()[field]}


@pytest.mark.parametrize(
    ("state", "params"),
    [
        ({"desired_count": 5}, {"autoscaled": True}),
        ({"platform_version": "LATEST"}, {"platform_version": "LATEST"}),
        ({"platform_version": "1.4.0"}, {"platform_version": "LATEST"}),
        ({}, {"task_definition": "hello:1"}),
        ({}, {"circuit_breaker": {"enable": True, "rollback": True, "failed_tasks": None}}),
        ({"availability_zone_rebalancing": False}, {}),
    ],
)
def test_what_means_the_same_or_belongs_to_others_is_left_alone(state: dict[str, Any], params: dict[str, Any]) -> None:
    assert subject.plan(current(**state), desired(**params)).changes == ()


def test_a_deployment_that_failed_before_is_tried_again() -> None:
    failed = services.described(api(deployments=[deployment(rolloutState="FAILED")]))
    (change,) = subject.plan(failed, desired()).changes
    assert change.before == {"rollout_state": "FAILED"}
    assert services.update_request(change.after, failed) == {"forceNewDeployment": True}


@pytest.mark.parametrize(("state", "drains"), [({}, False), (current(status="DRAINING"), True)])
def test_a_service_that_is_going_is_created_anew(state: dict[str, Any], drains: bool) -> None:
    (change,) = subject.plan(state, desired()).changes
    assert (change.action.value, change.call) == ("create", drains)


def test_a_service_of_another_controller_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match="deployed by CODE_DEPLOY"):
        subject.plan(current(controller="CODE_DEPLOY"), desired())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"desired_count": -1}, "desired_count is -1"),
        ({"maximum_percent": 100}, "a deployment can only proceed"),
        ({"minimum_healthy_percent": 120}, "a deployment can only proceed"),
    ],
)
def test_what_ecs_cannot_do_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, desired(**params))


@pytest.mark.parametrize(("state", "calls"), [(current(), [True]), (current(status="DRAINING"), [False]), ({}, [])])
def test_absent(state: dict[str, Any], calls: list[bool]) -> None:
    assert [change.call for change in subject.plan(state, desired(state="absent")).changes] == calls


@pytest.mark.parametrize(
    ("field", "drifted", "forced"),
    [
        ("enable_execute_command", True, True),
        ("capacity_provider_strategy", SPOT, True),
        ("task_definition", NEW, False),
        ("desired_count", 2, False),
        ("health_check_grace_period", 0, False),
    ],
)
def test_a_new_deployment_is_forced_only_where_aws_would_not_start_one(field: str, drifted: Any, forced: bool) -> None:
    planned = subject.plan(current(**{field: drifted}), desired())
    request = services.update_request(planned.changes[0].after, planned.result)
    assert request.get("forceNewDeployment", False) is forced


def test_another_capacity_provider_is_forced_even_with_a_change_that_starts_a_deployment() -> None:
    strategy = [{"capacity_provider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    planned = subject.plan(current(task_definition="hello:1"), desired(capacity_provider_strategy=strategy))
    assert {"task_definition", "capacity_provider_strategy"} <= planned.changes[0].after.keys()
    assert services.update_request(planned.changes[0].after, planned.result)["forceNewDeployment"] is True


@pytest.fixture
def client() -> Any:
    return boto3.client("ecs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_creation_sends_every_declared_field(client: Any) -> None:
    request = {
        "cluster": CLUSTER,
        "serviceName": "hello",
        "taskDefinition": OLD,
        "desiredCount": 1,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "schedulingStrategy": "REPLICA",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a", "subnet-b"],
                "securityGroups": ["sg-a"],
                "assignPublicIp": "DISABLED",
            }
        },
        "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "app", "containerPort": 3000}],
        "healthCheckGracePeriodSeconds": 60,
        "enableExecuteCommand": False,
        "deploymentConfiguration": {
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
            "maximumPercent": 200,
            "alarms": {"alarmNames": ["errors", "slow"], "enable": True, "rollback": True},
            "deploymentCircuitBreaker": {
                "enable": True,
                "rollback": True,
                "thresholdConfiguration": {"type": "COUNT", "value": 3},
            },
        },
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
        "tags": [{"key": "gatehouse:stack", "value": "hello"}],
    }
    with Stubber(client) as stub:
        stub.add_response("create_service", {"service": api()}, request)
        followed = subject.apply(client, desired(), subject.plan({}, desired()))
        stub.assert_no_pending_responses()
    assert followed is not None
    assert followed.deployment_id == "ecs-svc/1"


@pytest.mark.parametrize(("field", "drifted"), [row for row in DRIFT if row[0] != "tags"])
def test_every_update_satisfies_the_api_model(client: Any, field: str, drifted: Any) -> None:
    planned = subject.plan(current(**{field: drifted}), desired())
    with Stubber(client) as stub:
        stub.add_response("update_service", {"service": api()})
        subject.apply(client, desired(), planned)
        stub.assert_no_pending_responses()


def test_changed_tags_restart_nothing(client: Any) -> None:
    planned = subject.plan(current(tags={"stray": "1"}), desired())
    with Stubber(client) as stub:
        stub.add_response("untag_resource", {}, {"resourceArn": SERVICE, "tagKeys": ["stray"]})
        tags = [{"key": "gatehouse:stack", "value": "hello"}]
        stub.add_response("tag_resource", {}, {"resourceArn": SERVICE, "tags": tags})
        stub.add_response("describe_services", {"services": [api()]})
        subject.apply(client, desired(), planned)
        stub.assert_no_pending_responses()


def test_a_draining_service_is_waited_for_before_it_is_created(client: Any) -> None:
    planned = subject.plan(current(status="DRAINING"), desired())
    with Stubber(client) as stub:
        stub.add_response("describe_services", {"services": [api(status="INACTIVE")]})
        stub.add_response("create_service", {"service": api()})
        subject.apply(client, desired(), planned)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "message",
    [
        "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task.",
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        f"The target group with targetGroupArn {GROUP} does not have an associated load balancer.",
    ],
)
def test_creation_is_repeated_while_aws_does_not_know_everything_yet(
    client: Any, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Stubber(client) as stub:
        stub.add_client_error("create_service", "InvalidParameterException", message)
        stub.add_client_error("create_service", "InvalidParameterException", message)
        stub.add_response("create_service", {"service": api()})
        subject.apply(client, desired(), subject.plan({}, desired()))
        stub.assert_no_pending_responses()
    assert slept == [2, 4]


def test_any_other_refusal_is_final(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("create_service", "InvalidParameterException", "The container app does not exist")
        with pytest.raises(Exception, match="Failed to change the service"):
            subject.apply(client, desired(), subject.plan({}, desired()))


def test_repeating_ends(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Stubber(client) as stub:
        for _attempt in range(13):
            stub.add_client_error("create_service", "InvalidParameterException", "ECS was unable to assume the role")
        with pytest.raises(Exception, match="unable to assume the role"):
            subject.apply(client, desired(), subject.plan({}, desired()))
        stub.assert_no_pending_responses()
    assert sum(slept) == 104


@pytest.mark.parametrize("status", ["INACTIVE", None])
def test_a_deleted_service_counts_as_missing(client: Any, status: str | None) -> None:
    with Stubber(client) as stub:
        stub.add_response("describe_services", {"services": [api(status=status)] if status else []})
        assert subject.describe(client, desired()) == {}


WANTED = Followed("hello", "ecs-svc/2", NEW, datetime(2026, 1, 2, tzinfo=UTC).isoformat())
EARLIER, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
OURS = deployment(id="ecs-svc/2", taskDefinition=NEW, createdAt=datetime(2026, 1, 2, tzinfo=UTC))
BEGUN = {**OURS, "rolloutState": "IN_PROGRESS", "runningCount": 0}
REASON = "tasks failed to start."
GIVEN_UP = {**OURS, "rolloutState": "FAILED", "rolloutStateReason": REASON}


@pytest.mark.parametrize(
    ("listed", "outcome", "reason"),
    [
        pytest.param([OURS], Outcome.SUCCEEDED, "", id="complete"),
        pytest.param(
            [OURS, deployment(status="ACTIVE", createdAt=EARLIER)], Outcome.SUCCEEDED, "", id="complete, old one listed"
        ),
        pytest.param([BEGUN], Outcome.PENDING, "IN_PROGRESS, 0 of 1 tasks run, 0 failed", id="begun"),
        pytest.param([{**OURS, "runningCount": 0}], Outcome.PENDING, "0 of 1 tasks run", id="complete, nothing runs"),
        pytest.param([GIVEN_UP], Outcome.FAILED, REASON, id="given up"),
        pytest.param(
            [{**GIVEN_UP, "status": "ACTIVE"}, deployment(id="ecs-svc/3", createdAt=LATER)],
            Outcome.FAILED,
            REASON,
            id="rolled back by a new deployment",
        ),
        pytest.param(
            [{**GIVEN_UP, "status": "ACTIVE"}, deployment(createdAt=EARLIER)],
            Outcome.FAILED,
            REASON,
            id="rolled back to the old deployment",
        ),
        pytest.param(
            [deployment(id="ecs-svc/3", createdAt=LATER)],
            Outcome.FAILED,
            f"The service now runs {OLD}.",
            id="stable again after a rollback",
        ),
        pytest.param(
            [{**BEGUN, "status": "ACTIVE"}, deployment(id="ecs-svc/3", createdAt=LATER)],
            Outcome.FAILED,
            "Another deployment took its place",
            id="overtaken",
        ),
        pytest.param(
            [deployment(createdAt=EARLIER)], Outcome.PENDING, "does not list the deployment yet", id="stale answer"
        ),
    ],
)
def test_the_verdict(listed: list[dict[str, Any]], outcome: Outcome, reason: str) -> None:
    verdict = deployments.judge(services.described(api(deployments=listed)), WANTED)
    assert verdict.outcome is outcome
    assert reason in verdict.reason


def test_a_service_deleted_meanwhile_has_failed() -> None:
    assert deployments.judge({}, WANTED).outcome is Outcome.FAILED
    assert deployments.judge(current(status="DRAINING"), WANTED).outcome is Outcome.FAILED


def test_a_service_without_health_checks_names_no_grace_period() -> None:
    params = desired(load_balancers=[], health_check_grace_period=0)
    request = services.create_request(subject.plan({}, params).changes[0].after)
    assert "healthCheckGracePeriodSeconds" not in request


def test_requests_of_a_service_on_spot_name_no_launch_type(client: Any) -> None:
    params = desired(capacity_provider_strategy=SPOT)
    request = services.create_request(subject.plan({}, params).changes[0].after)
    assert "launchType" not in request
    with Stubber(client) as stub:
        stub.add_response(
            "create_service", {"service": api()}, {**request, "cluster": ANY, "serviceName": ANY, "tags": ANY}
        )
        subject.apply(client, params, subject.plan({}, params))
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "alarms",
    [
        {"alarmNames": ["errors", "slow"], "enable": False, "rollback": True},
        {"alarmNames": ["errors", "slow"], "enable": True, "rollback": False},
    ],
)
def test_alarms_that_do_not_do_what_is_declared_are_drift(client: Any, alarms: dict[str, Any]) -> None:
    described = api()
    described["deploymentConfiguration"]["alarms"] = alarms
    planned = subject.plan(services.described(described), desired())
    assert planned.changes[0].after == {"alarms": ["errors", "slow"]}
    with Stubber(client) as stub:
        sent = {**api()["deploymentConfiguration"]}
        del sent["deploymentCircuitBreaker"]["resetOnHealthyTask"]
        request = {"cluster": CLUSTER, "service": "hello", "deploymentConfiguration": sent}
        stub.add_response("update_service", {"service": api()}, request)
        subject.apply(client, desired(), planned)
        stub.assert_no_pending_responses()


GREEN = GROUP.replace("/hello/", "/hello-alternate/")
ADVANCED = {
    "alternate_target_group_arn": GREEN,
    "production_listener_rule": "rule",
    "test_listener_rule": None,
    "role_arn": "role",
}
SHARED = [{**BALANCER, "advanced_configuration": ADVANCED}]
SHARED_API = [
    {
        **api()["loadBalancers"][0],
        "advancedConfiguration": {
            "alternateTargetGroupArn": GREEN,
            "productionListenerRule": "rule",
            "roleArn": "role",
        },
    }
]
CANARY = {"strategy": "CANARY", "load_balancers": SHARED}


def shifted_api(**configuration: Any) -> dict[str, Any]:
    """What DescribeServices answers once the service shifts its traffic."""
    alarms = {"alarmNames": ["errors", "slow"], "enable": True, "rollback": True}
    breaker = {"enable": False, "rollback": False, "thresholdConfiguration": {"type": "COUNT", "value": 3}}
    held = {"minimumHealthyPercent": 100, "maximumPercent": 200, "alarms": alarms, "deploymentCircuitBreaker": breaker}
    return api(loadBalancers=SHARED_API, deploymentConfiguration={**held, **configuration})


@pytest.mark.parametrize(
    ("params", "answered"),
    [
        ({"strategy": "BLUE_GREEN"}, {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}),
        (
            {"strategy": "CANARY"},
            {
                "strategy": "CANARY",
                "bakeTimeInMinutes": 5,
                "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10},
            },
        ),
        (
            {"strategy": "LINEAR", "bake_time_in_minutes": 0},
            {
                "strategy": "LINEAR",
                "bakeTimeInMinutes": 0,
                "linearConfiguration": {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6},
            },
        ),
    ],
    ids=["blue/green", "canary", "linear"],
)
def test_a_service_that_shifts_is_sent_in_the_words_of_the_api_and_then_left_alone(
    client: Any, params: dict[str, Any], answered: dict[str, Any]
) -> None:
    wanted, held = desired(load_balancers=SHARED, **params), shifted_api(**answered)
    planned = subject.plan(current(), wanted)
    with Stubber(client) as stub:
        request = {key: held[key] for key in ("loadBalancers", "deploymentConfiguration")}
        stub.add_response("update_service", {"service": held}, {"cluster": CLUSTER, "service": "hello", **request})
        subject.apply(client, wanted, planned)
    assert subject.plan(services.described(held), wanted).changes == ()


def test_back_to_rolling_nothing_of_the_shift_stays(client: Any) -> None:
    held = services.described(shifted_api(strategy="BLUE_GREEN", bakeTimeInMinutes=5))
    planned = subject.plan(held, desired())
    assert planned.changes[0].before["strategy"] == "BLUE_GREEN"
    with Stubber(client) as stub:
        configuration = {**api()["deploymentConfiguration"]}
        del configuration["deploymentCircuitBreaker"]["resetOnHealthyTask"]
        request = {"deploymentConfiguration": configuration, "loadBalancers": api()["loadBalancers"]}
        stub.add_response("update_service", {"service": api()}, {"cluster": CLUSTER, "service": "hello", **request})
        subject.apply(client, desired(), planned)


def test_a_deployment_can_be_forced_and_is_no_field_of_the_service(client: Any) -> None:
    planned = subject.plan(current(), desired(force_new_deployment=True))
    assert planned.changes[0].after == {"force_new_deployment": True}
    assert "force_new_deployment" not in planned.result
    with Stubber(client) as stub:
        request = {"cluster": CLUSTER, "service": "hello", "forceNewDeployment": True}
        stub.add_response("update_service", {"service": api()}, request)
        subject.apply(client, desired(), planned)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({**CANARY, "bake_time_in_minutes": 1441}, "bake_time_in_minutes is 1441: give 0 to 1440"),
        (
            {**CANARY, "canary_configuration": {"canary_percent": 0.05}},
            "canary_percent is 0.05: give a multiple of 0.1",
        ),
        ({**CANARY, "canary_configuration": {"canary_percent": 33.33}}, "canary_percent is 33.33: give a multiple"),
        ({**CANARY, "canary_configuration": {"canary_bake_time_in_minutes": -1}}, "in_minutes is -1: give 0 to 1440"),
        (
            {**CANARY, "linear_configuration": {"step_percent": 2.9}},
            "step_percent is 2.9: give a multiple of 0.1 from 3",
        ),
        ({"strategy": "CANARY", "load_balancers": []}, "there is no traffic to shift"),
        ({"strategy": "LINEAR"}, "give each of load_balancers an advanced_configuration"),
        ({"load_balancers": SHARED}, "strategy is ROLLING, which has no use for"),
    ],
)
def test_a_shift_that_ecs_cannot_do_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanRefusedError, match=message):
        subject.plan({}, desired(**params))


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"strategy": "ROLLING"}, 0),
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, 300),
        ({"strategy": "CANARY", "bakeTimeInMinutes": 1}, 660),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 30.0, "stepBakeTimeInMinutes": 2}}, 360),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 3.2, "stepBakeTimeInMinutes": 1}}, 1860),
    ],
)
def test_what_ecs_waits_on_purpose_is_not_held_against_a_deployment(options: dict[str, Any], seconds: int) -> None:
    assert deployments.followed(services.described(shifted_api(**options))).pauses == seconds


@pytest.mark.parametrize("problem", [{"strategy": "SLOW"}, {"bake_time_in_minutes": -5}])
def test_the_filter_tells_the_same(problem: dict[str, Any]) -> None:
    assert len(deployment_problems(problem)) == 1
    assert deployment_problems({}) == []
