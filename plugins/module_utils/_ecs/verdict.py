# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The end of a deployment for a module: success, or a failure with everything that is known, after the way back.

This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._client import aws_client
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs import evidence
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.deployments import Followed
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.diagnosis import diagnose
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.digests import wrong_image
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.failures import card, machine_readable
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.observation import Observer
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.watch import DeploymentFailedError, follow
from ansible_collections.gatehouse.fargate.plugins.module_utils._ecs.way_back import WayBack
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields
from ansible_collections.gatehouse.fargate.plugins.module_utils._progress import Progress

# Options of every module that waits for a verdict.
WAIT_OPTIONS: dict[str, Any] = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 900},
    "sensitive_variables": {"type": "list", "elements": "str", "default": []},
    "live_output": {"type": "bool", "default": True},
    "progress_path": {"type": "path"},
}


def await_verdict(
    module: AnsibleAWSModule,
    client: Any,
    read: Callable[[], Fields],
    wanted: Followed,
    progress: Progress,
    *,
    rolls_back: bool,
) -> None:
    """Returns when the deployment is complete; otherwise fails the module with everything that is known.

    read: returns the described service. rolls_back: whether an incomplete deployment is taken back.
    """
    clients = cache(lambda name: client if name == "ecs" else aws_client(module, name))
    observe = Observer(client, lambda: clients("elbv2"), read, wanted)
    try:
        look = follow(observe, wanted, progress, module.params["wait_timeout"] + wanted.pauses)
        reason = wrong_image(client, look, wanted)
        if reason:
            raise DeploymentFailedError(reason, look)
    except DeploymentFailedError as error:
        seen = evidence.gather(clients, error.look, wanted)
        aftermath = WayBack(client, observe, wanted, progress).go(error.look, rolls_back)
        # Lines need some seconds from the container to the log, so they are read last.
        seen |= evidence.read_log(clients, error.look, wanted, module.params["sensitive_variables"])
        told = (wanted, str(error), diagnose(seen), seen, aftermath)
        module.fail_json(msg=card(*told), failure=machine_readable(*told))
