# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a deployment failed, and what mends it: pure functions from what was seen to a cause.

The patterns fit the texts of AWS as its guides and public reports quote them, in older and newer wordings.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

FLAGS = re.IGNORECASE | re.DOTALL


@dataclass(frozen=True)
class Cause:
    """What went wrong in one word for machines and one sentence for people, and what to do about it."""

    code: str
    summary: str
    remedy: str


# What a task needs before its containers start, and the words that tell that it did not get it.
SUBJECTS = {
    "logs": r"logger args|CloudWatch log",
    "image": r"CannotPull|registry auth from|GetAuthorizationToken|api\.ecr\.|pull image manifest",
    "secret": r"unable to (?:retrieve|pull) secrets?|failed to fetch secret|pull secrets from",
}
TROUBLES = {
    "unreachable": r"connection issue|i/o timeout|deadline exceeded|request canceled|no such host|dial tcp",
    "denied": r"AccessDenied|not authorized|\b403\b|access denied|no basic auth",
    "missing": r"not found|manifest unknown|can't find|cannot find|does not exist|InvalidParameters|retrieve secret",
}
# The service of AWS that could not be reached: the first that the text names, the last one otherwise.
ENDPOINTS: dict[str, dict[str, str]] = {
    "logs": {"logs": ""},
    "image": {
        "s3": r"\bs3[.-]|starport|httpReadSeeker|failed to copy",
        "ecr.dkr": r"resolve ref|/manifests/|pull image manifest",
        "ecr.api": "",
    },
    "secret": {"ssm": r"\bssm\b|Parameter Store|Systems Manager", "secretsmanager": ""},
}
ACTIONS = {
    "logs": "logs:CreateLogStream and logs:PutLogEvents",
    "image": "ecr:GetAuthorizationToken and ecr:BatchCheckLayerAvailability, GetDownloadUrlForLayer and BatchGetImage",
    "secret": "secretsmanager:GetSecretValue or ssm:GetParameters, and kms:Decrypt for a key of your own",
}
THINGS = {"logs": "its log group", "image": "its image", "secret": "a secret"}
MISSING = {
    "logs": ("The log group {log_group} does not exist.", "Run gatehouse.fargate.site: the role creates it."),
    "image": (
        "The registry does not hold {image}.",
        "Run gatehouse.fargate.site to build it again, or name a digest that the registry holds in stack_image_digest.",
    ),
    "secret": (
        "A secret that the task definition names does not exist, or lacks the JSON key or version that is asked for.",
        "Compare ecs_service_secrets with what Secrets Manager and Parameter Store hold in {region}.",
    ),
}
# A second attempt cannot end otherwise.
FINAL = {"architecture_mismatch", "image_missing", "start_command"}

ARCHITECTURE = r"exec format error|descriptor matching platform|does not match the specified platform"
ASSUME = r"unable to assume the (?:service linked )?role '?(?P<role>[^'\s]*)"
COMMAND = (
    r"(?:CannotStartContainerError|runtime).*?exec: \"?(?P<command>[^\":]+)\"?: (?:stat|executable|permission|no such)"
)
CAPACITY = r"Capacity is unavailable|vCPU limit|unable to place a task|insufficient"
CONTAINER_HEALTH = r"failed container health checks"
CODES = r"these codes: \[(?P<codes>[^\]]*)\]"
UNHEALTHY_EVENT = r"is unhealthy in .*? due to \(reason (?P<reason>[^)]*)\)"
LISTENS = re.compile(r"(?:listening|listens?|serving|started|running|bound)\b.*?[: ](?P<port>\d{2,5})\b", re.IGNORECASE)
KILLED = 137
EXITS = {
    0: "It ended by itself, but a service has to keep running",
    126: "Its command cannot be executed",
    127: "Its command was not found in the image",
    139: "It crashed with a segmentation fault",
}


def diagnose(evidence: Fields) -> Cause:
    """Returns the likely cause of a failure; the first that fits, from what comes first in a task's life."""
    steps = (before_start, at_start, of_containers, of_health, of_exit, of_alarms)
    found = (cause for step in steps for cause in step(evidence))
    return next(found, unknown(evidence))


def is_final(task: Fields) -> bool:
    """Tells of a stopped task whether another one cannot fare better."""
    return (
        diagnose({"stopped_tasks": [task], "events": [], "targets": [], "log_lines": [], "settings": {}}).code in FINAL
    )


