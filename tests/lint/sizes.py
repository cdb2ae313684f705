"""Usage: sizes.py ROOT: names functions, files and lines that are too long."""

import sys

from c_functions import functions, sources

FUNCTION_LINES = 60
FILE_LINES = 600
COLUMNS = 100
FILE_LINES_OF = {"src/main.c": 80, "src/train/step.c": 120}
FOLDERS = ("src", "include", "tests", "cmake", "slurm")
ENDINGS = (".c", ".h", ".py", ".sh", ".bash", ".cmake", ".sbatch")


def findings(path, text):
    lines = text.splitlines()
    most = FILE_LINES_OF.get(path, FILE_LINES)
    if len(lines) > most:
        yield f"{path}: the file has {len(lines)} lines, more than {most}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield f"{path}:{number}: the line has {len(line)} columns, more than {COLUMNS}"
    if not path.endswith(".c"):
        return
    for function in functions(text):
        if len(function.lines) > FUNCTION_LINES:
            yield (
                f"{path}:{function.first_line}: {function.name} has {len(function.lines)} "
                f"lines, more than {FUNCTION_LINES}"
            )


def main(root):
    found = [
        line for path, text in sources(root, FOLDERS, ENDINGS) for line in findings(path, text)
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
