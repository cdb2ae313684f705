"""Reads our C as clang-format leaves it: a function's braces stand alone in column 0."""

import pathlib
import re


def blank(match):
    """Comments and literals become spaces of the same shape, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", match.group())


LITERAL = r'"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])*'"
COMMENT = r"//[^\n]*|/\*.*?\*/"


def without_comments(text):
    return re.sub(f"{LITERAL}|{COMMENT}", blank, text, flags=re.S)


class Function:
    def __init__(self, name, signature, first_line, lines):
        self.name = name
        self.signature = signature
        self.first_line = first_line  # of the opening brace
        self.lines = lines  # from brace to brace, without comments and literals


def function_name(signature):
    """The identifier before the first parenthesis, attributes aside."""
    signature = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", signature, flags=re.S)
    found = re.search(r"(\w+)\s*\(", signature)
    return found.group(1) if found else "?"


def functions(text):
    lines = without_comments(text).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            above = start
            while (
                above > 0
                and lines[above - 1].strip()
                and not re.search(r"^#|[;}]\s*$", lines[above - 1])
            ):
                above -= 1
            signature = "\n".join(lines[above:start])
            yield Function(
                function_name(signature), signature, start + 1, lines[start : number + 1]
            )
            start = None


def sources(root, folders, endings=(".c", ".h")):
    for folder in folders:
        for path in sorted(pathlib.Path(root, folder).rglob("*")):
            if path.suffix in endings:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