def search(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, FLAGS)


def newest(evidence: Fields) -> Fields:
    """Returns the newest stopped task, empty when none has stopped."""
    return next(iter(evidence["stopped_tasks"]), {})


def stop_text(evidence: Fields) -> str:
    task = newest(evidence)
    reasons = [container["reason"] for container in task.get("containers", [])]
    return "\n".join([task.get("stopped_reason", ""), *reasons])


def setting(evidence: Fields, name: str) -> str:
    return str(evidence["settings"].get(name) or f"({name} unknown)")


def before_start(evidence: Fields) -> Iterator[Cause]:
    """Yields what keeps ECS from placing a task."""
    said = "\n".join([stop_text(evidence), *evidence["events"]])
    assume = search(ASSUME, said)
    if assume:
        yield Cause(
            "role_not_assumable",
            f"ECS may not assume the role {assume['role'] or 'of the task'}.",
            "Its trust policy must let ecs-tasks.amazonaws.com assume it, and whoever deploys needs iam:PassRole "
            "for it. A role that was made in the last minute may only need another run.",
        )
    if not evidence["stopped_tasks"] and search(CAPACITY, said):
        yield Cause(
            "no_capacity",
            "AWS had no room for the task, or the account's limit of vCPUs is used up.",
            "Look at the quota 'Fargate On-Demand vCPU resource count' (L-3032A538), deploy again later, or use other "
            "subnets or another capacity provider.",
        )


def at_start(evidence: Fields) -> Iterator[Cause]:
    """Yields what keeps a placed task from starting its containers."""
    text = stop_text(evidence)
    if search(ARCHITECTURE, "\n".join([text, *evidence["log_lines"]])):
        yield Cause(
            "architecture_mismatch",
            f"The image is not built for {setting(evidence, 'architecture')}, which the task runs on.",
            "Set stack_architecture (ecs_service_architecture) to the image's, or build the image for it.",
        )
    subject = next((name for name, words in SUBJECTS.items() if search(words, text)), "")
    trouble = next((name for name, words in TROUBLES.items() if search(words, text)), "")
    if subject and trouble:
        yield {"unreachable": unreachable, "denied": denied, "missing": missing}[trouble](subject, text, evidence)
    command = search(COMMAND, text)
    if command:
        yield Cause(
            "start_command",
            f"The container cannot execute {command['command']}.",
            "Correct ecs_service_command, or the image's entry point and the permissions of that file.",
        )


def unreachable(subject: str, text: str, evidence: Fields) -> Cause:
    endpoint = next(name for name, words in ENDPOINTS[subject].items() if search(words, text))
    full = f"com.amazonaws.{setting(evidence, 'region')}.{endpoint}"
    network = evidence.get("network") or {}
    closed = network.get("subnets_without_route", [])
    if closed and endpoint not in network["endpoints"]:
        return Cause(
            "no_route",
            f"The task cannot reach {THINGS[subject]}: {', '.join(closed)} has no default route, and the VPC has no "
            f"endpoint {full}.",
            "Run gatehouse.fargate.site, which makes the endpoints that the task needs, or set stack_nat to single.",
        )
    return Cause(
        f"{subject}_unreachable",
        f"The task cannot reach {THINGS[subject]} through {full}.",
        "Run gatehouse.fargate.doctor, which names the broken link: the endpoint's security group must admit port 443 "
        "from the tasks', theirs must let it out, and private DNS must be on; without endpoints the subnets need a "
        "default route. Endpoints that are minutes old may only need another run.",
    )


def denied(subject: str, text: str, evidence: Fields) -> Cause:
    action = search(r"not authorized to perform: (?P<action>[\w:*]+)", text)
    return Cause(
        f"{subject}_denied",
        f"The execution role may not read {THINGS[subject]}."
        if subject != "logs"
        else "The execution role may not write logs.",
        f"{setting(evidence, 'execution_role')} needs {action['action'] if action else ACTIONS[subject]}. Run "
        "gatehouse.fargate.site, which restores its policies; gatehouse.fargate.doctor judges those of others, too.",
    )


def missing(subject: str, _text: str, evidence: Fields) -> Cause:
    summary, remedy = MISSING[subject]
    names = {name: setting(evidence, name) for name in ("log_group", "image", "region")}
    return Cause(f"{subject}_missing", summary.format(**names), remedy.format(**names))


