# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One stack: with the times that AWS takes, and without them."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

import yaml
from local_aws.provisioning import DOCUMENTED

from .bench import DESTROY, NO_TIME, ONLY_IMAGE, SITE, Bench
from .critical_path import Path as ChainOfSteps
from .critical_path import critical_path, deploy_steps, destroy_steps
from .drawing import timeline
from .report import Figure, Section, seconds
from .stand_in import ROOT, Run

ROLES = ROOT / "roles"
REPEATS = 3
LONG_WAIT_SECONDS = 2.0
MOST_ROWS = 8


def with_aws_times(bench: Bench) -> Section:
    """A first deployment and its removal while everything takes as long as on AWS."""
    inventory, _app = bench.inventory("slow")
    with bench.aws("slow", LOCAL_AWS_TIME_SCALE=str(bench.scale)) as aws:
        first = aws.play(SITE, inventory)
        removal = aws.play(DESTROY, inventory, "-e", "confirm=hello-local")
    durations = documented_times(bench.scale)
    steps, back = deploy_steps(durations, health_seconds()), destroy_steps(durations)
    return Section(
        f"With AWS's times, times {bench.scale:g}",
        "Everything that is slow on AWS has its documented pending state and duration in the local AWS. The critical\n"
        "path is computed from the same durations and from what AWS needs before what; the first deployment builds\n"
        "its image from nothing.",
        [
            *against(first, critical_path(steps), "first deployment", 1.1),
            *against(removal, critical_path(back), "removal", 1.2),
        ],
        notes=[waits(first), chain("deployment", critical_path(steps)), chain("removal", critical_path(back))],
        pictures={"performance-first.svg": timeline(first.executed, steps)},
    )


def documented_times(scale: float) -> dict[str, float]:
    return {what: duration * scale for what, duration in DOCUMENTED.items()}


def health_seconds() -> float:
    """From a running task to a healthy target, at best: all checks but the first one wait for an interval."""
    defaults = yaml.safe_load((ROLES / "alb_https" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    interval, threshold = defaults["alb_https_health_check_interval"], defaults["alb_https_healthy_threshold"]
    return float(interval * (threshold - 1))


def against(run: Run, path: ChainOfSteps, what: str, target: float) -> list[Figure]:
    ratio = run.cost.wall / path.seconds
    return [
        Figure(what, seconds(run.cost.wall)),
        Figure(f"critical path of the {what}", seconds(path.seconds)),
        Figure("ratio", f"{ratio:.2f}", f"at most {target:g}"),
    ]


def waits(run: Run) -> str:
    longest = sorted(run.executed, key=lambda task: task["began"] - task["ended"])
    shown = [task for task in longest if task["ended"] - task["began"] >= LONG_WAIT_SECONDS][:MOST_ROWS]
    words = [f"{title_of(task)} ({seconds(task['ended'] - task['began'])})" for task in shown]
    return f"Where the first deployment spent its time: {', '.join(words)}.\n"


def title_of(task: dict[str, str]) -> str:
    return task["title"].rpartition(" : ")[2]


def chain(what: str, path: ChainOfSteps) -> str:
    return f"Critical path of the {what}: {' → '.join(path.titles)}.\n"


def without_waits(bench: Bench) -> Section:
    """What is left of a run when AWS answers at once."""
    inventory, app = bench.inventory("quick")
    only_image = bench.folder / "image.yml"
    only_image.write_text(ONLY_IMAGE, encoding="utf-8")
    with bench.aws("quick", **NO_TIME) as aws:
        aws.play(str(only_image), inventory)
        first = aws.play(SITE, inventory)
        again = [aws.play(SITE, inventory) for _repeat in range(REPEATS)]
        heavy = aws.play(SITE, inventory, memory=0.02)
        change_a_line(app)
        image = aws.play(SITE, inventory)
        removal = aws.play(DESTROY, inventory, "-e", "confirm=hello-local")
    typical = sorted(again, key=lambda run: run.cost.wall)[len(again) // 2]
    return Section(
        "When AWS answers at once",
        "The local environment: closed network, login, ECS Exec. No change is the median of three runs; memory is\n"
        "measured in a fourth one, as the sum over all processes with shared pages counted once.",
        [
            Figure("first deployment, image already built", seconds(first.cost.wall), "at most 20 s"),
            Figure("no change, wall time", seconds(typical.cost.wall), "at most 3 s"),
            Figure("no change, CPU time", seconds(statistics.median(run.cost.cpu for run in again))),
            Figure("no change, requests to AWS", str(len(typical.calls)), "at most 60"),
            Figure("no change, tasks run and skipped", f"{len(typical.executed)}, {skipped(typical)}"),
            Figure("no change, memory", f"{heavy.cost.memory:.0f} MB", "at most 160 MB"),
            Figure("a line of the app changed", seconds(image.cost.wall)),
            Figure("removal", seconds(removal.cost.wall)),
        ],
        notes=[profile(typical), requests(typical)],
        pictures={"performance-no-change.svg": timeline(typical.executed, {})},
    )


def skipped(run: Run) -> int:
    return len(run.tasks) - len(run.executed)


def change_a_line(app: Path) -> None:
    source = app / "src" / "main.rs"
    source.write_text(source.read_text(encoding="utf-8") + "// one more line\n", encoding="utf-8")


def profile(run: Run) -> str:
    spent: Counter[str] = Counter()
    for task in run.executed:
        spent[title_of(task)] += task["ended"] - task["began"]
    between = run.cost.wall - sum(spent.values())
    words = [f"{title} {seconds(duration)}" for title, duration in spent.most_common(MOST_ROWS)]
    return f"Where the time of no change goes: {', '.join(words)}; outside of tasks {seconds(between)}.\n"


def requests(run: Run) -> str:
    words = [f"{action} {count}" for action, count in Counter(run.actions).most_common(MOST_ROWS)]
    return f"Its most frequent requests: {', '.join(words)}.\n"
