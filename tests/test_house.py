"""The house keeps its floors: imports, printing and laziness, as CONTRIBUTING.md draws them."""

import ast
import functools
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import charrnn
import charrnn.tasks
from charrnn.storage.model_directory import Model, write_model

PACKAGE = Path(charrnn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up. Rooms on the same floor do not know each other.
FLOORS = {
    "array_types": 0,
    "cores": 0,
    "errors": 0,
    "forks": 0,
    "native_library": 0,
    "page": 0,
    "signals": 0,
    "wording": 0,
    "ambient": 1,
    "option_declaration": 1,
    "data": 2,
    "model": 2,
    "storage": 3,
    "engines": 4,
    "generation": 5,
    "evaluation": 6,
    "explanation": 7,
    "training": 8,
    "compression": 9,
    "interactive": 9,
    "plots": 9,
    "tasks": 10,
    "api": 11,
    "estimators": 11,
    "export": 12,
    "serving": 12,
    "cli": 13,
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file's syntax tree, which every rule reads: parsing takes longer than the rules."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module a file imports, at its top or inside a function."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports out in full"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


TASKS = {each.name for each in (PACKAGE / "tasks").iterdir() if each.is_dir()}


def folder_of_a_task(name: str) -> str | None:
    """Which task's folder a module is in; None for the registry, and for all other modules."""
    parts = name.split(".")
    return parts[2] if room(name) == "tasks" and len(parts) > 2 and parts[2] in TASKS else None


def floor(name: str) -> int:
    """The registry of tasks stands on the ground floor, the tasks themselves on theirs."""
    registry = room(name) == "tasks" and folder_of_a_task(name) is None
    return 0 if registry else FLOORS[room(name)]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_down_and_never_up(path: Path) -> None:
    here = room(module_name(path))
    if here in ("", "__main__"):  # the public API and `python -m charrnn` stand above the house
        return
    for name in imports(path):
        if not name.startswith("charrnn."):
            continue
        there = room(name)
        if there == "__version__":
            continue
        here_is_the_registry = floor(module_name(path)) != FLOORS[here]
        below = floor(name) < floor(module_name(path))
        inside = there == here and not here_is_the_registry
        assert inside or below, f"{module_name(path)} ({here}) imports {name} ({there})"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_tasks_do_not_know_each_other(path: Path) -> None:
    here = folder_of_a_task(module_name(path))
    for name in imports(path) if here is not None else ():
        assert folder_of_a_task(name) in (None, here), f"{module_name(path)} imports {name}"


def names_in(node: ast.AST) -> set[str]:
    """The names and attributes in an expression."""
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


CLASSES_OF_TASKS = {
    node.name
    for path in (PACKAGE / "tasks").rglob("*.py")
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.ClassDef)
}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_outside_of_tasks_nobody_asks_which_task_it_is(path: Path) -> None:
    """All others ask its definition, or the Task itself."""
    if room(module_name(path)) == "tasks":
        return
    for node in nodes(path):
        if isinstance(node, ast.Compare) and "task" in names_in(node):
            constants = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            assert not constants & charrnn.tasks.TASKS.keys(), f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and names_in(node.func) & {"isinstance", "issubclass"}:
            asked = names_in(node.args[1]) & CLASSES_OF_TASKS
            assert not asked, f"{path}:{node.lineno} asks for {asked}"


def test_no_two_files_import_each_other() -> None:
    known = {module_name(path): set(imports(path)) for path in MODULES if room(module_name(path))}
    for name, imported in known.items():
        for other in imported & known.keys():
            if not other.startswith(f"{name}."):
                assert name not in known[other] or name == other, f"{name} <-> {other}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_command_line_prints_or_knows_the_terminal(path: Path) -> None:
    if room(module_name(path)) == "cli" or path.name == "__main__.py":
        return
    for name in imports(path):
        assert name.split(".")[0] not in ("typer", "rich", "prompt_toolkit", "click")
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno} prints"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_nothing_in_a_model_file_can_run(path: Path) -> None:
    """Pickles run code when they are loaded, torch.load and numpy.load unpickle."""
    forbidden = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
    assert not forbidden & {name.split(".")[0] for name in imports(path)}
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            loads = node.attr == "load" and node.value.id in ("torch", "np", "numpy")
            assert not loads, f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "__import__"), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_module_has_more_than_400_lines_and_no_function_more_than_80(path: Path) -> None:
    """Of a command, whose parameters are its options, the parameters do not count."""
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            is_command = room(module_name(path)) == "cli"
            first = node.body[0].lineno if is_command else node.lineno
            assert node.end_lineno - first < 80, node.name


