# A fresh clone needs Python >= 3.11 and make; everything else lands in .venv.

PYTHON ?= python3
VENV   ?= .venv
# The CPU-sized build of PyTorch, without gigabytes of CUDA, where the index has one.
TORCH  ?= torch==2.13.0

BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOG    := $(VENV)/setup.log

.PHONY: demo demo-page test check stress torture docs docs-check pictures page-pictures format clean

demo: $(READY)  ## train on the embedded corpus for a minute, and print samples
	@run=checkpoints/demo-$$(date +%Y%m%d-%H%M%S); \
	echo "$$ $(BIN)/charrnn train python-docs --budget 1m --out $$run"; \
	$(BIN)/charrnn train python-docs --budget 1m --out $$run; status=$$?; \
	[ $$status = 0 ] || exit $$status; \
	echo; \
	echo "$$ $(BIN)/charrnn sample $$run --prompt \"The \" --length 600"; \
	$(BIN)/charrnn sample $$run --prompt "The " --length 600
	@echo
	@echo
	@echo "Now your own text: first . $(BIN)/activate, then charrnn train YOUR.txt (or write together with this model: charrnn repl)"

demo-page: $(READY)  ## train on invented towns for a minute, and make a page of the model in one file
	@run=checkpoints/demo-page-$$(date +%Y%m%d-%H%M%S); \
	$(BIN)/charrnn train towns --lines --budget 1m --out $$run || exit $$?; \
	$(BIN)/charrnn card $$run --licence mit -o $$run.md || exit $$?; \
	$(BIN)/charrnn export $$run --html $$run.html --card $$run.md --title "Invented towns" \
	    --prompt "Upper " --prompt "Villa " --prompt "Krasno" || exit $$?; \
	echo "Open $$run.html in a browser; it needs no network."

test: $(READY)  ## run the whole test suite
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(READY)  ## check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

stress torture: $(READY)  ## run crashes, full disks, hostile files and requests by the thousand, for half an hour
	@$(BIN)/python -c 'import schemathesis' 2> /dev/null || \
	    $(BIN)/python -m pip install --quiet --editable ".[stress]"
	@$(BIN)/python -m tests.stress

docs: $(READY)  ## write the tables of all options, docs/options.md
	@$(BIN)/python -m charrnn.cli.option_tables > docs/options.md

docs-check: $(READY)  ## check links, commands and code of the documents; FULL=1 runs every command as printed
	@$(BIN)/python -m tests.docs_check $(if $(FULL),--full)

pictures: $(READY)  ## make docs/pictures from real trainings, in two to three minutes
	@$(BIN)/python docs/pictures/make_pictures.py

page-pictures: $(READY)  ## make those of the page of charrnn serve and of explanations, in about seven minutes
	@$(BIN)/python -m pip install --quiet --editable ".[dev,serve,benchmarks]"
	@$(BIN)/python docs/pictures/make_page_pictures.py
	@$(BIN)/python docs/pictures/make_inside_pictures.py

format: $(READY)  ## fix formatting and lint where ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## delete everything that can be made again; trained models are kept
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find charrnn -name '*.so' -type f -delete

# What pip and setuptools say goes to the log, whose end is shown where something fails.
$(READY): pyproject.toml setup.py $(wildcard charrnn/*/*.h charrnn/*/native/*.[ch] charrnn/*/*/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "charrnn needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@rm -f $@; mkdir -p $(VENV); \
	echo "Setting up $(VENV) (PyTorch and charrnn): a few minutes the first time; see $(LOG)"; \
	{ $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --progress-bar off "$(TORCH)" && \
	  $(BIN)/python -m pip install --progress-bar off --verbose --editable ".[dev]"; \
	} > $(LOG) 2>&1 || { status=$$?; tail -n 20 $(LOG); \
	    echo "Setting up $(VENV) failed: the end of $(LOG) is above. Run make again when the cause is fixed."; \
	    exit $$status; }
	@$(BIN)/python -c 'from charrnn.engines import native_engine as e; from charrnn.model.kernels import native as k; \
	    import sys; sys.exit(not (e.available() and k.available()))' || \
	    echo "charrnn's C code was not built (see $(LOG)): everything works without it, more slowly."
	@touch $@
