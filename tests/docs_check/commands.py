"""Reads the commands in console blocks, and checks each against the program that it names: nothing
is run here."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from typer.main import get_command

from charrnn.cli.app import app
from tests.docs_check.markdown import ROOT, Block, Document
from tests.docs_check.references import Problem

COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]

# Programs that take long, change the machine, or need the network: their options are checked only.
_NOT_RUN = {
    *("apt", "apt-get", "brew", "cd", "conda", "curl", "git", "make", "nohup", "pip", "pipx"),
    *("source", ".", "ssh", "sudo", "torchrun", "uv", "wget", ".ci/run", "jupyter", "open"),
}
_MODULES_NOT_RUN = ("benchmarks", "tests", "pip", "venv", "pytest", "http", "build")

# What the documents name with the commit at which it was there.
_GONE = {"benchmarks.architectures"}

# Options of other programs that the documents name.
_OF_OTHERS = {
    *("--upgrade", "--editable", "--index-url", "--numprocesses", "--strict", "--input"),
    *("--nproc-per-node", "--nnodes", "--node-rank", "--rdzv-backend", "--rdzv-endpoint"),
    *("--standalone", "--no-python", "--headless", "--full"),
}
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class ShellCommand:
    """What a reader types: `text` is a line of shell, or several."""

    text: str
    line: int
    runs: bool
    exit_code: int | None


def commands_of(block: Block) -> list[ShellCommand]:
    """The commands of a console block: what stands after `$ `, with the lines that go on with it,
    after `> ` or behind a backslash."""
    found: list[tuple[int, list[str]]] = []
    goes_on = False
    for number, line in enumerate(block.lines, block.line):
        if line.startswith("$ "):
            found.append((number, [line[2:]]))
        elif found and (line.startswith("> ") or line == ">") and goes_on:
            found[-1][1].append(line[2:])
        elif found and found[-1][1][-1].endswith("\\"):
            found[-1][1].append(line)
        else:
            goes_on = False
            continue
        goes_on = True
    commands = []
    for at, (number, lines) in enumerate(found):
        text = "\n".join(lines)
        expected = block.exit_code if at == len(found) - 1 else None
        commands.append(ShellCommand(text, number, block.runs and _may_run(text), expected))
    return commands


def simple_commands(text: str) -> list[list[str]]:
    """The words of each command in a line of shell, what it is given in the environment and where
    it reads and writes left out. What stands in `$(...)` is one word, and commands of its own."""
    text = re.sub(r"<<-?\s*(['\"]?)(\w+)\1(.*?)\n\2(?=\n|$)", r"\3", text, flags=re.DOTALL)
    inner: list[list[str]] = []
    while found := re.search(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text):
        inner += simple_commands(found[1])
        text = f"{text[: found.start()]}SUBSTITUTED{text[found.end() :]}"
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>()\n")
    lexer.whitespace_split, lexer.whitespace = True, " \t"
    commands: list[list[str]] = [[]]
    redirects = False
    for word in lexer:
        if set(word) <= set("|&;()\n"):
            commands.append([])
        elif set(word) <= set("<>&"):
            if commands[-1] and commands[-1][-1].isdecimal():
                commands[-1].pop()  # the 2 of 2> errors.txt
            redirects = True
        elif redirects or (not commands[-1] and re.match(r"\w+=", word)):
            redirects = False
        else:
            commands[-1].append(word)
    keywords = {"do", "then", "else", "time", "nice", "!"}
    stripped = [each[1:] if each and each[0] in keywords else each for each in commands]
    loops = {"for", "done", "fi", "if", "while"}
    return [*inner, *(each for each in stripped if each and each[0] not in loops)]


def _may_run(text: str) -> bool:
    """Whether all that a command starts is quick and needs no network."""
    try:
        commands = simple_commands(text)
    except ValueError:  # it is reported as what cannot be read
        return False
    for words in commands:
        module = _module(words)
        far = any(re.match(r"(hf|https?):", word) for word in words)
        if far or words[0] in _NOT_RUN or (module or "").split(".")[0] in _MODULES_NOT_RUN:
            return False
    return True


def _module(words: Sequence[str]) -> str | None:
    """What `python -m` runs."""
    is_python = re.fullmatch(r"(.*/)?python[\d.]*", words[0])
    return words[2] if is_python and len(words) > 2 and words[1] == "-m" else None


def check_command(text: str) -> Iterator[str]:
    """Says what is wrong with a command, as far as it can be seen without running it."""
    try:
        commands = simple_commands(text)
    except ValueError as error:
        yield f"the shell cannot read it: {error}"
        return
    for words in commands:
        module = _module(words)
        if words[0] == "torchrun":
            started = next((at for at, word in enumerate(words) if word == "charrnn"), None)
            words, module = words[started:] if started else words, None
        if words[0] == "charrnn" or module == "charrnn":
            yield from _check_charrnn(words[3 if module else 1 :])
        elif module and module.split(".")[0] in ("benchmarks", "tests", "examples", "charrnn"):
            yield from _check_script(module.replace(".", "/"), words[3:])
        elif re.fullmatch(r"python[\d.]*", words[0]) and words[1:2] and words[1].endswith(".py"):
            yield from _check_script(words[1].removesuffix(".py"), words[2:])
        elif words[0] == "make":
            unknown = [each for each in words[1:] if "=" not in each and each not in _targets()]
            yield from (f"make has no target {each}" for each in unknown)
        elif "install" in words and (words[0] == "pip" or module == "pip"):
            yield from _check_pip(words[words.index("install") + 1 :])


def _check_charrnn(words: list[str]) -> Iterator[str]:
    """Parses the words as charrnn does, types and ranges included."""
    while words and words[0].startswith("-"):
        if words[0] not in ("--debug", "--version", "--help", "-h", "--install-completion"):
            yield f"charrnn has no option {words[0]}"
        words = words[1:]
    if not words:
        return
    if words[0] not in COMMANDS:
        yield f"charrnn has no command {words[0]}"
        return
    command = COMMANDS[words[0]]
    if {"--help", "-h"} & set(words):
        return
    try:
        command.make_context(words[0], list(words[1:]))
    except Exception as error:  # Typer's own, which it does not publish, and charrnn's
        yield f"charrnn {words[0]}: {getattr(error, 'message', error)}"


def _check_script(path: str, words: list[str]) -> Iterator[str]:
    candidates = [ROOT / f"{path}.py", ROOT / path / "__main__.py"]
    source = next((each for each in candidates if each.is_file()), None)
    if source is None:
        yield f"there is no {path}.py"
        return
    for word in words:
        option = word.split("=")[0]
        if option.startswith("--") and option not in {"--help", "--", *script_options(str(source))}:
            yield f"{path}.py has no option {option}"


@cache
def script_options(path: str) -> set[str]:
    """The options that a script declares with argparse."""
    found: set[str] = set()
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "add_argument"
        ):
            names = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
            found |= {each for each in names if each.startswith("-")}
    return found


@cache
def _targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z][\w -]*):(?!=)", makefile, re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def _check_pip(words: list[str]) -> Iterator[str]:
    """Checks the name of our distribution, and its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words:
        name, _, extras = word.rstrip("]").partition("[")
        if name == "charrnn":
            yield f"the distribution's name is {project['name']}; charrnn is another project"
        if name in (".", project["name"]):
            for extra in filter(None, extras.split(",")):
                if extra not in project["optional-dependencies"]:
                    yield f"there is no extra {extra} in pyproject.toml"


