# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Task definitions as data: what to register, and one normal form in which two can be compared.

Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import SENSITIVE, Fields

SENSITIVE_CHANGED = "(sensitive value, changed)"
PRESENT = "present"

# What DescribeTaskDefinition adds to what was registered.
METADATA = {
    "taskDefinitionArn",
    "family",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
}
# Lists whose order means nothing, with the field that names an item.
NAMED_BY = {
    "containerDefinitions": "name",
    "dependsOn": "containerName",
    "environment": "name",
    "mountPoints": "containerPath",
    "portMappings": "containerPort",
    "secretOptions": "name",
    "secrets": "name",
    "systemControls": "namespace",
    "tmpfs": "containerPath",
    "ulimits": "name",
    "volumes": "name",
    "volumesFrom": "sourceContainer",
}
# Of these, lists of a name with a single value; an empty environment value is a value too.
VALUE_OF = {
    "dependsOn": "condition",
    "environment": "value",
    "secretOptions": "valueFrom",
    "secrets": "valueFrom",
    "systemControls": "value",
}
# Maps whose keys are the user's own, not AWS's.
OWN_KEYS = {"options", "dockerLabels", "driverOpts", "labels"}
UNORDERED = {"requiresCompatibilities", "add", "drop", "mountOptions"}
# What AWS assumes, or fills in, when a field is left out.
DEFAULTS: dict[str, Any] = {
    "enable_fault_injection": False,
    "ephemeral_storage.size_in_gi_b": 20,
    "runtime_platform.cpu_architecture": "X86_64",
    "runtime_platform.operating_system_family": "LINUX",
    "containers.*.cpu": 0,
    "containers.*.disable_networking": False,
    "containers.*.essential": True,
    "containers.*.health_check.interval": 30,
    "containers.*.health_check.retries": 3,
    "containers.*.health_check.start_period": 0,
    "containers.*.health_check.timeout": 5,
    "containers.*.interactive": False,
    "containers.*.linux_parameters.init_process_enabled": False,
    "containers.*.mount_points.*.read_only": False,
    "containers.*.port_mappings.*.protocol": "tcp",
    "containers.*.privileged": False,
    "containers.*.pseudo_terminal": False,
    "containers.*.readonly_root_filesystem": False,
    "containers.*.stop_timeout": 30,
    "containers.*.version_consistency": "enabled",
    "containers.*.volumes_from.*.read_only": False,
}
# In the awsvpc network mode the host port is always the container port.
IMPLIED = {"containers.*.port_mappings.*.host_port"}
MASKED = re.compile(r"^containers\.[^.]+\.(secrets|log_configuration\.secret_options)\.")


def registration(params: Fields) -> Fields:
    """Returns the parameters of RegisterTaskDefinition, tags left out."""
    return without_unset(
        {
            "family": params["family"],
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": str(params["cpu"]),
            "memory": str(params["memory"]),
            "executionRoleArn": params["execution_role_arn"],
            "taskRoleArn": params["task_role_arn"],
            "runtimePlatform": {
                "cpuArchitecture": params["cpu_architecture"],
                "operatingSystemFamily": params["operating_system_family"],
            },
            "ephemeralStorage": params["ephemeral_storage"] and {"sizeInGiB": params["ephemeral_storage"]},
            "volumes": [{"name": name} for name in params["volumes"] or []],
            "containerDefinitions": [container_definition(container) for container in params["containers"]],
        }
    )


def container_definition(container: Fields) -> Fields:
    variables = {**(container["environment"] or {}), **(container["sensitive_environment"] or {})}
    return without_unset(
        {
            "name": container["name"],
            "image": container["image"],
            "essential": container["essential"],
            "cpu": container["cpu"],
            "memory": container["memory"],
            "memoryReservation": container["memory_reservation"],
            "portMappings": port_mappings(container),
            "environment": [{"name": key, "value": environment_value(value)} for key, value in variables.items()],
            "secrets": name_value_from(container["secrets"]),
            "command": container["command"],
            "entryPoint": container["entry_point"],
            "workingDirectory": container["working_directory"],
            "user": container["user"],
            "readonlyRootFilesystem": container["readonly_root_filesystem"],
            "startTimeout": container["start_timeout"],
            "stopTimeout": container["stop_timeout"],
            "dockerLabels": container["docker_labels"],
            "dependsOn": [camel_fields(item) for item in container["depends_on"] or []],
            "healthCheck": camel_fields(container["health_check"]),
            "linuxParameters": camel_fields(container["linux_parameters"]),
            "logConfiguration": log_configuration(container["log_configuration"]),
            "mountPoints": [camel_fields(item) for item in container["mount_points"] or []],
            "ulimits": [camel_fields(item) for item in container["ulimits"] or []],
        }
    )


