# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A thousand users in one module call: below Cognito's request rates, read page by page, and not touched again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from conftest import LocalAws

USERS = 1000
GROUP = 100
# Requests a second that Cognito takes for each kind: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
QUOTAS = {"AdminCreateUser": 50, "AdminAddUserToGroup": 25, "ListUsers": 30, "ListUsersInGroup": 5, "CreateGroup": 5}
PLAYBOOK = f"""
- hosts: all
  connection: local
  gather_facts: false
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - gatehouse.fargate.cognito_user_pool: {{name: thousand, alias_attributes: [email]}}
      register: pool
    - gatehouse.fargate.cognito_users:
        user_pool_id: "{{{{ pool.user_pool.id }}}}"
        users: "{{{{ users }}}}"
      register: result
      vars:
        users: >-
          {{%- set all = namespace(users=[]) -%}}
          {{%- for number in range({USERS}) -%}}
          {{%- set _ = all.users.append({{'username': 'user' ~ number, 'email': 'user' ~ number ~ '@example.com',
               'temporary_password': 'Welcome-' ~ number ~ '-Aa',
               'groups': ['staff'] if number < {GROUP} else []}}) -%}}
          {{%- endfor -%}}
          {{{{ all.users }}}}
"""


@pytest.fixture
def playbook(tmp_path: Any) -> str:
    path = tmp_path / "thousand.yml"
    path.write_text(PLAYBOOK, encoding="utf-8")
    return str(path)


def busiest_second(calls: list[dict[str, Any]], action: str) -> int:
    times = sorted(call["time"] for call in calls if call["action"] == f"cognito-idp:{action}")
    return max((sum(start <= other < start + 1 for other in times) for start in times), default=0)


def test_a_thousand_users_in_one_call(play: Any, local_aws: LocalAws, playbook: str) -> None:
    local_aws.forget_calls()
    created = play(playbook, {"hello": {}})
    assert created.status == 0, created.failure("hello") + created.stderr
    calls = local_aws.calls()
    counts = Counter(call["action"].partition(":")[2] for call in calls)
    assert (counts["AdminCreateUser"], counts["AdminAddUserToGroup"], counts["CreateGroup"]) == (USERS, GROUP, 1)
    assert counts["ListUsers"] >= USERS // 60
    assert [action for action, quota in QUOTAS.items() if busiest_second(calls, action) > quota] == []
    local_aws.forget_calls()
    kept = play(playbook, {"hello": {}})
    assert kept.status == 0
    assert kept.changed() == 0
    assert local_aws.writes() == []