def check_commands(document: Document) -> Iterator[Problem]:
    """Checks every command of the console blocks, and every option that is named elsewhere."""
    for block in document.blocks:
        if block.language == "console":
            for command in commands_of(block):
                yield from ((command.line, problem) for problem in check_command(command.text))
        elif block.language in ("text", "indented", ""):
            for number, line in enumerate(block.lines, block.line):
                yield from ((number, problem) for problem in check_synopsis(line))
    for number, span in document.spans:
        yield from ((number, problem) for problem in check_synopsis(span))


def check_synopsis(text: str) -> Iterator[str]:
    """Checks the options in a command with placeholders, or an option that stands alone."""
    if text.startswith("--"):
        option = text.split()[0].split("=")[0]
        if _OPTION.fullmatch(option) and option not in _all_options():
            yield f"no program of the project has the option {option}"
    for found in re.finditer(r"(?<![\w./-])charrnn (?P<name>[a-z]+)(?P<rest>[^|;]*)", text):
        if found["name"] in COMMANDS:
            known = _options_of(found["name"])
            given = _OPTION.findall(re.sub(r"'[^']*'|\"[^\"]*\"", "", found["rest"]))
            yield from (
                f"charrnn {found['name']} has no option {each}"
                for each in given
                if each not in known
            )
    script = re.search(r"python -m (?P<module>benchmarks[.\w]*)(?P<rest>.*)", text)
    if script and script["module"] not in _GONE:
        rest = re.sub(r"'[^']*'|\"[^\"]*\"", "", script["rest"])
        yield from _check_script(script["module"].replace(".", "/"), _OPTION.findall(rest))


def _options_of(name: str) -> set[str]:
    options = (
        each for option in COMMANDS[name].params for each in (*option.opts, *option.secondary_opts)
    )
    return {"--help", "-h", *options}


@cache
def _all_options() -> set[str]:
    scripts = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("corpora/*.py")]
    scripts += [*ROOT.glob("examples/**/*.py"), ROOT / "tests/docs_check/__main__.py"]
    found = {"--version", "--debug", "--install-completion", *_OF_OTHERS}
    for name in COMMANDS:
        found |= _options_of(name)
    for script in scripts:
        found |= script_options(str(script))
    return found


# What a reader may type at the beginning of a line.
_TYPED = re.compile(r"^(\$ )?(charrnn|python3?|pip|make|git|torchrun) +[\w.\"'/-]+")


def check_convention(document: Document) -> Iterator[Problem]:
    """Checks that what a reader types stands in console blocks, where it is checked and run."""
    for block in document.blocks:
        if block.language in ("sh", "bash", "shell", "zsh"):
            yield block.line, f"commands stand in ```console blocks, not in ```{block.language}"
        if block.language == "indented" and any(_TYPED.match(each) for each in block.lines):
            yield block.line, "commands stand in ```console blocks, not in indented ones"
        if block.language == "console" and not commands_of(block):
            yield block.line, "a ```console block has no command after `$ `"
