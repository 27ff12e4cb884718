# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._image import dockerignore as subject
from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError
from hypothesis import given
from hypothesis import strategies as st


def left_out(lines: str, path: str) -> bool:
    """Walks down to the path, as the context does."""
    ignore = subject.Ignore(subject.read_patterns(lines.encode()))
    verdict, matched = False, subject.NOTHING_MATCHED
    for step in [*reversed(PurePosixPath(path).parents), PurePosixPath(path)][1:]:
        verdict, matched = ignore.check(str(step), matched)
    return verdict


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        ("target", "target", True),
        ("target/", "target/release/app", True),
        ("/target", "target/release/app", True),
        ("./target", "target/x", True),
        ("target", "nested/target", False),
        ("**/target", "nested/target/x", True),
        ("**/target", "target", True),
        ("target/**", "target", False),
        ("target/**", "target/x", True),
        ("target/**/", "target/x/y", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/*.md", "README.md", True),
        ("*/*.md", "docs/README.md", True),
        ("*/*.md", "a/b/README.md", False),
        ("*/b", "a/b/deep/file", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        (r"a\*c", "a*c", True),
        (r"a\*c", "abc", False),
        ("a.c", "abc", False),
        ("a.c*", "abcd", False),
        ("a+b(c)", "a+b(c)", True),
        ("*a+b(c){d}|$", "xa+b(c){d}|$", True),
        ("**", "anything/at/all", True),
        ("*", "anything/at/all", True),
        ("**foo", "barfoo", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "ab", False),
        ("foo**", "foobar/baz", True),
        (".", "anything", False),
        ("..", "anything", False),
        ("../a", "a", False),
        ("a/../b", "b", True),
        ("//a", "a", True),
        ("**\t/", "a", True),
        ("x*|b", "ab", True),
        ("é?", "éa", True),
        ("# target\ntarget2", "# target", False),
        (" # target", "# target", True),
        ("  target  \r\n", "target", True),
        ("\ufefftarget", "target", True),
        ("", "target", False),
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-public.md", False),
        ("*\n!src", "src/main.rs", False),
        ("*\n!src/main.rs", "src/main.rs", False),
        ("*\n!src/main.rs", "src/other.rs", True),
        ("*\n! src", "src/main.rs", False),
        ("*\n!/src/", "src/main.rs", False),
        ("**\n!**/*.rs", "src/main.rs", False),
        ("src\n!src/a\nsrc/a/b", "src/a/b", True),
        ("src\n!src/a\nsrc/a/b", "src/a/c", False),
    ],
)
def test_what_docker_leaves_out(lines: str, path: str, expected: bool) -> None:
    assert left_out(lines, path) is expected


@pytest.mark.parametrize("line", ["!", "! ", "!/", "[", "a[", "[]", "[]a]", "[a-]", "[-a]", "[a", "a\\", "[a\\"])
def test_docker_refuses_a_malformed_line(line: str) -> None:
    with pytest.raises(ImageError, match="no pattern that Docker accepts"):
        subject.read_patterns(line.encode())


def glob(pattern: str, path: str) -> bool:
    """Decides by plain search what the subject decides by regular expression."""
    if not pattern:
        return not path
    if pattern.startswith("**/"):
        rests = [path] + [path[index + 1 :] for index, character in enumerate(path) if character == "/"]
        return any(glob(pattern[3:], rest) for rest in rests)
    if pattern == "**":
        return True
    if pattern.startswith("*"):
        whole = path.partition("/")[0]
        return any(glob(pattern[1:], path[length:]) for length in range(len(whole) + 1))
    same = bool(path) and (pattern[0] == path[0] or (pattern[0] == "?" and path[0] != "/"))
    return same and glob(pattern[1:], path[1:])


NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.one_of(NAMES, st.sampled_from(["*", "**", "a*", "*b", "?", "?b", "*.*"]))
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(st.lists(PATTERNS, max_size=4), PATHS)
def test_without_exceptions_one_match_of_a_path_or_its_parent_decides(patterns: list[str], path: str) -> None:
    parts = path.split("/")
    steps = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    expected = any(glob(pattern, step) for pattern in patterns for step in steps)
    assert left_out("\n".join(patterns), path) is expected


@given(st.lists(st.tuples(st.booleans(), PATTERNS), max_size=5), PATHS)
def test_a_folder_is_only_skipped_when_nothing_in_it_can_return(lines: list[tuple[bool, str]], path: str) -> None:
    text = "\n".join(("!" if exception else "") + pattern for exception, pattern in lines)
    ignore = subject.Ignore(subject.read_patterns(text.encode()))
    folders = [str(folder) for folder in PurePosixPath(path).parents][:-1]
    skipped = [folder for folder in folders if left_out(text, folder) and not ignore.may_return(folder)]
    assert not skipped or left_out(text, path)


@given(st.lists(PATTERNS, max_size=3), PATHS)
def test_a_last_line_that_names_the_path_brings_it_back(patterns: list[str], path: str) -> None:
    assert not left_out("\n".join([*patterns, f"!{path}"]), path)