def loaded_after(code: str, *modules: str) -> set[str]:
    """Which of these modules are loaded after some code has run in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*(m for m in {modules!r} if m in sys.modules))"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def test_importing_charrnn_loads_nothing_heavy() -> None:
    assert loaded_after("import charrnn", "torch", "numpy", "typer", "rich", "datasets") == set()


def test_help_loads_no_torch() -> None:
    code = "from charrnn.cli.app import app\ntry: app(['train', '--help'])\nexcept SystemExit: pass"
    assert loaded_after(code, "torch", "numpy", "datasets", "prompt_toolkit") == set()


SLOW = ("torch._dynamo", "torch.fx.experimental.symbolic_shapes", "sympy", "datasets", "sklearn")
"""Packages that take half a second or more to import, and parts of PyTorch's compiler."""

TRAININGS = {
    "generate": ("train text.txt --attention 4", "evaluate {run} --adapt"),
    "restore": ("train text.txt --bidirectional", "fill {run} 'so__ words'"),
    "classify": ("train rows.csv --text text --label kind", "evaluate {run}"),
    "regress": ("train rows.csv --text text --label number --regress", "evaluate {run}"),
    "transduce": ("train rows.csv --source text --target kind", "translate {run} some"),
}
SIZES = "--steps 2 --evaluate-every 1 --hidden-size 8 --batch-size 4"


def test_a_training_imports_no_more_of_pytorch_than_import_torch_does(tmp_path: Path) -> None:
    """PyTorch's compiler takes longer to import than all else, and some of PyTorch's functions
    import it."""
    (tmp_path / "text.txt").write_text("some words and others\n" * 200)
    (tmp_path / "rows.csv").write_text("text,kind,number\n" + "some,a,1\nother,b,2\n" * 50)
    assert TRAININGS.keys() == charrnn.tasks.TASKS.keys()
    code = f"""
import os
import torch
os.chdir({str(tmp_path)!r})
from charrnn.cli.app import app
before = {{name for name in {SLOW!r} if name in sys.modules}}
for command in {[shlex.split(each) for each in commands_of_trainings()]!r}:
    try: app(command)
    except SystemExit as end: assert not end.code, end.code
    more = {{name for name in {SLOW!r} if name in sys.modules}} - before
    assert not more, f"{{command}} imports {{more}}"
    print()  # `fill` ends without a new line
"""
    assert loaded_after(code, "torch") == {"torch"}


def commands_of_trainings() -> Iterator[str]:
    for task, (train, use) in TRAININGS.items():
        yield f"{train} --name {task} {SIZES}"
        yield use.format(run=task)


def test_a_server_loads_no_torch(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    """Not even when it has answered requests of every kind of work on the processor."""
    write_model(tmp_path / "model", make_model("\n abc"))
    code = f"""
import socket
from starlette.testclient import TestClient
from charrnn.serving.app import make_app
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import read_models
from charrnn.serving.server import serve
from charrnn.serving.service import Service
service = Service(read_models([{str(tmp_path / "model")!r}]), ServingConfig())
with TestClient(make_app(service), base_url="http://localhost") as client:
    body = {{"prompt": "ab", "max_tokens": 9, "logprobs": 2, "echo": True}}
    assert client.post("/v1/completions", json=body).status_code == 200
    assert client.post("/api/score", json={{"text": "abc"}}).status_code == 200
    assert client.post("/api/suggest", json={{"prompt": "ab", "unit": "word"}}).status_code == 200
    assert client.post("/api/explain", json={{"text": "abc" * 9}}).status_code == 200
    assert client.get("/api/runs").status_code == 200
    assert client.get("/").status_code == 200
"""
    assert loaded_after(code, "torch", "datasets", "rich", "typer") == set()


def test_completion_loads_no_torch() -> None:
    code = "from charrnn.cli.shared_arguments import *; complete_runs(''); complete_corpora('')"
    assert loaded_after(code, "torch", "datasets", "rich") == set()


def test_every_public_name_can_be_imported_and_is_documented() -> None:
    for name in charrnn.__all__:
        assert getattr(charrnn, name).__doc__, name
    assert set(charrnn.__all__) <= set(dir(charrnn))
    with pytest.raises(AttributeError):
        charrnn.no_such_name  # noqa: B018
