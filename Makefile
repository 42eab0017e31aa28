# Two commands do everything on a fresh machine: `make run` and `make test`.

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# A dozen processes start at once, tests start hundreds: what they import is compiled once, also for
# those who told Python not to.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(PY) --require-hashes --requirements
COMPILE := $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help run test lint bench faults proof gallery mutants audit lock clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## start everything and print the address (PORT=8001 moves it)
	@exec $(PY) manage.py up --stop-with-parent

test: lint  ## check everything: the code, SQLite, PostgreSQL, a real browser
	@exec $(PY) -m tests.run

# The checkers load the settings, which refuse to load without keys.
lint: export SECRET_KEY := for-the-checkers-only-0123456789-abcdefghijklmnopqrstuvwxyz
lint: export TOKEN_KEYS := AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
lint: export DATABASE_URL := sqlite://:memory:
lint: $(VENV)/.dev  ## check the code without running it
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy --no-error-summary
	$(VENV)/bin/djlint --quiet --lint templates
	$(PY) manage.py makemigrations --check --dry-run

bench: $(VENV)/.dev  ## measure what pages, passes and tasks cost, and write docs/bench.md
	@exec $(PY) -m bench --write

faults: $(VENV)/.dev  ## strike everything, check, and write docs/faults-$(DB).md (DB=sqlite SEED=1; 45 minutes)
	@exec $(PY) -m tests.faults --database $(or $(DB),sqlite) --seed $(or $(SEED),1) $(OPTIONS)

proof: export LONG_TESTS := 1
proof: $(VENV)/.dev  ## the long form of the tests that have one: every status and body, many races, all stories of a restore, each page and address for each role (an hour)
	@exec $(PY) -m tests.run tests/operations/test_answers.py tests/operations/test_races.py tests/operations/test_approval_races.py tests/pages/test_guessing.py tests/audit/test_chain.py tests/browser/test_trusted_restores.py tests/browser/test_pages.py tests/hardening/test_matrix.py

gallery: $(VENV)/.dev  ## take the pictures of docs/gallery.md and the README again
	@exec $(PY) -m tests.gallery

mutants: $(VENV)/.dev  ## change the protocol and the client in 2,300 small ways: a test must notice each
	@exec $(PY) -m tests.mutants

audit: $(VENV)/.audit  ## bandit, our rules by semgrep, and what is known against the packages (a network)
	@exec $(PY) -m tests.scanners

# An environment of its own: semgrep wants other versions of what we run with, and is large.
$(VENV)/.audit: requirements/audit.txt $(VENV)/.uv
	@echo "Installing the packages of $< ..."
	@$(PY) -m venv --clear $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

lock: $(VENV)/.uv  ## choose package versions afresh, with their hashes
	$(COMPILE) --group bootstrap --output-file requirements/bootstrap.txt
	$(COMPILE) pyproject.toml --output-file requirements/run.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) --group audit --output-file requirements/audit.txt

clean:  ## remove what was installed and cached; the data in .data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles test-results
	find . -name __pycache__ -prune -exec rm -rf {} +

# pyenv and others put commands on the PATH that only print an error, so each candidate is tried.
$(VENV)/.uv: requirements/bootstrap.txt
	@suits() { "$$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }; \
	if ! { suits $(PY) && $(PY) -m pip --version >/dev/null 2>&1; }; then \
	  for python in $(PYTHON) python3.13 python3.12 python3.11 python3 none; do ! suits $$python || break; done; \
	  if [ $$python = none ]; then echo "Holdfast needs Python 3.11, 3.12 or 3.13, and there is none on the PATH." >&2; exit 1; fi; \
	  if ! $$python -c 'import venv, ensurepip' 2>/dev/null; then echo "$$python cannot make environments: install its venv package (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; fi; \
	  echo "Making $(VENV) with $$($$python --version) ..."; \
	  $$python -m venv --clear $(VENV); \
	fi
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# pip knows mirrors and certificates from its own configuration, which uv does not read.
$(VENV)/.run $(VENV)/.dev: $(VENV)/.%: requirements/%.txt $(VENV)/.uv
	@echo "Installing the packages of $< ..."
	@$(INSTALL) $< || $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@
