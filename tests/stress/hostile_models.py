"""Hostile models: files that a stranger may put where a model should be."""

import copy
import json
import math
import random
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import ModelError
from charrnn.model.config import GATES, ModelConfig
from charrnn.storage.json_file import LARGEST_BYTES
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import (
    CONFIG,
    TENSORS,
    TOKENIZER,
    Model,
    model_files,
    write_model,
)
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from tests.provenance import make_provenance
from tests.stress.corruptions import (
    Change,
    Files,
    Pairs,
    Put,
    Raw,
    corrupt_bytes,
    corrupt_tensors,
    corrupt_tree,
    encode_json,
    fill,
    heavy_json,
    join_tensors,
    parse,
    sparse,
    specials,
    split_tensors,
)
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import (
    MEGABYTE,
    Broken,
    Trial,
    check_command,
    check_message,
    summarize,
    supervise,
)

PROVENANCE = make_provenance(
    corpus="fables",
    corpus_bytes=31_000,
    corpus_characters=30_000,
    step=1000,
    characters=2_000_000,
    seconds=61.5,
    validation_nats=1.5,
)

ALPHABET = "\n abcdé\N{GRINNING FACE}"


OTHERS: tuple[dict[str, Any], ...] = (
    {"attention": 3},
    {"task": "restore", "bidirectional": True},
    {"task": "classify", "bidirectional": True, "pooling": "attention", "outputs": 3},
    {"task": "regress", "pooling": "last", "outputs": 1},
)
"""What other networks there are than plain ones to generate, as ModelConfig has it."""


PAIRS: tuple[PairTokenizer, ...] = (
    PairTokenizer("ab\N{GRINNING FACE}", ("x", "é", "yy"), ("PST", "V"), " "),
    PairTokenizer("abé", "abz"),
)
"""Tokenizers of networks that translate."""


