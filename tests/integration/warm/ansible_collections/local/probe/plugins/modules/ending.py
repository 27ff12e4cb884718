# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ends in every way a module can end."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, respawn_module
from ansible_collections.local.probe.plugins.module_utils.old_name import GREETING


def late(file: str) -> None:
    time.sleep(0.2)
    with Path(file).open("a", encoding="utf-8") as log:
        log.write("thread\n")


def main() -> None:
    spec = {"way": {"type": "str", "required": True}, "file": {"type": "path"}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    way, file = module.params["way"], module.params["file"]
    if way == "status":
        sys.stdout.write(json.dumps({"changed": False, "greeting": GREETING, "rc": 3}))
        raise SystemExit(3)
    if way == "stderr":
        sys.stderr.write("seen on stderr\n")
        os.system("echo from a child >&2")
        raise RuntimeError("broken")
    if way == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "silent":
        os._exit(4)
    if way == "noise":
        sys.stdout.write("not JSON\n")
        raise SystemExit("a message")
    if way == "respawn" and not has_respawned():
        respawn_module(sys.executable)
    if way == "late":
        threading.Thread(target=late, args=(file,)).start()
        atexit.register(Path(file).write_text, "exit handler\n", encoding="utf-8")
    module.warn("a warning")
    module.exit_json(changed=False, respawned=has_respawned(), tmp=os.path.isdir(module.tmpdir))


if __name__ == "__main__":
    main()
