# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keeps the inputs table of every role's README equal to its argument spec.

python tests/role_docs.py          fails when a README is out of date
python tests/role_docs.py --write  brings the READMEs up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parent.parent / "roles"
BEGIN, END = "<!-- inputs: begin -->", "<!-- inputs: end -->"


def main() -> int:
    write = "--write" in sys.argv[1:]
    stale = [role.name for role in sorted(ROLES.iterdir()) if role.is_dir() and not up_to_date(role, write)]
    for name in stale:
        print(f"roles/{name}/README.md: {'written' if write else 'out of date: run `make docs`'}")
    return 0 if write else len(stale)


def up_to_date(role: Path, write: bool) -> bool:
    readme = role / "README.md"
    before = readme.read_text(encoding="utf-8")
    head, _begin, rest = before.partition(BEGIN)
    _table, _end, tail = rest.partition(END)
    after = f"{head}{BEGIN}\n{inputs_table(role)}{END}{tail}"
    if write and before != after:
        readme.write_text(after, encoding="utf-8")
    return before == after


def inputs_table(role: Path) -> str:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    rows = [row(name, option) for name, option in specs["argument_specs"]["main"]["options"].items()]
    return "\n".join(["| input | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def row(name: str, option: dict[str, Any]) -> str:
    default = f"`{as_text(option['default'])}`" if "default" in option else "required" if option.get("required") else ""
    cells = [f"`{name}`", kind(option), default, sentence(option)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def as_text(default: Any) -> str:
    return default if isinstance(default, str) and default else json.dumps(default)


def kind(option: dict[str, Any]) -> str:
    name = option.get("type", "str")
    return f"{name} of {option['elements']}" if "elements" in option else str(name)


def sentence(option: dict[str, Any]) -> str:
    text = option["description"]
    text = " ".join(text) if isinstance(text, list) else text
    choices = option.get("choices")
    return " ".join(text.split()) + (f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else "")


if __name__ == "__main__":
    sys.exit(main())
