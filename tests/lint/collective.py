"""Usage: collective.py ROOT

A function is collective if COLLECTIVE stands before its prototype (or its definition, if static).
Findings, one a line:
  - TRY of a local function, FAIL, a return of status_fail, or a return or goto under a condition on
    what a local function said, inside a collective function: one rank would leave alone. TRY_ALL
    and TRY_ROOT agree first. Functions of C that look at their arguments alone (ALIKE) may decide.
  - A collective call in a local function.
  - A collective call that only some ranks reach: under a condition on `rank` or on a variable made
    of it, in TRY_ROOT, or after such a condition that leaves.
  - A contract whose first word contradicts the mark.
`// agreed: why` on the line, on the line above, or on an enclosing block's first line (or above
it) says that all ranks take the same way there. The bodies of src/comm are what agreement is made
of and are not judged, nor are those of src/nn: operators cannot fail, and all ranks of a tape's
group run the same ones. A call with the communicator `&self` is local; `main` may call both kinds
and leave before it starts MPI.
"""

import re
import sys

from c_functions import functions, sources, without_comments

TOKEN = re.compile(r"\w+|[^\w\s]")
LEAVE = {"return", "goto", "break", "continue"}
ALIKE = {"sizeof", "strcmp", "strncmp", "strlen", "strchr", "strstr", "memcmp", "isnan", "isfinite"}


def marked_names(files):
    names = {"main"}
    for _, text in files:
        text = re.sub(r"^\s*#.*$", "", without_comments(text), flags=re.M)
        for found in re.finditer(r"\bCOLLECTIVE\b([^;{]*)", text):
            name = re.search(r"(\w+)\s*\(", found.group(1))
            if name:
                names.add(name.group(1))
    return names


def contradictions(path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines):
        begins = line.startswith("///") and not (number and lines[number - 1].startswith("///"))
        word = re.match(r"/// (Local|Collective)[.,]", line) if begins else None
        if not word:
            continue
        after = number
        while after < len(lines) - 1 and lines[after].startswith("///"):
            after += 1
        if not lines[after].strip():
            continue  # it speaks of the whole section
        if (word.group(1) == "Collective") != lines[after].startswith("COLLECTIVE"):
            name = re.search(r"(\w+)\s*\(", " ".join(lines[after : after + 3]))
            if name:
                yield (
                    path,
                    number + 1,
                    f"the contract of {name.group(1)} says {word.group(1)}, "
                    "its mark COLLECTIVE says otherwise",
                )


