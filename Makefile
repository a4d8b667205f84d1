# The commands of the project. `make demo` on a fresh machine needs Python 3.11 to 3.13 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCE ?=
REPORTS := $(or $(COTERIE_HOME),.coterie)/reports
export DAGSTER_HOME := $(CURDIR)
export PATH := $(CURDIR)/$(BIN):$(PATH)

# `make dev` serves the reports there, so that the UI can link to them.
demo dev: export COTERIE_REPORT_URL ?= http://127.0.0.1:3001

.PHONY: install demo dev test lint bench docs clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Coterie needs Python 3.11 to 3.13, found {v[0]}.{v[1]}: make install PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(if $(SOURCE),COTERIE_SOURCE=$(SOURCE) )$(BIN)/python -m workflows.demo

dev: install
	@$(BIN)/coterie catalog > /dev/null   # refuses a wrong setting in words before a server starts
	@mkdir -p $(REPORTS)
	@$(BIN)/python -c 'import socket; socket.socket().bind(("127.0.0.1", 3001))' 2> /dev/null || \
	echo 'Port 3001 is taken, so the reports are not served: links to them in the UI will not open.'
	@trap 'kill $$!' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python -m http.server 3001 --bind 127.0.0.1 --directory $(REPORTS) > /dev/null 2>&1 & \
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Everything by itself; or, for example, make bench BENCH="--seeds 2 --only communities"
bench: install
	$(BIN)/python -m benchmarks.run $(BENCH)

docs: install
	$(BIN)/coterie catalog --markdown > docs/tables.md

clean:
	rm -rf .coterie .dagster dbt_project/target data/simulated
