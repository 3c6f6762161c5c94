import ast
import difflib
import inspect
import io
import json.decoder
import shlex
import textwrap
import tokenize
from types import ModuleType

import pytest

from swarm.pipeline.pretraining.python_text import cut_python

SOURCE = '''\
#!/usr/bin/env python
# A comment of
# two lines.
"""What this module is for."""

URL = "https://example.org/#anchor"  # not a comment inside


class A:
    r"""A class \\d."""

    def f(self):
        \'\'\'Says "hi".

            More.
        \'\'\'
        return """not a docstring # nor a comment"""
'''


def test_code_docstrings_and_comments_are_told_apart() -> None:
    cut = cut_python(SOURCE)

    assert cut.docstrings == [
        "What this module is for.",
        "A class \\d.",
        'Says "hi".\n\nMore.',
    ]
    assert cut.comments == [
        "#!/usr/bin/env python\n# A comment of\n# two lines.",
        "# not a comment inside",
    ]
    assert cut.code == [
        'URL = "https://example.org/#anchor"',
        "class A:",
        "    def f(self):",
        '        return """not a docstring # nor a comment"""',
    ]


@pytest.mark.parametrize("module", [json.decoder, shlex, textwrap, difflib, inspect])
def test_comments_are_those_of_tokenize(module: ModuleType) -> None:
    source = inspect.getsource(module)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)

    expected = [token.string for token in tokens if token.type == tokenize.COMMENT]

    found = [line for unit in cut_python(source).comments for line in unit.split("\n")]
    assert found == expected


@pytest.mark.parametrize("module", [json.decoder, textwrap, inspect])
def test_docstrings_are_those_of_ast(module: ModuleType) -> None:
    source = inspect.getsource(module)
    nodes = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )

    expected = sum(1 for node in nodes if ast.get_docstring(node))

    assert len(cut_python(source).docstrings) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("source", ["", '"', "'''", "#", "def f(:\n  '", '"""a\\', "\\"])
def test_text_that_is_not_python_is_cut_somehow(source: str) -> None:
    cut = cut_python(source)

    assert sum(map(len, cut.code + cut.docstrings + cut.comments)) <= len(source)
