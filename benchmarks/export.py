"""Measures pages in one file in Chromium: how fast they write, and how large they are.

    python -m benchmarks.export

The output is a row for each network: characters a second with one text in a page (the best and the
median of RUNS), milliseconds from opening the file to the first character, the bytes of the file,
and of these the bytes beside the model. Weights are random, which changes neither.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from benchmarks.random_models import write_fresh_model
from charrnn.export.html import html_page
from charrnn.export.page_document import pack
from charrnn.export.page_model import page_model
from charrnn.storage.model_directory import read_model

NETWORKS: Final = ((2, 128), (2, 192), (2, 256), (1, 512))
RUNS: Final = 7
LENGTH: Final = 5000

FIRST: Final = """async () => {
    let first = 0;
    const onText = () => { first ||= performance.now(); };
    await window.charrnn.complete("", {length: 20, seed: 1, lines: false, onText});
    return first;
}"""
"""Milliseconds since the page was opened."""

WRITE: Final = """async (length) => {
    const begin = performance.now();
    await window.charrnn.complete("", {length, seed: 1, lines: false});
    return length / (performance.now() - begin) * 1000;
}"""


def measure(browser: Browser, layers: int, hidden_size: int, directory: Path) -> str:
    """Return the row of a network."""
    write_fresh_model(directory / "model", layers, hidden_size)
    model = read_model(directory / "model")
    file = directory / "page.html"
    content = html_page(model)
    file.write_bytes(content)
    page = browser.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("window.charrnn")
    first = page.evaluate(FIRST)
    page.evaluate(WRITE, LENGTH)
    speeds = [page.evaluate(WRITE, LENGTH) for _ in range(RUNS)]
    page.close()
    beside = len(content) - len(pack(page_model(model)))
    return (
        f"| {layers}x{hidden_size} | {max(speeds):,.0f} | {statistics.median(speeds):,.0f} | "
        f"{first:.0f} | {len(content):,} | {beside:,} |"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", default="/usr/bin/chromium", help="Chromium's program")
    chosen = parser.parse_args()
    print("| LSTM | best | median | first character, ms | bytes | beside the model |")
    print("|---|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chosen.browser, args=["--no-sandbox", "--disable-gpu"]
        )
        for layers, hidden_size in NETWORKS:
            with tempfile.TemporaryDirectory() as directory:
                print(measure(browser, layers, hidden_size, Path(directory)))
                sys.stdout.flush()
        browser.close()


if __name__ == "__main__":
    main()
