# Everything a person or CI needs, from a fresh machine: Python 3.11+, make and a C compiler.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# setuptools warns of the page's folder, which is data and not a package.
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
# pip doesn't show what the build says.
SAY_ENGINE := $(BIN)/python -c "from sfu.forwarding.engine import choose; choose('auto').name == 'native' or print( \
  'Without a C compiler the native engine is left out: packets are forwarded by the Python engine.')"
STAMP  := $(VENV)/.installed-dev
RUN_STAMP := $(VENV)/.installed

.PHONY: help native sanitize fuzz run test check format bench bench-forwarding clean browsers

help:
	@echo "make run     install into $(VENV) and start the daemon; open the URL it prints"
	@echo "make test    install what tests need (Chromium too, where apt-get is allowed) and run them all"
	@echo "make check   format, lint, types, house rules"
	@echo "make format  rewrite the sources in the house format"
	@echo "make native  build the native engine again, after a change of its C files"
	@echo "make sanitize  build it with AddressSanitizer and UBSan, run all tests without a browser, build it without again"
	@echo "make fuzz    feed it damaged packets under both for ten minutes; ARGS='--seconds 60 --seed 2'"
	@echo "make bench   the same room as mesh, SFU, with MediaRelay and as relay tree: table, charts, report.html"
	@echo "make bench-forwarding   CPU per forwarded packet, short form"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip

$(RUN_STAMP): pyproject.toml setup.py | $(BIN)/python
	$(INSTALL) --editable .
	@$(SAY_ENGINE)
	@touch $@

$(STAMP): pyproject.toml setup.py | $(BIN)/python
	$(INSTALL) --editable ".[dev]"
	@$(SAY_ENGINE)
	@touch $@ $(RUN_STAMP)

run: $(RUN_STAMP)
	$(BIN)/sfu serve $(ARGS)

browsers:
	@sh tests/install-browsers.sh

test: $(STAMP) browsers
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/house
	@sh tests/check-js.sh

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

native: $(STAMP)
	SFU_ENGINE=native $(INSTALL) --editable .

# Python itself is not built for it: the sanitizer has to be there first, and looks for no leaks (Python keeps much).
# Its reports are files, since tests and what they start have their own ideas of output; one report is a failure.
REPORTS := $(CURDIR)/build/sanitizer
define sanitized
	SFU_ENGINE=native SFU_SANITIZE=1 $(INSTALL) --editable .
	@mkdir -p build; rm -f $(REPORTS).*
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
	  ASAN_OPTIONS=detect_leaks=0:log_path=$(REPORTS) UBSAN_OPTIONS=print_stacktrace=1:log_path=$(REPORTS) \
	  $(BIN)/python -m $(1); result=$$?; ! cat $(REPORTS).* 2>/dev/null || result=1; \
	  SFU_ENGINE=native $(INSTALL) --editable .; exit $$result
endef

# Browsers don't start with it. What else tests start, daemons among it, has it, too.
sanitize: $(STAMP)
	$(call sanitized,pytest $(or $(ARGS),--ignore=tests/e2e))

fuzz: $(STAMP)
	$(call sanitized,tests.fuzz $(or $(ARGS),--seconds 600))

bench: $(STAMP)
	$(BIN)/python -m benchmarks.topology --quick $(ARGS)

bench-forwarding: $(STAMP)
	$(BIN)/python -m benchmarks.forwarding --quick $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
