# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The warm connection does what the ordinary one does, keeps modules apart, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, LocalAws, PlaybookRun, free_port, run_playbook

HERE = Path(__file__).with_name("warm")
SAME = HERE / "same.yml"
WARM = "gatehouse.fargate.warm"
MARK = "GATEHOUSE_TEST_RUN"
# Differ from run to run, whatever the connection.
VOLATILE = {"atime", "ctime", "mtime", "start", "end", "delta", "inode", "dev", "ansible_job_id", "_ansible_job_id"}
VOLATILE |= {
    "ansible_date_time",
    "results_file",
    "exception",
    "elapsed",
    "blocks",
    "block_size",
    "version",
    "_original_basename",
}
SCRATCH = [
    (re.compile(r"ansible-(tmp|moduletmp|local)-[\w.-]+|ansiblels?_?\w*_payload\w*|ansible\.\w+\.probe"), "TEMPORARY"),
    (re.compile(r"\.ansible_\w+|/\.\w{8}\b|tmp\w{8}\b"), "TEMPORARY"),
    # The shell of the ordinary connection tells how a module died.
    (re.compile(r"^Killed\n$"), ""),
]


def tasks_of(playbook: Path) -> list[str]:
    return [task["name"] for task in yaml.safe_load(playbook.read_text(encoding="utf-8"))[0]["tasks"]]