class Judge:
    """Walks the statements of one function, knowing which of them only some ranks reach."""

    def __init__(self, path, function, text_lines, marked):
        self.path, self.function, self.marked = path, function, marked
        self.text_lines = text_lines
        self.collective = function.name in marked
        self.findings = []
        self.left_by_rank = False
        self.local_test = None  # a local function that the condition around a statement asked
        self.tokens = []
        for offset, line in enumerate(function.lines):
            if line.lstrip().startswith("#"):
                continue
            for found in TOKEN.finditer(line):
                self.tokens.append((found.group(), function.first_line + offset))
        self.rank_names = {"rank"}
        self.local_names = {}

    def note_variable(self, at):
        """Of `name = value`: is the value one of rank, and which local function is it from."""
        if self.word(at) != "=" or "=" in (self.word(at - 1), self.word(at + 1)):
            return
        name, end = self.word(at - 1), at + 1
        while self.word(end) not in (";", ",", "}", ""):
            end = self.closing(end) if self.word(end) in "([{" else end + 1
        words = [self.word(i) for i in range(at + 1, end)]
        if self.word(at + 1) != "{" and not self.opens_agreed(self.tokens[at][1]):
            if self.rank_names & set(words):
                self.rank_names.add(name)
            self.local_names[name] = self.asked(at + 1, end)

    def note_agreed(self, at):
        """What a collective call gets the address of is the same on all ranks afterwards."""
        for i in range(at, self.closing(at)):
            if self.word(i) == "&":
                self.rank_names.discard(self.word(i + 1))
                self.local_names.pop(self.word(i + 1), None)

    def asked(self, at, end):
        """The local function that an expression calls, or whose result it holds; None: none."""
        words = [self.word(i) for i in range(at, end)]
        if any(word in self.marked for word in words):
            return None
        for i in range(at, end):
            if self.local_names.get(self.word(i)):
                return self.local_names[self.word(i)]
            if self.word(i + 1) == "(" and re.match(r"[a-z]", self.word(i)):
                if self.word(i) not in ALIKE and self.word(i) not in ("if", "while", "switch"):
                    return self.word(i)
        return None

    def run(self):
        self.block(0, self.opens_agreed(self.function.first_line), False)
        return self.findings

    def word(self, at):
        return self.tokens[at][0] if at < len(self.tokens) else ""

    def opens_agreed(self, line):
        """Line numbers start at 1: the line itself or the line above explains."""
        return any("// agreed:" in self.text_lines[i] for i in (line - 1, line - 2) if i >= 0)

    def find(self, line, what):
        self.findings.append((self.path, line, what))

    def closing(self, at):
        """Index just after the bracket that closes the one at `at`."""
        depth = 0
        while at < len(self.tokens):
            depth += (self.word(at) in "([{") - (self.word(at) in ")]}")
            at += 1
            if depth == 0:
                return at
        return at

    def block(self, at, agreed, some_ranks):
        end = self.closing(at) - 1
        at += 1
        while at < end:
            at = self.statement(at, agreed, some_ranks)
        return end + 1

    def statement(self, at, agreed, some_ranks):
        word, line = self.tokens[at]
        agreed = agreed or self.opens_agreed(line)
        if word == "{":
            return self.block(at, agreed, some_ranks)
        if word in ("if", "while", "switch"):
            return self.conditional(at, agreed, some_ranks)
        if word == "for":
            after = self.closing(at + 1)
            self.expression(at + 1, after, agreed, some_ranks)
            return self.statement(after, agreed, some_ranks)
        if word == "do":
            return self.statement(at + 1, agreed, some_ranks)
        if word == "else":
            return self.statement(at + 1, agreed, some_ranks)
        if self.word(at + 1) == ":" and word not in ("?",):
            return at + 2  # a label
        end = at
        while end < len(self.tokens) and self.word(end) not in (";", "}"):
            end = self.closing(end) if self.word(end) in "([{" else end + 1
        self.expression(at, end, agreed, some_ranks)
        if some_ranks and not agreed and word in LEAVE:
            self.left_by_rank = True
        if word in ("return", "goto") and self.local_test and not agreed:
            self.leaves_alone(line)
        return end + 1

    def leaves_alone(self, line):
        if self.collective and self.function.name != "main":
            self.find(
                line,
                f"{self.function.name} is collective but leaves early after the local "
                f"{self.local_test}: use TRY_ALL or TRY_ROOT",
            )

    def conditional(self, at, agreed, some_ranks):
        after = self.closing(at + 1)
        self.expression(at + 1, after, agreed, some_ranks)
        words = [self.word(i) for i in range(at + 1, after)]
        some_ranks = some_ranks or (bool(self.rank_names & set(words)) and not agreed)
        around = self.local_test
        self.local_test = around or self.asked(at + 1, after)
        after = self.statement(after, agreed, some_ranks)
        if self.word(at) == "if" and self.word(after) == "else":
            after = self.statement(after, agreed, some_ranks)
        self.local_test = around
        return after

    def expression(self, at, end, agreed, some_ranks):
        """A rank before a ? or && or || makes the rest of the expression one of some ranks."""
        seen_rank = False
        for i in range(at, end):
            self.note_variable(i)
            word, line = self.tokens[i]
            now_agreed = agreed or self.opens_agreed(line)
            seen_rank = seen_rank or word in self.rank_names
            if seen_rank and word in "?&|" and not now_agreed:
                some_ranks = True
            if self.word(i + 1) == "(":
                inside = some_ranks or word == "TRY_ROOT"
                if word == "TRY_ROOT":
                    self.expression(i + 2, self.closing(i + 1), now_agreed, True)
                self.call(i, word, line, now_agreed, inside)

    def call(self, at, word, line, agreed, some_ranks):
        name = self.function.name
        alone = [self.word(at + 2), self.word(at + 3)] == ["&", "self"]
        if agreed or alone:
            return
        if word in self.marked:
            self.note_agreed(at + 1)
        if word in self.marked and not self.collective:
            self.find(line, f"{name} is local but calls the collective {word}")
        elif word in self.marked and (some_ranks or self.left_by_rank):
            self.find(line, f"the collective {word} is reached depending on rank")
        if not self.collective or name == "main":
            return
        if word == "TRY" and self.word(at + 2) not in self.marked:
            self.find(
                line,
                f"{name} is collective but leaves early with TRY of the local "
                f"{self.word(at + 2)}: use TRY_ALL or TRY_ROOT",
            )
        if word == "FAIL":
            self.find(line, f"{name} is collective but leaves early with FAIL")
        if word == "status_fail" and self.word(at - 1) == "return":
            self.find(line, f"{name} is collective but leaves early with status_fail")


def main(root):
    files = list(sources(root, ("include", "src")))
    marked = marked_names(files)
    findings = []
    for path, text in files:
        if path.startswith("include/"):
            findings += contradictions(path, text)
        if path.startswith(("src/comm/", "src/nn/")):
            continue
        for function in functions(text):
            findings += Judge(path, function, text.split("\n"), marked).run()
    for path, line, what in sorted(set(findings)):
        print(f"{path}:{line}: {what}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
