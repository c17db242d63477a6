# A fresh clone needs Python >= 3.11 and make; everything else lands in .venv.

PYTHON ?= python3
VENV   ?= .venv
# The CPU-sized build of PyTorch, without gigabytes of CUDA, where the index has one.
TORCH  ?= torch==2.13.0

BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test check stress torture docs format clean

demo: $(READY)  ## train on the embedded corpus for a minute, and print samples
	$(BIN)/charrnn train python-docs --budget 1m --out checkpoints/demo-$$(date +%Y%m%d-%H%M%S)
	@echo
	$(BIN)/charrnn sample --prompt "The " --length 600
	@echo
	@echo
	@echo "Now your own text: $(BIN)/charrnn train YOUR.txt   (or write on with this one: $(BIN)/charrnn repl)"

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(READY)  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

stress torture: $(READY)  ## crashes, full disks and hostile files by the thousand: half an hour, one table
	$(BIN)/python -m tests.stress

docs: $(READY)  ## the tables of all options in docs/options.md
	$(BIN)/python -m charrnn.cli.option_tables > docs/options.md

format: $(READY)  ## what check asks for, as far as it can be done by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## everything that can be made again
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml setup.py $(wildcard charrnn/*/*.h charrnn/*/native/*.[ch] charrnn/*/*/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "charrnn needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
