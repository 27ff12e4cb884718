# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Causes of failures from recorded texts of AWS; what real containers can provoke is in tests/integration/test_verdict.py.

The texts are quoted from public reports, among them Releem/releem-agent#195, aws/copilot-cli#3104 and
hashicorp/terraform-provider-aws#33044, with names and numbers replaced; those of health checks stand in the guide of the
load balancer, "Health check reason codes".
"""
# ruff: noqa: E501 -- the texts are AWS's

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.crash_loops import hopeless
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.diagnosis import diagnose

IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/hello@sha256:0123"
HEAD = f'failed to do request: Head "https://{IMAGE}"'
SETTINGS = {
    "region": "eu-west-1",
    "image": IMAGE,
    "port": 3000,
    "memory": 512,
    "architecture": "X86_64",
    "execution_role": "arn:aws:iam::111122223333:role/hello-execution",
    "log_group": "/gatehouse/hello",
    "health_check": "GET /healthz",
}
CLOSED = {"subnets_without_route": ["subnet-a"], "endpoints": ["logs", "s3"]}
OPEN: dict[str, list[str]] = {"subnets_without_route": [], "endpoints": []}
DENIED = "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/hello-execution/0a1b is not authorized to perform: "
NO_ECR = (
    "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon "
    "ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration. operation "
    "error ECR: GetAuthorizationToken, exceeded maximum number of attempts, 3, https response error StatusCode: 0, "
    'RequestID: , request send failed, Post "https://api.ecr.eu-west-1.amazonaws.com/": dial tcp 10.0.0.9:443: i/o timeout'
)
NO_LOGS = (
    "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch log group "
    "defined in the task definition. There is a connection issue between the task and Amazon CloudWatch. Check your "
    "network configuration.: signal: killed"
)
NO_PARAMETER = (
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets from ssm: The task "
    "cannot pull secrets from AWS Systems Manager. There is a connection issue between the task and AWS Systems Manager "
    "Parameter Store. Check your task network configuration. RequestCanceled: request context canceled caused by: context "
    "deadline exceeded"
)
NO_SECRET = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to "
    "retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret arn:aws:secretsmanager:"
    "eu-west-1:111122223333:secret:key-AbCdEf from secrets manager: RequestCanceled: request context canceled caused by: "
    "context deadline exceeded. Please check your task network configuration."
)
ASSUME = (
    "(service hello) failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:"
    "role/hello-task' that was provided for this task. Please verify that the role being passed has the proper trust "
    "relationship and permissions and that your IAM user has permissions to pass this role.)."
)
SHIM = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to create "
    'shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/start": stat '
    "/start: no such file or directory: unknown"
)


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "exit_code": None, "reason": "", "image_digest": "", **fields}


def task(reason: str = "", code: str = "TaskFailedToStart", **fields: Any) -> dict[str, Any]:
    return {
        "id": "0a1b2c3d4e5f",
        "created_at": "2026-01-01T00:00:00+00:00",
        "stopping_at": "2026-01-01T00:00:20+00:00",
        "stopped_at": "2026-01-01T00:00:30+00:00",
        "stop_code": code,
        "stopped_reason": reason,
        "containers": [container()],
        **fields,
    }


def exited(code: int, reason: str = "") -> dict[str, Any]:
    containers = [container(exit_code=code, reason=reason)]
    return task("Essential container in task exited", "EssentialContainerExited", containers=containers)


def sick(reason: str, description: str) -> dict[str, Any]:
    target = {"id": "10.0.0.7:3000", "address": "10.0.0.7", "state": "unhealthy"}
    return {**target, "reason": reason, "description": description}


def seen(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    nothing = {"targets": [], "events": [], "log_lines": [], "settings": SETTINGS, "network": OPEN}
    return {"stopped_tasks": list(tasks), **nothing, **fields}


CASES = [
    pytest.param(seen(task(NO_ECR)), "image_unreachable", "com.amazonaws.eu-west-1.ecr.api", id="ecr.api unreachable"),
    pytest.param(
        seen(
            task(f"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {IMAGE}: "
                 f"{HEAD}: dial tcp 10.0.0.9:443: i/o timeout")
        ),
        "image_unreachable",
        "com.amazonaws.eu-west-1.ecr.dkr",
        id="ecr.dkr unreachable",
    ),
    pytest.param(
        seen(
            task("CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed open: "
                 "failed to do request: Get https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/0a: dial "
                 "tcp 52.1.2.3:443: i/o timeout")
        ),
        "image_unreachable",
        "com.amazonaws.eu-west-1.s3",
        id="layers unreachable",
    ),
    pytest.param(
        seen(task(NO_ECR), network=CLOSED),
        "no_route",
        "subnet-a has no default route, and the VPC has no endpoint com.amazonaws.eu-west-1.ecr.api",
        id="subnet without route",
    ),
    pytest.param(
        seen(task(NO_ECR), network={**CLOSED, "endpoints": ["ecr.api"]}),
        "image_unreachable",
        "must admit port 443",
        id="endpoint exists",
    ),
    pytest.param(
        seen(
            task("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                 f"{IMAGE}: unexpected status code 403 Forbidden")
        ),
        "image_denied",
        "ecr:BatchCheckLayerAvailability, GetDownloadUrlForLayer and BatchGetImage",
        id="pull denied",
    ),
    pytest.param(
        seen(
            task("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
                 f"unable to retrieve ecr registry auth: service call has been retried 1 time(s): {DENIED}"
                 "ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the action")
        ),
        "image_denied",
        "role/hello-execution needs ecr:GetAuthorizationToken.",
        id="login to the registry denied",
    ),
    pytest.param(
        seen(
            task("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                 f"{IMAGE}: {IMAGE}: not found")
        ),
        "image_missing",
        f"does not hold {IMAGE}",
        id="image missing",
    ),
    pytest.param(
        seen(
            task("CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain "
                 "descriptor matching platform 'linux/amd64'")
        ),
        "architecture_mismatch",
        "not built for X86_64",
        id="no such platform",
    ),
    pytest.param(
        seen(exited(1), log_lines=["exec /app: exec format error"]),
        "architecture_mismatch",
        "stack_architecture",
        id="exec format error",
    ),
    pytest.param(seen(task(NO_SECRET)), "secret_unreachable", "eu-west-1.secretsmanager", id="secret unreachable"),
    pytest.param(seen(task(NO_PARAMETER)), "secret_unreachable", "eu-west-1.ssm", id="parameter unreachable"),
    pytest.param(
        seen(
            task("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
                 f"unable to retrieve secret from asm: service call has been retried 1 time(s): {DENIED}"
                 "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-west-1:111122223333:secret:key")
        ),
        "secret_denied",
        "needs secretsmanager:GetSecretValue",
        id="secret denied",
    ),
    pytest.param(
        seen(
            task("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
                 "unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid parameters: /hello")
        ),
        "secret_missing",
        "ecs_service_secrets",
        id="parameter missing",
    ),
    pytest.param(seen(task(NO_LOGS)), "logs_unreachable", "com.amazonaws.eu-west-1.logs", id="logs unreachable"),
    pytest.param(
        seen(
            task("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
                 "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.: exit "
                 "status 1")
        ),
        "logs_missing",
        "/gatehouse/hello does not exist",
        id="log group missing",
    ),
    pytest.param(
        seen(
            task(f"ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
                 f"to create Cloudwatch log stream: {DENIED}logs:CreateLogStream on resource: *")
        ),
        "logs_denied",
        "needs logs:CreateLogStream",
        id="log denied",
    ),
    pytest.param(seen(events=[ASSUME]), "role_not_assumable", "role arn:aws:iam::111122223333:role/hello-task", id="role"),
    pytest.param(
        seen(events=["(service hello) was unable to place a task. Reason: Capacity is unavailable at this time. Please try "
                     "again later or in a different availability zone."]),
        "no_capacity",
        "L-3032A538",
        id="no capacity",
    ),
    pytest.param(seen(task(SHIM)), "start_command", "cannot execute /start", id="entry point missing"),
    pytest.param(
        seen(exited(137, "OutOfMemoryError: Container killed due to memory usage")),
        "out_of_memory",
        "more than its 512 MiB",
        id="out of memory",
    ),
    pytest.param(seen(exited(137)), "out_of_memory", "stack_memory", id="killed"),
    pytest.param(
        seen(task("Task failed container health checks", "ServiceSchedulerInitiated")),
        "container_unhealthy",
        "start period",
        id="container unhealthy",
    ),
    pytest.param(
        seen(targets=[sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]")]),
        "health_path_missing",
        "alb_https_health_check_path",
        id="404",
    ),
    pytest.param(
        seen(targets=[sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]")]),
        "health_check_refused",
        "answers 302 to the health check GET /healthz",
        id="redirect",
    ),
    pytest.param(
        seen(
            events=["(service hello) (port 3000) is unhealthy in (target-group arn:aws:elasticloadbalancing:eu-west-1:"
                    "111122223333:targetgroup/hello/0a1b) due to (reason Health checks failed with these codes: [404])."]
        ),
        "health_path_missing",
        "404",
        id="404 told by an event",
    ),
    pytest.param(
        seen(targets=[sick("Target.Timeout", "Request timed out")]),
        "health_check_timeout",
        "security group",
        id="timeout",
    ),
    pytest.param(
        seen(
            targets=[sick("Target.FailedHealthChecks", "Health checks failed")],
            log_lines=["2026-01-01 INFO listening on http://0.0.0.0:8080"],
        ),
        "wrong_port",
        "nothing listens on port 3000. Its log speaks of port 8080.",
        id="wrong port",
    ),
    pytest.param(seen(alarms=["hello-5xx", "slow"]), "alarm", "CloudWatch raised hello-5xx, slow", id="alarm"),
    pytest.param(seen(exited(3), alarms=["hello-5xx"]), "container_exited", "exit code 3", id="alarm of a crash"),
    pytest.param(seen(exited(3)), "container_exited", "ended with exit code 3", id="crash"),
    pytest.param(seen(exited(127)), "container_exited", "not found in the image", id="no shell"),
    pytest.param(seen(), "unknown", "does not tell", id="nothing seen"),
]  # fmt: skip


@pytest.mark.parametrize(("evidence", "code", "said"), CASES)
def test_the_cause(evidence: dict[str, Any], code: str, said: str) -> None:
    cause = diagnose(evidence)
    assert cause.code == code
    assert said in f"{cause.summary} {cause.remedy}"


def later(first: dict[str, Any], **fields: Any) -> dict[str, Any]:
    times = {"created_at": "2026-01-01T00:00:25+00:00", "stopping_at": "", "stopped_at": "2026-01-01T00:01:00+00:00"}
    return {**first, **times, **fields}


@pytest.mark.parametrize(
    ("tasks", "known"),
    [
        pytest.param([], False, id="nothing stopped"),
        pytest.param([exited(3)], False, id="once"),
        pytest.param([exited(3), later(exited(3))], True, id="again in the same way"),
        pytest.param([exited(3), exited(3)], False, id="two at a time"),
        pytest.param([exited(3), later(exited(1))], False, id="again in another way"),
        pytest.param([task(NO_ECR), later(task(NO_ECR.replace("10.0.0.9", "10.0.0.12")))], True, id="other address"),
        pytest.param([task(SHIM)], True, id="final at once"),
        pytest.param([task("Task stopped by user", "UserInitiated")] * 2, False, id="stopped on purpose"),
        pytest.param([later(exited(3), stopped_at="")], False, id="still runs"),
    ],
)
def test_when_the_end_is_known(tasks: list[dict[str, Any]], known: bool) -> None:
    assert bool(hopeless(tasks)) is known