def port_mappings(container: Fields) -> list[Fields]:
    port = container["port"]
    return [] if port is None else [{"containerPort": port, "hostPort": port, "protocol": "tcp"}]


def environment_value(value: Any) -> str:
    """Returns what a container sees: YAML's true is `true`, not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def name_value_from(values: Mapping[str, str] | None) -> list[Fields]:
    return [{"name": name, "valueFrom": value} for name, value in (values or {}).items()]


def log_configuration(options: Fields | None) -> Fields | None:
    if not options:
        return None
    return without_unset(
        {
            "logDriver": options["log_driver"],
            "options": {key: environment_value(value) for key, value in (options["options"] or {}).items()},
            "secretOptions": name_value_from(options["secret_options"]),
        }
    )


def camel_fields(fields: Any) -> Any:
    """Turns typed suboptions into API fields: snake_case to camelCase, unset ones left out."""
    if isinstance(fields, dict):
        return without_unset({camel(key): camel_fields(value) for key, value in fields.items()})
    return [camel_fields(item) for item in fields] if isinstance(fields, list) else fields


def without_unset(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if value is not None and value not in ([], {})}


def normal_form(definition: Fields) -> Fields:
    """Returns every field that differs from AWS's default, as `path: value`.

    Two task definitions mean the same to ECS exactly when their normal forms are equal.
    """
    return dict(leaves({key: value for key, value in definition.items() if key not in METADATA}))


def leaves(value: Any, path: str = "", pattern: str = "", key: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the leaves below ``value``; ``pattern`` is ``path`` with every user-given name as `*`."""
    if key in NAMED_BY and isinstance(value, list):
        yield from named_leaves(value, path, pattern, key)
    elif isinstance(value, dict):
        own = key in OWN_KEYS
        for name, item in value.items():
            field = name if own else snake(name)
            yield from leaves(item, joined(path, field), joined(pattern, "*" if own else field), "" if own else name)
    elif is_meaningful(value, pattern):
        yield path, sorted(value) if key in UNORDERED else value


def named_leaves(items: list[Fields], path: str, pattern: str, key: str) -> Iterator[tuple[str, Any]]:
    for item in items:
        name = item_name(item, key)
        rest = {field: value for field, value in item.items() if field != NAMED_BY[key]}
        if key in VALUE_OF:
            yield joined(path, name), rest.get(VALUE_OF[key], "")
            continue
        # A volume or a port is meant even when every field of it has its default.
        yield joined(path, name), PRESENT
        yield from leaves(rest, joined(path, name), joined(pattern, "*"))


def item_name(item: Fields, key: str) -> str:
    name = str(item.get(NAMED_BY[key]))
    return f"{name}/{item.get('protocol') or 'tcp'}" if key == "portMappings" else name


def is_meaningful(value: Any, pattern: str) -> bool:
    if value is None or value in ("", []) or pattern in IMPLIED:
        return False
    return pattern not in DEFAULTS or value != DEFAULTS[pattern]


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def snake(name: str) -> str:
    if name == "containerDefinitions":
        return "containers"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def sensitive_paths(params: Fields) -> set[str]:
    """Returns the paths of environment variables whose values must never be shown."""
    return {
        f"containers.{container['name']}.environment.{name}"
        for container in params["containers"] or []
        for source in ("sensitive_environment", "secrets")
        for name in container[source] or {}
    }


def shown_difference(current: Fields, desired: Fields, sensitive: set[str]) -> tuple[Fields, Fields]:
    """Returns the fields in which two normal forms differ, before and after, secrets masked."""
    changed = sorted(key for key in current.keys() | desired.keys() if current.get(key) != desired.get(key))
    before = {key: shown(key, current[key], sensitive) for key in changed if key in current}
    after = {key: shown(key, desired[key], sensitive) for key in changed if key in desired}
    for key in before.keys() & after.keys():
        if after[key] == SENSITIVE:
            after[key] = SENSITIVE_CHANGED
    return before, after


def shown(path: str, value: Any, sensitive: set[str]) -> Any:
    return SENSITIVE if path in sensitive or MASKED.match(path) else value
