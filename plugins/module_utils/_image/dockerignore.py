# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``.dockerignore`` as Docker reads it: a translation of moby/patternmatcher, which BuildKit uses.

This module util is private to the collection. It can have breaking changes at any time.

Git's rules differ (patterns float, trailing slashes matter), so libraries for ``.gitignore`` do not fit.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.gatehouse.fargate.plugins.module_utils._image.errors import ImageError

REGEX_WANTED = frozenset("*[]?\\")
WILDCARDS = REGEX_WANTED | {"^"}
# Docker means to escape {, } and | as well, but its table has no room for them: in a pattern | divides.
REGEX_SPECIAL = frozenset(".+()$")

Matched = tuple[bool, ...]
NOTHING_MATCHED: Matched = ()


@dataclass(frozen=True)
class Pattern:
    """One line of the file: what it matches, and whether it puts back (``!``) what earlier lines left out."""

    text: str
    exception: bool
    matches: Callable[[str], bool]


def read_patterns(content: bytes) -> tuple[Pattern, ...]:
    """Returns the patterns of an ignore file, in order."""
    lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    texts = [_normalised(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    # Docker trims twice: what it cut off the front may have shielded a space.
    return tuple(_pattern(text.strip()) for text in texts if text.strip())


def _normalised(line: str) -> str:
    """Roots the pattern at the context: ``/a`` is ``a``, and ``a/`` is ``a``."""
    exception = line.startswith("!")
    text = line[1:].strip() if exception else line
    if text:
        text = _clean(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    return f"!{text}" if exception else text


def _clean(path: str) -> str:
    # normpath keeps two leading slashes, which POSIX allows to mean something; Go does not.
    return posixpath.normpath(re.sub("^/+", "/", path))


def _pattern(line: str) -> Pattern:
    text = _clean(line)
    exception = text.startswith("!")
    text = text[1:] if exception else text
    if not text or not WELL_FORMED.fullmatch(text):
        raise ImageError(f"Line {line!r} of the ignore file is no pattern that Docker accepts: mend or remove it.")
    return Pattern(text, exception, _matcher(text))


# What Go's path.Match accepts; Docker refuses the rest.
RANGE_END = r"(?:\\.|[^\\\]-])"
CHARACTER_CLASS = rf"\[\^?(?:{RANGE_END}(?:-{RANGE_END})?)+\]"
WELL_FORMED = re.compile(rf"(?:\\.|[^\\\[]|{CHARACTER_CLASS})*", re.DOTALL)


def _matcher(text: str) -> Callable[[str], bool]:
    """Returns the cheapest test that decides as the regular expression would."""
    if not REGEX_WANTED & set(text):
        return lambda path: path == text
    if text.startswith("**") and not REGEX_WANTED & set(text[2:]):
        suffix = text[2:]
        return lambda path: path.endswith(suffix) or (suffix.startswith("/") and path == suffix[1:])
    if text.endswith("**") and not REGEX_WANTED & set(text[:-2]):
        prefix = text[:-2]
        return lambda path: path.startswith(prefix)
    expression = _regular_expression(text)
    return lambda path: expression.search(path) is not None


TOKEN = re.compile(r"(\*\*/?\Z)|(\*\*/?)|(\*)|(\?)|(\\.)|(.)", re.DOTALL)


def _regular_expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(rf"^{''.join(_translated(token) for token in TOKEN.finditer(text))}\Z")
    except re.error as error:
        raise ImageError(f"Pattern {text!r} of the ignore file cannot be understood: {error}.") from error


def _translated(token: re.Match[str]) -> str:
    everything, folders, star, question, escaped, character = token.groups()
    if everything:
        return ".*"
    if folders:
        return "(.*/)?"
    if star or question:
        return "[^/]*" if star else "[^/]"
    if escaped:
        return re.escape(escaped[1])
    return f"\\{character}" if character in REGEX_SPECIAL else character


class Ignore:
    """Decides path by path, from the context's root downwards, what stays out of the context."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        exceptions = [pattern.text for pattern in patterns if pattern.exception]
        plain = [text.removesuffix("/**") for text in exceptions]
        self._plain_exceptions = None if any(WILDCARDS & set(text) for text in plain) else plain

    def check(self, path: str, parent: Matched) -> tuple[bool, Matched]:
        """Tells whether ``path`` is left out, and what to pass as ``parent`` for the paths right below it.

        ``parent`` is the second result of the folder that holds ``path``, NOTHING_MATCHED at the root.
        """
        left_out = False
        results = []
        for index, pattern in enumerate(self._patterns):
            matched = parent[index] if parent else False
            # A line can only change the verdict it disagrees with; Docker asks it about nothing else.
            if not matched and pattern.exception is left_out:
                matched = pattern.matches(path)
            results.append(matched)
            left_out = not pattern.exception if matched else left_out
        return left_out, tuple(results)

    def may_return(self, folder: str) -> bool:
        """Tells whether an exception could put back something inside a folder that is left out."""
        if self._plain_exceptions is None:
            return True
        return any(f"{text}/".startswith(f"{folder}/") for text in self._plain_exceptions)
