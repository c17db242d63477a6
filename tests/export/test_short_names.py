"""Names of variables become short, and no others."""

import shutil
import subprocess

import pytest

from charrnn.export.javascript import bundle


def shortened(source: str) -> str:
    script = bundle("a.js", {"a.js": source}.__getitem__, short=True)
    return script.removeprefix('(() => {\n"use strict";\n').removesuffix("})();\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("const value = 1;\nuse(value, value);\n", "const a=1;\nuse(a,a);\n"),
        ("function twice(number) {\n  return number + number;\n}\n", None),
        ("const often = (first, second) => first + second + first;\n", "const c=(a,b)=>a+b+a;\n"),
        ("const [first, second] = pair;\n", "const[a,b]=pair;\n"),
        ("const shown = `${shown} shown`;\n", "const a=`${a} shown`;\n"),
        # names of properties, and what might be one
        ("const value = a.value;\n", "const value=a.value;\n"),
        ("const value = a?.value;\n", "const value=a?.value;\n"),
        ("const value = 1;\nuse({ value });\n", "const value=1;\nuse({value});\n"),
        ("const value = 1;\nuse({ value: 2 });\n", "const value=1;\nuse({value:2});\n"),
        ("const { value, other } = use;\n", "const{value,other}=use;\n"),
        (
            "use(() => {\n  const { value = 1 } = use;\n});\n",
            "use(()=>{\nconst{value=1}=use;\n});\n",
        ),
        ("const value = 1;\nuse({ value() {} });\n", "const value=1;\nuse({value(){}});\n"),
        (
            "let value = 1;\nclass Some {\n  value = 2;\n}\n",
            "let value=1;\nclass a{\nvalue=2;\n}\n",
        ),
        (
            "let value = 1;\nclass Some {\n  get value() {}\n}\n",
            "let value=1;\nclass a{\nget value(){}\n}\n",
        ),
        ("let value = 1;\nclass Some extends B {\n  *value() {}\n}\n", None),
        # names in a browser, and those of nobody
        (
            "const name = document.title;\nuse(location, name);\n",
            "const name=document.title;\nuse(location,name);\n",
        ),
        ('const value = "value";\nuse(/value/u);\n', 'const a="value";\nuse(/value/u);\n'),
    ],
)
def test_what_is_shortened(source: str, expected: str | None) -> None:
    if expected is None:
        first = "function b(a){\nreturn a+a;\n}\n"
        expected = (
            first if "twice" in source else "let value=1;\nclass a extends B{\n*value(){}\n}\n"
        )
    assert shortened(source) == expected


def test_a_short_name_is_none_that_is_there() -> None:
    script = shortened("const value = a + b.c;\nconst another = value + value;\n")
    assert script == "const d=a+b.c;\nconst e=d+d;\n"


def test_a_call_is_no_method() -> None:
    source = "function call() {}\nif (call()) {\n  call();\n}\n"
    assert shortened(source) == "function a(){}\nif(a()){\na();\n}\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_does_the_same() -> None:
    source = """
const LIMIT = 3;
class Counter {
  constructor({ start = 0 } = {}) { this.count = start; }
  *steps(limit) { for (let step = this.count; step < limit; step++) yield step; }
  get last() { return [...this.steps(LIMIT)].at(-1); }
}
const counter = new Counter({ start: 1 });
const all = [...counter.steps(LIMIT + 2)];
const [first, others] = (([head, ...tail]) => [head, tail])(all);
const label = (value) => (value > 2 ? `many: ${value}` : `few: ${{ value }.value}`);
console.log(first, others.map(label).join(), counter.last);
"""
    runs = [
        subprocess.run(
            ["node", "-e", bundle("a.js", {"a.js": source}.__getitem__, short=short)],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        for short in (False, True)
    ]
    assert runs[0] == runs[1] == "1 few: 2,many: 3,many: 4 2\n"
