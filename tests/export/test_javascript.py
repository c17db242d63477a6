"""Modules become one script, or an error."""

import shutil
import subprocess
from collections.abc import Callable

import pytest

from charrnn.export.javascript import bundle
from charrnn.export.javascript_tokens import ScriptError, tokens


def reader(**modules: str) -> Callable[[str], str]:
    """Reads modules by name, such as a.js."""
    return lambda name: modules[name.removesuffix(".js")]


def body(source: str) -> str:
    script = bundle("a.js", reader(a=source))
    return script.removeprefix('(() => {\n"use strict";\n').removesuffix("})();\n")


def test_what_a_module_imports_comes_before_it_and_once() -> None:
    script = bundle(
        "a.js",
        reader(
            a='import { b } from "./b.js";\nimport {\n  c,\n  d,\n} from "./c.js";\nb(c, d);\n',
            b='import { c } from "./c.js";\nexport function b() {\n  return c;\n}\n',
            c="export const c = 1;\nexport const [d, e] = [2, 3];\n",
        ),
    )
    assert script == (
        '(() => {\n"use strict";\nconst c=1;\nconst[d,e]=[2,3];\nfunction b(){\nreturn c;\n}\n'
        "b(c,d);\n})();\n"
    )


def test_paths_are_relative_to_the_module() -> None:
    files = {
        "part/a.js": 'import { b } from "../b.js";\nimport { c } from "./c.js";\nb(c);\n',
        "b.js": "export const b = 1;\n",
        "part/c.js": "export const c = 2;\n",
    }
    assert "const b=1;\nconst c=2;\nb(c);" in bundle("part/a.js", files.__getitem__)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("let a = 1; // a comment\n/* another\n one */ let b = 2;\n", "let a=1;\nlet b=2;\n"),
        ('const a = "// no comment";\n', 'const a="// no comment";\n'),
        ("const a = `  two   spaces\n  ${ b + `${c}  ` } // text`;\n", None),
        (
            'const a = /[/\\]"]+ /u.test(b) || c / d / e;\n',
            'const a=/[/\\]"]+ /u.test(b)||c/d/e;\n',
        ),
        ("const a = b + +c - -d + ++e;\n", "const a=b+ +c- -d+ ++e;\n"),
        ("const a = b < !c;\n", "const a=b< !c;\n"),
        ("const a = typeof b in c;\n", "const a=typeof b in c;\n"),
        (
            "const a = x => ({ ...x, y: 0.5e3, z: 1_000n });\n",
            "const a=x=>({...x,y:0.5e3,z:1_000n});\n",
        ),
        ("a\n\n\n  b\n", "a\nb\n"),
    ],
)
def test_only_comments_and_spaces_go(source: str, expected: str | None) -> None:
    if expected is None:
        expected = "const a=`  two   spaces\n  ${b+`${c}  `} // text`;\n"
    assert body(source) == expected


def test_tokens_are_the_whole_source() -> None:
    source = "a = `x${{ b: `y` }}z` /* c */ + /d\\//g;\n\tif (e) f();"
    assert "".join(token.text for token in tokens(source, "a.js")) == source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('import b from "./b.js";', "write imports as"),
        ('import * as b from "./b.js";', "write imports as"),
        ('import { b as c } from "./b.js";', "write imports as"),
        ('import { b } from "b";', "relative path"),
        ('import { b } from "https://example.org/b.js";', "relative path"),
        ("import { b } from './b.js';", "relative path"),
        ("export default 1;", "export declarations only"),
        ("export { a };", "export declarations only"),
        ("if (a) {\n  import(b);\n}", "may only begin a line"),
        ("await a;", "no await at the top"),
        ("var a = 1;", "no var at the top"),
        ("const { a: b } = c;", "plain names"),
        ("const a = `b", "does not end"),
        ("const a = {", "not closed"),
        ("}", "closes nothing"),
        ("const a = @b;", "unknown JavaScript"),
        ("const a = {} / 2;", "after a brace"),
        ('import { d } from "./b.js";', "does not export d"),
        ('import { e } from "./c.js";', "no module c.js"),
        ("const b = 1;\nconst b = 2;", "declared in a.js and in a.js"),
        ('import { b } from "./b.js";\nfunction own() {}\n', "declared in b.js and in a.js"),
    ],
)
def test_what_it_does_not_know_is_an_error(source: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        bundle("a.js", reader(a=source, b="export const b = 1;\nconst own = 2;\n"))


def test_modules_that_import_each_other_are_an_error() -> None:
    modules = reader(
        a='import { b } from "./b.js";\nexport const a = 1;\n',
        b='import { a } from "./a.js";\nexport const b = 1;\n',
    )
    with pytest.raises(ScriptError, match="a.js > b.js > a.js"):
        bundle("a.js", modules)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_runs() -> None:
    script = bundle(
        "a.js",
        reader(
            a='import { Twice } from "./b.js";\nconsole.log(new Twice(4).value, `${1 + 1}`);\n',
            b="export class Twice {\n  #x;\n  constructor(x) { this.#x = x; }\n"
            "  get value() { return 2 * this.#x; }\n}\n",
        ),
    )
    result = subprocess.run(
        ["node", "-e", script], capture_output=True, text=True, check=True, timeout=20
    )
    assert result.stdout == "8 2\n"
