# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: warm
version_added: 0.1.0
short_description: Run modules on the controller without starting Python for each
description:
  - Like P(ansible.builtin.local#connection), except that Python modules run in children of one interpreter that
    already has boto3, the descriptions of AWS's APIs and the module utilities in memory. It saves most of a second for
    each module.
  - Every module still has a process of its own, with the environment, working directory and umask it would have
    otherwise. Nothing that depends on credentials or on a task is kept from one module to the next.
  - The interpreter starts with the first task, accepts connections only from the user who runs Ansible, and ends with
    Ansible, however that ends. Where the callback P(gatehouse.fargate.plan#callback) is enabled it starts with the
    play, and the plugins of the roles are loaded once and not by each task.
  - The arguments and the environment of a module travel through a socket, not through files or command lines.
author:
  - Gatehouse contributors (@gatehouse)
requirements:
  - Linux 5.3 or newer
  - ansible-core 2.19
extends_documentation_fragment:
  - connection_pipelining
options:
  services:
    description: AWS services, by botocore's names, whose API descriptions are read when the interpreter starts.
    type: list
    elements: str
    default: [acm, cognito-idp, ec2, ecr, ecs, elbv2, iam, logs, resourcegroupstaggingapi, route53, s3, sts]
    env:
      - name: GATEHOUSE_WARM_SERVICES
    ini:
      - section: gatehouse_warm_connection
        key: services
    vars:
      - name: ansible_warm_services
notes:
  - Tasks with C(become) are refused; give them C(ansible_connection=local) in their C(vars).
  - These run through the ordinary local connection - commands and file transfers of actions, asynchronous tasks,
    modules that are not written in Python or belong neither to ansible-core nor to a collection, modules for which
    C(ansible_python_interpreter) is not the interpreter of Ansible, tasks whose C(environment) changes how an
    interpreter starts (C(HOME), C(LANG), C(LC_*), C(LD_*), C(PYTHON*) and a few more), and everything while
    C(ANSIBLE_KEEP_REMOTE_FILES) is set or a folder of own C(module_utils) is in use.
  - Where the interpreter cannot start, or the version of ansible-core is not one this plugin knows, there is one
    warning, and modules run through the ordinary local connection.
  - So that no archive is built for a module that needs none, the plugin replaces one internal function of ansible-core
    while such a module is prepared. Hosts of the same play with other connections are not affected.
"""

EXAMPLES = r"""
- name: A play whose modules run on the controller
  hosts: all
  connection: gatehouse.fargate.warm
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Look at the stack
      gatehouse.fargate.stack_resources_info:
        name: hello-dev
        domain: hello.example.com
"""

import gc
import os
from multiprocessing import parent_process
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection.local import Connection as LocalConnection
from ansible.utils.display import Display
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm import builder, controller
from ansible_collections.gatehouse.fargate.plugins.plugin_utils._warm.client import (
    HandedBackError,
    LostError,
    UnavailableError,
    Warm,
)

display = Display()


class Connection(LocalConnection):
    """The local connection, with another way to run a module."""

    # Actions ask for this name to learn that they work on the controller.
    transport = "local"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._warm: Warm | None = None
        self._prepared: builder.Prepared | None = None
        self._last_was_ordinary = False

    @property
    def warm(self) -> bool:
        """Whether modules are to be prepared for the warm interpreter."""
        return self._warm is not None and not self.become and not constants.DEFAULT_KEEP_REMOTE_FILES

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        if self._warm is None:
            if parent_process() is not None:
                # Short-lived: a collection in a worker would copy the memory that it shares with Ansible.
                gc.freeze()
            self._start()

    def _start(self) -> None:
        """Early, so that the interpreter gets ready during the tasks that run no module."""
        try:
            self._warm = controller.start(self.get_option("services"))
        except UnavailableError as error:
            self._fall_back(str(error))

    def _fall_back(self, reason: str) -> None:
        self._warm = None
        # The same text from every worker, so that it is shown once.
        display.warning(f"gatehouse.fargate.warm runs modules through the ordinary local connection: {reason}")

    def _refuse_become(self) -> None:
        if self.become:
            raise AnsibleError(
                "become is not supported by the connection gatehouse.fargate.warm, whose modules run as the user who "
                "runs Ansible. Give tasks that need become: true the variable ansible_connection: local."
            )

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        """No temporary folder is needed for a module that the warm interpreter is going to run."""
        if self.warm and not wrap_async and not self._last_was_ordinary:
            return True
        return bool(super().is_pipelining_enabled(wrap_async))

    def prepare(self, prepared: builder.Prepared | None) -> None:
        """Called when a module was built: what to run for it, or None if it is an ordinary one."""
        self._prepared = prepared
        self._last_was_ordinary = prepared is None

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        self._refuse_become()
        prepared = self._prepared
        if prepared is None or in_data != prepared.marker:
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        return self._run(prepared, cmd)

    def _run(self, prepared: builder.Prepared, cmd: str) -> tuple[int, bytes, bytes]:
        display.vvv(f"WARM {prepared.fqn}", host=self._play_context.remote_addr)
        try:
            if self._warm is not None:
                return self._warm.run(prepared.request(os.fsdecode(self.cwd) if self.cwd else os.getcwd()))
        except UnavailableError as error:
            self._fall_back(str(error))
        except HandedBackError:
            display.vvv(f"{prepared.fqn} wants another interpreter", host=self._play_context.remote_addr)
        except LostError as error:
            raise AnsibleConnectionFailure(f"The warm interpreter ended while {prepared.fqn} ran. {error}") from None
        return super().exec_command(cmd, in_data=prepared.archive())

    def put_file(self, in_path: str, out_path: str) -> None:
        self._refuse_become()
        super().put_file(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        self._refuse_become()
        super().fetch_file(in_path, out_path)
