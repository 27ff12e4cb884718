# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Each role works in a playbook of its own, without any stack_* variable, when its inputs are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PARENT, ROOT, LocalAws, run_playbook

DOMAIN = f"alone.{PARENT}"
INPUTS: dict[str, dict[str, Any]] = {
    "network_endpoints": {
        "network_endpoints_region": "ap-northeast-1",
        "network_endpoints_name": "alone",
        "network_endpoints_domain": DOMAIN,
        "network_endpoints_parent_domain": PARENT,
    },
    "ecr_image": {
        "ecr_image_region": "ap-northeast-1",
        "ecr_image_repository": "alone",
        "ecr_image_path": str(ROOT / "app"),
    },
    "cognito_auth": {
        "cognito_auth_region": "ap-northeast-1",
        "cognito_auth_name": "alone",
        "cognito_auth_domain": DOMAIN,
        "cognito_auth_zone_id": "(known after apply)",
        "cognito_auth_users": {"alice": {"email": "alice@example.com"}},
    },
    "alb_https": {
        "alb_https_region": "ap-northeast-1",
        "alb_https_name": "alone",
        "alb_https_domain": DOMAIN,
        "alb_https_zone_id": "(known after apply)",
        "alb_https_vpc_id": "(known after apply)",
        "alb_https_subnet_ids": ["(known after apply)"],
        "alb_https_security_group_ids": ["(known after apply)"],
        "alb_https_login": False,
    },
    "ecs_service": {
        "ecs_service_region": "ap-northeast-1",
        "ecs_service_name": "alone",
        "ecs_service_image": "111122223333.dkr.ecr.ap-northeast-1.amazonaws.com/alone@sha256:" + "0" * 64,
        "ecs_service_subnet_ids": ["(known after apply)"],
        "ecs_service_security_group_ids": ["(known after apply)"],
    },
}


@pytest.mark.parametrize("role", INPUTS)
def test_a_role_alone(local_aws: LocalAws, tmp_path: Path, role: str) -> None:
    playbook = tmp_path / "alone.yml"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "roles": [{"role": f"gatehouse.fargate.{role}", **INPUTS[role]}],
    }
    playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    run = run_playbook([str(playbook), "-i", "localhost,", "--check"], local_aws.environment)
    assert run.failure("localhost") == ""
    assert run.status == 0, run.stderr
    assert run.changed() > 0