def sound_model(
    tokenizer: Tokenizer | None = None,
    *,
    cell: str = "lstm",
    layers: int = 1,
    hidden_size: int = 4,
    **others: Any,
) -> Model:
    """A small model with random weights."""
    tokenizer = tokenizer or CharTokenizer(ALPHABET)
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell=cell,
        embedding_size=3,
        hidden_size=hidden_size,
        layers=layers,
        dropout=0.25,
        **others,
    )
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.standard_normal(shape, dtype=np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    labels = tuple("abc"[: config.outputs]) if config.task == "classify" else ()
    return Model(config, tokenizer, tensors, PROVENANCE, labels)


def sound_files(work: Path) -> list[dict[str, bytes]]:
    """Model directories as `write_model` makes them: every cell, both tokenizers, and every other
    network; half are sealed."""
    models = [
        sound_model(tokenizer, cell=cell, layers=1 + number % 2)
        for number, cell in enumerate(GATES)
        for tokenizer in (CharTokenizer(ALPHABET), ByteTokenizer())
    ]
    models += [sound_model(layers=2, **others) for others in OTHERS]
    models += [
        sound_model(
            tokenizer, layers=2, task="transduce", bidirectional=True, outputs=tokenizer.outputs
        )
        for tokenizer in PAIRS
    ]
    found = []
    for model in models:
        directory = work / "sound"
        write_model(directory, model)
        files = {path.name: path.read_bytes() for path in directory.iterdir()}
        found += [files, with_manifest(files)]
        shutil.rmtree(directory)
    return found


def _edited(content: bytes, **values: Any) -> bytes:
    """config.json with other values under `model`."""
    config = json.loads(content)
    config["model"] |= values
    return json.dumps(config).encode()


def _characters(characters: Any) -> bytes:
    return encode_json(Pairs([("kind", "char"), ("characters", characters)]))


def handcrafted(files: Files) -> list[tuple[str, Change]]:
    """Lists changes, made by hand, of a sound model of characters without a manifest."""
    # Longer than most functions: it is a list of cases.
    config, numbers = files[CONFIG], split_tensors(files[TENSORS])[1]
    header = split_tensors(files[TENSORS])[0]
    cases: list[tuple[str, Change]] = [
        ("sound", {}),
        ("1e9 hidden units", {CONFIG: _edited(config, hidden_size=10**9)}),
        ("1e9 layers", {CONFIG: _edited(config, layers=10**9)}),
        ("64 layers x 16384", {CONFIG: _edited(config, layers=64, hidden_size=16384)}),
        ("a cell of 1 MB", {CONFIG: _edited(config, cell="x" * MEGABYTE)}),
        ("a cell with ESC", {CONFIG: _edited(config, cell="\x1b[2J\n")}),
        ("a corpus of 1 MB", {CONFIG: config.replace(b"fables", b"x" * MEGABYTE)}),
        ("a key of 1 MB", {CONFIG: config.replace(b'"seed"', b'"' + b"x" * MEGABYTE + b'"')}),
        ("a value of 1 MB", {CONFIG: _edited(config, layers="x" * MEGABYTE)}),
    ]
    size = 545 * 10**9  # bytes, about what these sizes would take
    sizes = _edited(config, layers=64, hidden_size=16384, cell="lstm")
    for room in (0, 8 + MEGABYTE):
        label = f"64 layers x 16384, and a sparse file of {size + room:,} bytes"
        cases.append((label, {CONFIG: sizes, TENSORS: sparse(size + room)}))
    large = ModelConfig(vocabulary_size=len(ALPHABET), hidden_size=4096, layers=1, embedding_size=3)
    for spaces in range(4):
        label = f"268 MB of zeros, after a header that ends {spaces} bytes after a multiple of 4"
        change = {CONFIG: _edited(config, hidden_size=4096, cell="lstm")}
        cases.append((label, {**change, TENSORS: _zeros(large, spaces)}))
    for label, characters in (
        ("none", []),
        ("twice", ["a", "a", *ALPHABET[2:]]),
        ("of two letters", ["ab", *ALPHABET[1:]]),
        ("of 1 MB", ["x" * MEGABYTE, *ALPHABET[1:]]),
        ("empty", ["", *ALPHABET[1:]]),
        ("half a surrogate pair", [Raw('"\\ud800"'), *ALPHABET[1:]]),
        ("half a pair, as bytes", ["\ud800", *ALPHABET[1:]]),
        ("a number", [1, *ALPHABET[1:]]),
        ("a string", ALPHABET),
        ("NUL, ESC, DEL and C1", ["\0", "\x1b", "\x7f", "\x9b", "\r", *ALPHABET[5:]]),
        ("nested", [Raw("[" * 950 + "]" * 950), *ALPHABET[1:]]),
        ("a million", ["a"] * 1_000_000),
        ("all of Unicode", [chr(point) for point in range(0x20, 0xD800)] * 7),
    ):
        cases.append((f"{TOKENIZER}: characters: {label}", {TOKENIZER: _characters(characters)}))
    cases.append(("the largest alphabet", _largest_alphabet(config)))
    for name in (CONFIG, TOKENIZER, MANIFEST):
        for label, content in heavy_json(name, LARGEST_BYTES if name != TOKENIZER else 4 << 20):
            # The same parser reads all three; the costliest objects once.
            if name == CONFIG or '":' not in label:
                cases.append((label, {name: content}))
    for label, content in heavy_json(f"{TENSORS}: header", MEGABYTE - 8):
        cases.append((label, {TENSORS: join_tensors(content, numbers)}))
    for name, piece in ((CONFIG, b'"layers": 1'), (TOKENIZER, b'"\xc3\xa9"')):
        for depth in (*range(900, 1000, 4), 5_000, 100_000):
            nested = b"[" * depth + b"]" * depth
            inside = piece[: piece.rfind(b" ") + 1] + nested if b" " in piece else nested
            content = files[name].replace(piece, inside)
            assert content != files[name]
            cases.append((f"{name}: {depth} lists deep", {name: content}))
    for depth in (*range(900, 1000, 4), 5_000):
        for field in ("dtype", "shape", "data_offsets"):
            corrupted = copy.deepcopy(header)
            inner = [
                (key, Raw("[" * depth + "]" * depth) if key == field else value)
                for key, value in corrupted[0][1]
            ]
            corrupted[0] = (corrupted[0][0], Pairs(inner))
            cases.append(
                (f"{TENSORS}: {field} {depth} deep", {TENSORS: join_tensors(corrupted, numbers)})
            )
    many = Pairs((f"t{number}", Pairs()) for number in range(100_000))
    cases.append(("100,000 tensors", {TENSORS: join_tensors(many, numbers)}))
    for name in ("../../x", "/etc/passwd", "nul\0nul", "x" * 900_000, "\x1b[2J\n"):
        renamed = Pairs([(name, header[0][1]), *header[1:]])
        cases.append((f"a tensor named {name!a:.20}", {TENSORS: join_tensors(renamed, numbers)}))
    for value in ("3e38", "-3e38", "nan", "inf", "3.4028235e38", "1e-45"):
        values = np.full(len(numbers) // 4, float(value), "<f4")
        cases.append((f"all weights {value}", {TENSORS: join_tensors(header, values.tobytes())}))
        for name, entry in header:
            first, last = dict(entry)["data_offsets"]
            content = numbers[:first] + values.tobytes()[first:last] + numbers[last:]
            cases.append((f"{name} all {value}", {TENSORS: join_tensors(header, content)}))
    cases += [(label, {MANIFEST: content}) for label, content in _manifests(files)]
    for name in (CONFIG, TOKENIZER, TENSORS, MANIFEST):
        cases += specials(name, files)
    return cases


def _zeros(config: ModelConfig, spaces: int) -> Put:
    """A true safetensors file whose weights are all zero, and its header as long as wanted."""
    end, header = 0, Pairs()
    for name, shape in config.tensor_shapes().items():
        first, end = end, end + 4 * int(np.prod(shape))
        fields = Pairs(dtype_shape_offsets("F32", list(shape), [first, end]))
        header.append((name, fields))
    text = encode_json(header)
    text += b" " * (-(8 + len(text)) % 4 + spaces)
    return sparse(8 + len(text) + end, struct.pack("<Q", len(text)) + text)


def dtype_shape_offsets(dtype: Any, shape: Any, offsets: Any) -> list[tuple[str, Any]]:
    """An entry of a safetensors header."""
    return [("dtype", dtype), ("shape", shape), ("data_offsets", offsets)]


def _largest_alphabet(config: bytes) -> Change:
    """2**18 characters and a network to match: unusual, and allowed."""
    points = [point for point in range(1 << 19) if not 0xD800 <= point < 0xE000][: 1 << 18]
    tokenizer = CharTokenizer([chr(point) for point in points])
    model = sound_model(tokenizer, cell="rnn", hidden_size=1)
    # Compact, or it would not fit into the largest JSON file that is read.
    compact = json.dumps(tokenizer.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
    return {**model_files(model), TOKENIZER: compact}


def _manifests(files: Files) -> Iterator[tuple[str, bytes]]:
    """Manifests that say something else than what is there."""
    true = json.loads(with_manifest(files)[MANIFEST])

    def written(value: Any) -> bytes:
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

    entries = true["files"]
    yield "manifest: true", written(true)
    for name in ("../../x", "/etc/passwd", "nul\0nul", "\x1b[2J\n", "", ".", "x" * 100_000):
        yield f"manifest: of {name!a:.20}", written({"files": {**entries, name: entries[CONFIG]}})
        yield f"manifest: only of {name!a:.20}", written({"files": {name: entries[CONFIG]}})
        bad = {"bytes": name, "sha256": 1}
        yield f"manifest: nonsense of {name!a:.20}", written({"files": {name: bad}})
    numbers = (-1, 0, 1 << 40, 10**18, 10**400, True, None, 1.5)
    hostile: tuple[Any, ...] = (*numbers, "", "x" * 100_000, [], {}, "\n")
    for field in ("bytes", "sha256"):
        for value in hostile:
            changed = {**entries, CONFIG: {**entries[CONFIG], field: value}}
            yield f"manifest: {field} {value!a:.20}", written({"files": changed})
    yield "manifest: no files", written({"files": {}})
    yield "manifest: empty", written({})
    yield "manifest: a list", written([])
    yield "manifest: compact", json.dumps(true).encode()
    yield (
        "manifest: 20,000 files",
        written({"files": {f"f{n}": entries[CONFIG] for n in range(20_000)}}),
    )


def model_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of model trials: first what was made by hand, then what chance makes."""
    bases = sound_files(Path(work))
    crafted = handcrafted(bases[0])
    directory = Path(work) / "model"

    def make(index: int) -> Trial:
        if index < len(crafted):
            label, change = crafted[index]
            files: dict[str, bytes | Put | None] = {**bases[0], **change}
        else:
            label, files = _random_model(bases, random.Random(f"{seed}/{index}"))
            label = f"corruption {index} of seed {seed}, {label}"
        size = fill(directory, files)
        # What an engine makes of large weights (transposed, scaled) takes as much as they do.
        samples = 0 if size > 64 * MEGABYTE else 4
        # A second, for the largest files that are read; two where others keep the machine busy.
        seconds = 2.0 if size >= MEGABYTE else 1.0
        return Trial(label, lambda: _load(directory, samples), size=size, seconds=seconds)

    return make


def _random_model(
    bases: Sequence[Files], chance: random.Random
) -> tuple[str, dict[str, bytes | Put | None]]:
    files: dict[str, Any] = dict(chance.choice(bases))
    others = chance.choice(bases)
    sealed = MANIFEST in files
    # A corrupted file is refused at once where a manifest has its checksum: half are sealed anew.
    label = name = chance.choice([*files, TENSORS])
    content = files[name]
    if chance.random() < 0.3:
        files[name] = corrupt_bytes(content, others.get(chance.choice(list(others)), b""), chance)
        label += ", bytes"
    elif name == TENSORS:
        files[name] = corrupt_tensors(content, chance)
        label += ", tensors"
    else:
        files[name] = encode_json(corrupt_tree(parse(content), chance))
        label += ", JSON"
    if sealed and name != MANIFEST and chance.random() < 0.9:
        files = dict(with_manifest({key: files[key] for key in files if key != MANIFEST}))
        label += ", sealed"
    return label, files


def _load(directory: Path, samples: int) -> str:
    """Loads what is in the folder and, where that works, uses it for what it is for."""
    from charrnn.storage.run_lookup import load

    try:
        model = load(directory)
    except ModelError as error:
        return check_message(error, directory)
    shapes = {name: array.shape for name, array in model.tensors.items()}
    if shapes != model.config.tensor_shapes():
        raise Broken("it loads with other shapes than its config's")
    if any(array.dtype != np.float32 for array in model.tensors.values()):
        raise Broken("it loads with other numbers than float32")
    if not all(np.isfinite(array).all() for array in model.tensors.values()):
        raise Broken("it loads with numbers that are not finite")
    if model.tokenizer.vocabulary_size != model.config.vocabulary_size:
        raise Broken("it loads with an alphabet of another size")
    try:
        _USES[model.config.task](model, samples)
    except ModelError as error:
        check_message(error, directory)
        return "loaded, overflows"
    return "loaded"


def _generate(model: Model, samples: int) -> None:
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler

    overflow = None
    for temperature, top_k, top_p in (
        (0.8, None, None),
        (0, None, None),
        (3, 3, 0.5),
        (9, None, 0.9),
    )[:samples]:
        settings = SamplingConfig(length=5, temperature=temperature, top_k=top_k, top_p=top_p)
        try:
            Sampler(model).sample(config=settings)
        except ModelError as error:
            overflow = error
    if overflow is not None:
        raise overflow


def _restore(model: Model, samples: int) -> None:
    from charrnn.tasks.infill.config import FillConfig
    from charrnn.tasks.infill.fill import fill
    from charrnn.tasks.infill.proofread import proofread

    if not samples:
        return
    text = model.tokenizer.decode([1, 2, 1, 2]) + "_"
    filled = fill(model, text, FillConfig(alternatives=2))
    if not all(0 <= each.probability <= 1 for each in filled):
        raise Broken("it fills with what is no probability")
    fill(model, text, FillConfig(longest=2))
    proofread(model, text)


def _tell(model: Model, samples: int) -> None:
    from charrnn.tasks.classify.predict import Classifier

    if not samples:
        return
    text = model.tokenizer.decode([1, 2, 1, 2])
    prediction = Classifier(model).predict(text)
    if model.labels and abs(sum(prediction.probabilities.values()) - 1) > 1e-6:
        raise Broken("it tells classes whose probabilities are none")
    if not model.labels and (prediction.number is None or not math.isfinite(prediction.number)):
        raise Broken("it tells what is no number")


def _translate(model: Model, samples: int) -> None:
    from charrnn.tasks.transduce.translate import translate

    if not samples:
        return
    for found in translate(model, ["ab", "bz\N{GRINNING FACE}"], beam=2, n=2):
        if not all(0 <= each.probability <= 1 for each in found.targets):
            raise Broken("it translates with what is no probability")


_USES: dict[str, Callable[[Model, int], None]] = {
    "generate": _generate,
    "restore": _restore,
    "classify": _tell,
    "regress": _tell,
    "transduce": _translate,
}


def check_models(count: int, work: Path, seed: int = 0, deadline: Deadline | None = None) -> Report:
    """Reads `count` hostile models, and samples from them, or does what they are for.

    Each must be refused with a ModelError of one line, or be harmless: of its config's shapes,
    finite, and fit to sample from; within a second, and 200 MB beside its files.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.stress.hostile_models:model_trials", settings, count, deadline)
    return summarize(Report("hostile model files"), results)


def command_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of trials of `sample` and `info`."""
    bases = sound_files(Path(work))
    # Those of a terabyte, or that take most of a second, were tried without the command line.
    crafted = [case for case in handcrafted(bases[0]) if "bytes" not in case[0]]
    random.Random(seed).shuffle(crafted)
    directory = Path(work) / "model"

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        if index % 2 == 0 and index // 2 < len(crafted):
            label, change = crafted[index // 2]
            files: dict[str, bytes | Put | None] = {**bases[0], **change}
        else:
            label, files = _random_model(bases, chance)
            label = f"corruption {index} of seed {seed}, {label}"
        fill(directory, files)
        command = ["sample", str(directory), "-l", "5"] if chance.random() < 0.5 else ["info"]
        if command == ["info"]:
            command = ["info", str(directory), *(["--json"] if chance.random() < 0.5 else [])]
        label += f", charrnn {command[0]}"
        return Trial(label, lambda: check_command(command, 0, 3), seconds=5, limited=False)

    return make


def check_model_commands(
    count: int, work: Path, seed: int = 0, deadline: Deadline | None = None
) -> Report:
    """Runs `charrnn sample` and `charrnn info` on `count` hostile models.

    Each must end with exit code 0, or with 3 and one line.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.stress.hostile_models:command_trials", settings, count, deadline)
    return summarize(Report("hostile models on the command line"), results)
