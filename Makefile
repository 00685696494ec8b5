# Two commands do everything: `make demo` and `make test`. Each sets up its own .venv from constraints.txt.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
BIN := .venv/bin
DEMO_OUT ?= demo-output

.PHONY: demo test lint clean

demo: .venv/demo.stamp
	rm -rf $(DEMO_OUT)
	$(BIN)/medcl demo -o $(DEMO_OUT)

test: .venv/test.stamp lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf .venv $(DEMO_OUT)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv

.venv/demo.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e '.[app,codecs,fast]'
	touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e '.[all,test]'
	touch $@