def comparable(value: Any, folder: str) -> Any:
    """A result without what differs between any two runs."""
    if isinstance(value, dict):
        return {key: comparable(item, folder) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [comparable(item, folder) for item in value]
    if isinstance(value, str):
        value = value.replace(folder, "FOLDER")
        for pattern, text in SCRATCH:
            value = pattern.sub(text, value)
    return value


def results(run: PlaybookRun, host: str) -> dict[str, Any]:
    return {task["task"]["name"]: task["hosts"].get(host) for play in run.report["plays"] for task in play["tasks"]}


@dataclass(frozen=True)
class Setting:
    """What both connections are given: the local AWS and a port on which nobody listens."""

    aws: LocalAws
    port: int
    folder: Path

    def run(self, connection: str) -> dict[str, Any]:
        scratch = self.folder / connection
        scratch.mkdir()
        values = {"scratch": str(scratch), "closed_port": self.port, "ansible_connection": connection}
        environment = {**self.aws.environment, "ANSIBLE_COLLECTIONS_PATH": f"{HERE}:{ROOT}/.venv/collections"}
        run = run_playbook([str(SAME), "-i", "here,", "-e", json.dumps(values)], environment)
        assert run.status == 0, run.output + run.stderr
        return {name: comparable(result, str(scratch)) for name, result in results(run, "here").items()}


@pytest.fixture(scope="module")
def both(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of the same tasks over the ordinary connection and over the warm one."""
    setting = Setting(local_aws, free_port(), tmp_path_factory.mktemp("same"))
    return setting.run("ansible.builtin.local"), setting.run(WARM)


@pytest.mark.parametrize("task", tasks_of(SAME))
def test_a_result_is_the_same(both: tuple[dict[str, Any], dict[str, Any]], task: str) -> None:
    ordinary, warm = both
    assert warm[task] == ordinary[task]


@dataclass(frozen=True)
class Marked:
    """The surroundings of one run, by which its processes and files are found again."""

    folder: Path
    mark: str

    def environment(self) -> dict[str, str]:
        temporary = {name: str(self.folder / name) for name in ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP")}
        return {**temporary, MARK: self.mark}

    def processes(self) -> dict[int, str]:
        """Process ids and command lines; what has ended and waits for its parent is none."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (process / "environ").read_bytes():
                    found[int(process.name)] = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
        return found

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if not path.is_dir()]

    def run(self, playbook: str, hosts: dict[str, Any], **environment: str) -> PlaybookRun:
        return run_playbook(self.command(playbook, hosts), {**self.environment(), **environment})

    def command(self, playbook: str, hosts: dict[str, Any]) -> list[str]:
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        return [str(HERE / playbook), "-i", str(inventory)]

    @contextmanager
    def waiting(self, playbook: str, hosts: dict[str, Any], **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A run whose module has begun to wait; what is left of it is killed at the end."""
        started = self.folder / "started"
        hosts = {name: {**values, "started": str(started)} for name, values in hosts.items()}
        surroundings = {**os.environ, **self.environment(), **environment}
        command = ["ansible-playbook", "-vvv", *self.command(playbook, hosts)]
        with subprocess.Popen(command, cwd=ROOT, env=surroundings, text=True, stdout=subprocess.PIPE) as process:
            try:
                wait_until(started.exists)
                yield process
            finally:
                for pid in self.processes():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    return Marked(tmp_path, uuid.uuid4().hex)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlaybookRun, Marked]:
    marked = Marked(tmp_path_factory.mktemp("apart"), uuid.uuid4().hex)
    # A length that no other process sleeps.
    common = {"long": f"500.{marked.mark[:8].translate(str.maketrans('abcdef', '012345'))}"}
    warm, ordinary = {**common, "ansible_connection": WARM}, {**common, "ansible_connection": "ansible.builtin.local"}
    run = marked.run("apart.yml", {"here": warm, "there": warm, "ordinary": ordinary}, ANSIBLE_FORKS="3")
    return run, marked


@dataclass(frozen=True)
class Family:
    """The process of a module and what it was forked from."""

    pid: str
    parent: str
    command: str

    @classmethod
    def of(cls, result: dict[str, Any]) -> Family:
        pid, parent, command = (line.strip() for line in result["stdout_lines"])
        return cls(pid, parent, command)

    def is_warm(self) -> bool:
        return self.command.endswith("_warm/boot.py")


def test_every_module_has_a_process_of_its_own_from_one_interpreter(apart: tuple[PlaybookRun, Marked]) -> None:
    run, _marked = apart
    assert run.status == 0, run.output + run.stderr
    families = [Family.of(results(run, host)[task]) for host in ("here", "there") for task in ("First", "Second")]
    assert all(family.is_warm() for family in families)
    assert len({family.pid for family in families}) == len(families)
    assert len({family.parent for family in families}) == 1


def test_with_the_plan_it_starts_before_the_first_task(marked: Marked) -> None:
    run = marked.run("early.yml", {"here": {}}, ANSIBLE_CALLBACKS_ENABLED="gatehouse.fargate.plan")
    assert run.status == 0, run.output + run.stderr
    assert "ansible-playbook" in results(run, "here")["Who started the interpreter"]["stdout"]
    assert "[WARNING]" not in run.stderr


def test_other_connections_of_the_same_play_are_untouched(apart: tuple[PlaybookRun, Marked]) -> None:
    run, _marked = apart
    assert not Family.of(results(run, "ordinary")["First"]).is_warm()
    items = results(run, "here")["Here and there"]["results"]
    assert [Family.of(item).is_warm() for item in items] == [True, False, True, False]


def test_hosts_run_at_once(apart: tuple[PlaybookRun, Marked]) -> None:
    run, _marked = apart
    here, there = (results(run, host)["At once"] for host in ("here", "there"))
    assert here["start"] < there["end"]
    assert there["start"] < here["end"]


def test_become_is_refused(apart: tuple[PlaybookRun, Marked]) -> None:
    run, _marked = apart
    refused = results(run, "here")["Become"]
    assert refused["failed"]
    assert "become is not supported by the connection gatehouse.fargate.warm" in refused["msg"]
    assert "ansible_connection: local" in refused["msg"]


def test_a_task_that_takes_too_long_is_ended(apart: tuple[PlaybookRun, Marked]) -> None:
    run, _marked = apart
    assert "Timed out after 2 second" in results(run, "here")["Too long"]["msg"]
    assert results(run, "here")["Nothing of it runs on"]["rc"] == 1


def test_nothing_is_left_behind(apart: tuple[PlaybookRun, Marked]) -> None:
    _run, marked = apart
    wait_until(lambda: not marked.processes())
    assert [path.name for path in marked.files()] == ["inventory.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_the_end_of_ansible(marked: Marked, number: signal.Signals) -> None:
    with marked.waiting("waiting.yml", {"here": {"ansible_connection": WARM}}) as process:
        assert any("_warm/boot.py" in command for command in marked.processes().values())
        process.send_signal(number)
        wait_until(lambda: not marked.processes())
    assert not [path for path in marked.folder.rglob("*") if path.is_socket()]


def test_what_a_module_is_given_is_in_no_file_and_no_command_line(marked: Marked) -> None:
    probe = uuid.uuid4().hex
    # In the environment of Ansible itself, from where the playbook takes it: its name is what must not travel.
    with marked.waiting("waiting.yml", {"here": {"ansible_connection": WARM}}, PROBE=probe) as process:
        assert not [command for command in marked.processes().values() if probe in command]
        texts = [path.read_bytes() for path in marked.files() if path.is_file()]
        assert not [text for text in texts if probe.encode() in text]
        process.send_signal(signal.SIGINT)
        output, _errors = process.communicate()
    assert f"{probe}-" not in output
    assert "WARM ansible.modules.command" in output


def shown(marked: Marked, hosts: dict[str, Any], **environment: str) -> tuple[int, str]:
    """The status and the output of a run as a person sees it, where equal warnings appear once."""
    settings = {
        **os.environ,
        **marked.environment(),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        **environment,
    }
    command = ["ansible-playbook", *marked.command("ordinary.yml", hosts)]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_without_an_interpreter_there_is_one_warning(marked: Marked) -> None:
    code = "import os, sys\nif any(part.endswith('boot.py') for part in sys.orig_argv):\n"
    code += "    os.write(2, b'out of memory\\n')\n    os._exit(3)\n"
    (marked.folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    hosts = {name: {"ansible_connection": WARM, "scratch": str(marked.folder)} for name in ("here", "there")}
    status, output = shown(marked, hosts, PYTHONPATH=str(marked.folder))
    assert status == 0, output
    assert (marked.folder / "there").read_text(encoding="utf-8") == "text"
    assert re.findall(
        r"gatehouse.fargate.warm runs modules through the ordinary local connection: (.{13})", output
    ) == ["out of memory"]


def test_a_lost_interpreter_fails_its_module_and_the_rest_runs_ordinarily(marked: Marked) -> None:
    hosts = {"here": {"ansible_connection": WARM, "scratch": str(marked.folder), "murder": True}}
    status, output = shown(marked, hosts)
    assert status == 0, output
    assert "warm interpreter ended while ansible.modules.command ran" in output
    assert (marked.folder / "here").read_text(encoding="utf-8") == "text"
    assert output.count("runs modules through the ordinary local connection: ") == 1