def of_containers(evidence: Fields) -> Iterator[Cause]:
    """Yields what ended containers from outside."""
    task, text = newest(evidence), stop_text(evidence)
    killed = any(container["exit_code"] == KILLED for container in task.get("containers", []))
    if "OutOfMemory" in text or (killed and task["stop_code"] == "EssentialContainerExited"):
        yield Cause(
            "out_of_memory",
            f"The container was killed because it used more than its {setting(evidence, 'memory')} MiB.",
            "Raise stack_memory (ecs_service_memory), or let the app use less.",
        )
    if search(CONTAINER_HEALTH, text):
        yield Cause(
            "container_unhealthy",
            "The container's own health check failed.",
            "Run its command in the container by hand; it needs what it calls in the image, and enough start period.",
        )


def of_health(evidence: Fields) -> Iterator[Cause]:
    """Yields what the load balancer's health check says."""
    reason = health_reason(evidence)
    if not reason:
        return
    codes = search(CODES, reason)
    if codes:
        yield by_codes(codes["codes"], evidence)
    elif "timed out" in reason:
        yield Cause(
            "health_check_timeout",
            f"Nothing answers the health check {setting(evidence, 'health_check')} in time.",
            "The tasks' security group must admit the load balancer's on that port; otherwise the app is too slow to "
            "start (ecs_service_health_check_grace_period) or to answer.",
        )
    else:
        yield wrong_port(evidence)


def health_reason(evidence: Fields) -> str:
    """Returns why a target is unhealthy, in the load balancer's words or in those of ECS's event."""
    sick = [target for target in evidence["targets"] if target["state"].startswith("unhealthy")]
    if sick:
        return str(sick[0]["description"] or sick[0]["reason"])
    told = (search(UNHEALTHY_EVENT, event) for event in evidence["events"])
    return next((match["reason"] for match in told if match), "")


def by_codes(codes: str, evidence: Fields) -> Cause:
    check = setting(evidence, "health_check")
    if "404" in codes:
        return Cause(
            "health_path_missing",
            f"The app answers 404 to the health check {check}.",
            "Set alb_https_health_check_path to a path that the app answers with 200, or serve that path.",
        )
    return Cause(
        "health_check_refused",
        f"The app answers {codes} to the health check {check}.",
        "The path has to answer 200 without a login or a redirect; for a status over 499 read the log lines.",
    )


def wrong_port(evidence: Fields) -> Cause:
    port = setting(evidence, "port")
    heard = (LISTENS.search(line) for line in evidence["log_lines"])
    others = [match["port"] for match in heard if match and match["port"] != port]
    hint = f" Its log speaks of port {others[-1]}." if others else ""
    return Cause(
        "wrong_port",
        f"The app runs, but nothing listens on port {port}.{hint}",
        "Let it listen on 0.0.0.0 (not on 127.0.0.1) at the port that the variable PORT names, or set stack_app_port "
        "(ecs_service_port) to the port it uses.",
    )


def of_exit(evidence: Fields) -> Iterator[Cause]:
    """Yields with what code a container ended by itself."""
    task = newest(evidence)
    if task.get("stop_code") != "EssentialContainerExited":
        return
    for container in task["containers"]:
        code = container["exit_code"]
        if code is not None:
            how = EXITS.get(code, "It ended by itself")
            remedy = (
                "The log lines above tell why."
                if evidence["log_lines"]
                else "It wrote no log: run the image on your machine."
            )
            yield Cause(
                "container_exited", f"Container {container['name']} ended with exit code {code}. {how}.", remedy
            )


def of_alarms(evidence: Fields) -> Iterator[Cause]:
    """Yields that an alarm ended a deployment whose tasks were well."""
    names = ", ".join(evidence.get("alarms", []))
    if names:
        yield Cause(
            "alarm",
            f"The tasks run, but CloudWatch raised {names} while the new release got traffic.",
            "Look at what it measures, in CloudWatch and in the log of the app. An alarm that other things than "
            "a release set off does not belong into ecs_service_alarms.",
        )


def unknown(evidence: Fields) -> Cause:
    del evidence
    return Cause(
        "unknown",
        "What was seen does not tell the cause.",
        "Look at the stopped reason, the events and the log lines.",
    )
