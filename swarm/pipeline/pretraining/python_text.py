"""Cuts Python source into code, docstrings and comments, and any text into paragraphs.

One regular expression finds strings and comments. ``tokenize`` would say the same but takes about
ten seconds for the standard library; a test compares the two. What it takes for a docstring is a
string that stands alone on its lines and follows a colon or the start of the file.
"""

import re
from dataclasses import dataclass
from inspect import cleandoc

_TOKEN = re.compile(
    r"#[^\n]*"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'",
    re.DOTALL,
)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_DOCSTRING_PREFIXES = ("", "r", "R", "u", "U")


@dataclass(frozen=True, kw_only=True)
class PythonText:
    """One file, cut; each domain is a list of units in the order of the file."""

    code: list[str]
    """Paragraphs without comments and docstrings."""
    docstrings: list[str]
    comments: list[str]
    """Comments on adjacent lines are one unit."""


def cut_python(source: str) -> PythonText:
    """Cuts one file. Text that is not Python gives some cut, never an error."""
    code: list[str] = []
    docstrings: list[str] = []
    comments: list[str] = []
    at, last, comment_ended = 0, ":", -1
    for match in _TOKEN.finditer(source):
        gap, text = source[at : match.start()], match.group()
        before = gap.rpartition("\n")[2] if "\n" in gap or at == 0 else gap
        if text[0] == "#":
            code.append(gap)
            last = (gap.rstrip() or last)[-1]
            if comment_ended == at and not gap.strip() and gap.count("\n") == 1:
                comments[-1] += "\n" + text
            else:
                comments.append(text)
            comment_ended = match.end()
        elif _stands_alone(source, before, last, gap, match.end()):
            code.append(gap[: len(gap) - len(before)])
            n_quotes = 3 if text[:3] in ('"""', "'''") else 1
            docstrings.append(cleandoc(text[n_quotes:-n_quotes]))
            last = '"'
        else:
            code.append(gap + text)
            last = '"'
        at = match.end()
    code.append(source[at:])
    lines = (line.rstrip() for line in "".join(code).splitlines())
    return PythonText(
        code=paragraphs("\n".join(lines)),
        docstrings=[text for text in docstrings if text],
        comments=comments,
    )


def paragraphs(text: str) -> list[str]:
    """Cuts text at blank lines; indentation stays, line ends at either side go."""
    return [part.strip("\n") for part in _BLANK_LINES.split(text) if part.strip()]


def _stands_alone(source: str, before: str, last: str, gap: str, end: int) -> bool:
    """Tells whether a string is the first statement of a block, that is, a docstring."""
    prefix = before.strip()
    if prefix not in _DOCSTRING_PREFIXES:
        return False
    earlier = gap[: len(gap) - len(before)].rstrip()
    if (earlier or last)[-1] != ":":
        return False
    line_end = source.find("\n", end)
    rest = source[end : line_end if line_end >= 0 else len(source)].strip()
    return not rest or rest[0] == "#"
