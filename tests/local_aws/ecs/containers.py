# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers: the settings of a container definition that ministack does not hand to Docker."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_region
from ministack.services import ecs

from local_aws.ecs.api import Record
from local_aws.hooks import Function, patch

NANOSECONDS = 1_000_000_000
MEBIBYTE = 1024 * 1024
# Addresses of ministack itself, which a task on AWS is not given.
NOT_ON_AWS = ("AWS_ENDPOINT_URL",)


def install() -> None:
    """Complete how a container is started."""
    patch(ecs, "_build_run_kwargs", _completing)


def _completing(original: Function) -> Function:
    def build(definition: Record, task: Record, environment: dict[str, str], *args: Any) -> Record:
        for name in NOT_ON_AWS:
            environment.pop(name, None)
        environment |= {"AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region()}
        environment["AWS_EXECUTION_ENV"] = "AWS_ECS_FARGATE"
        environment |= {one["name"]: one["value"] for one in definition.get("environment", [])}
        options: Record = original(definition, task, environment, *args)
        options.update(_process(definition), **_resources(definition, task), **_file_system(definition, task))
        return options

    return build


def _process(definition: Record) -> Record:
    linux = definition.get("linuxParameters") or {}
    wanted = {
        "entrypoint": definition.get("entryPoint"),
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "init": linux.get("initProcessEnabled"),
        "cap_drop": (linux.get("capabilities") or {}).get("drop"),
        "healthcheck": _health_check(definition.get("healthCheck")),
        "sysctls": {one["namespace"]: one["value"] for one in definition.get("systemControls", [])},
    }
    return {name: value for name, value in wanted.items() if value}


def _health_check(check: Record | None) -> Record | None:
    if not check:
        return None
    defaults = {"interval": 30, "timeout": 5, "startPeriod": 0}
    seconds = {key: int(check.get(key, default)) * NANOSECONDS for key, default in defaults.items()}
    return {
        "test": check["command"],
        "interval": seconds["interval"],
        "timeout": seconds["timeout"],
        "start_period": seconds["startPeriod"],
        "retries": int(check.get("retries", 3)),
    }


def _resources(definition: Record, task: Record) -> Record:
    memory = definition.get("memory") or task.get("memory")
    options: Record = {"mem_limit": int(memory) * MEBIBYTE} if memory else {}
    if definition.get("ulimits"):
        options["ulimits"] = [
            {"Name": one["name"], "Soft": one["softLimit"], "Hard": one["hardLimit"]} for one in definition["ulimits"]
        ]
    return options


def _file_system(definition: Record, task: Record) -> Record:
    scratch = {mount["containerPath"]: "" for mount in _scratch_mounts(definition, task)}
    linux = definition.get("linuxParameters") or {}
    declared = {mount["containerPath"]: f"size={mount['size']}m" for mount in linux.get("tmpfs", [])}
    return {"read_only": bool(definition.get("readonlyRootFilesystem")), "tmpfs": {**scratch, **declared}}


def _scratch_mounts(definition: Record, task: Record) -> list[Record]:
    # A volume of a Fargate task has no place on a host; it lives and dies with the task.
    volumes = {volume["name"] for volume in task.get("volumes", []) if not (volume.get("host") or {}).get("sourcePath")}
    return [mount for mount in definition.get("mountPoints", []) if mount.get("sourceVolume") in volumes]
