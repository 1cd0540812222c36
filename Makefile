# Two commands do all the set-up they need: `make demo` and `make test`. `make` alone says what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports unit simulate windows planted scenarios conformance kubernetes \
  kubernetes-binaries sandbox memgraph-bench failover bench drivers neo4j fuzz admission fuzz-admission reference promtool pods pods-shell images \
  constraints clean

help:
	@echo 'make demo               the product on this machine, without a cluster: the main is killed, nothing is lost'
	@echo '                        (JSON=path writes its figures; BREAK=promote-stale shows that it can fail)'
	@echo 'make test               everything CI runs'
	@echo 'make sandbox            the same world, kept running for your own app (memgraph-ha sandbox up)'
	@echo 'make conformance        the simulated Memgraph against the tests of the real one, a line a row (JSON=path);'
	@echo '                        or a Memgraph of yours: tests/conformance/memgraph/README.md'
	@echo 'make kubernetes         the stand-in API server compared with a real one, row by row (JSON=path; KUBERNETES_VERSION)'
	@echo 'make pods               a Kubernetes of three nodes with real pods, and everything that breaks in it; Linux, root'
	@echo '                        (JSON=path; PODS_SHORT=1: some minutes; PODS_ROLLOUTS=100)'
	@echo 'make pods-shell         a shell with kubectl and helm in such a Kubernetes, which ends with it'
	@echo 'make simulate           controllers, sidecars and simulated Memgraphs under virtual time, faults drawn from seeds'
	@echo '                        (SEEDS=200, FIRST=0, JSON=path; SEED=7 tells the story of one)'
	@echo 'make windows            what the protocol cannot close, brought about and measured (RUNS=200, JSON=path)'
	@echo 'make planted            takes one rule of the protocol away at a time: some seed must notice (JSON=path; ONLY=name)'
	@echo 'make fuzz               any bytes against the sidecar'"'"'s parser and session, guided by coverage (RUNS=1000000, SEED=1,'
	@echo '                        JSON=path; PLANT=name plants a bug that must be found; REPLAY=path shows what was found)'
	@echo 'make lint types imports unit   the parts of make test'
	@echo 'make memgraph-bench     how fast the simulated Memgraph takes writes (JSON=path writes the figures)'
	@echo 'make failover           how long a failover takes, by fault and by stage (RUNS, KINDS, JSON=path); with every kind'
	@echo '                        it writes docs/failover.md and its plot; half an hour'
	@echo 'make drivers            what an app sees when the main changes, for each of eight drivers (DRIVERS=a,b, JSON=path);'
	@echo '                        with all of them it writes docs/drivers.md; installs what is missing: 2 min, then 4'
	@echo 'make neo4j              the sidecar before a real Neo4j, which it installs (130 MB, needs Java and Maven)'
	@echo 'make bench              what the sidecar costs, against HAProxy, nginx and Envoy; how fast 1,000 followers are told'
	@echo '                        (JSON=path, ROUNDS=9, QUICK=1); it writes docs/benchmarks.md and its plot; ten minutes'
	@echo 'make admission          how fast the webhook answers, on one core (JSON=path)'
	@echo 'make fuzz-admission     a million fuzzed reviews (RUNS=1000000, SEED=1; JSON=path)'
	@echo 'make images             both images, by docker, podman or buildah (TOOL, REGISTRY, TAG, PLATFORM=linux/amd64,linux/arm64,'
	@echo '                        PYTHON_IMAGE, PUSH=1, JSON=path; ARGS: more arguments of the build)'
	@echo 'make scenarios          docs/scenarios.md: which test answers which scenario'
	@echo 'make reference          docs/metrics.md and docs/configuration.md: the tables in them, from the code'
	@echo 'make constraints        pin the dependencies anew'

# Pinned with hashes; then this checkout itself, editable, without asking anybody for anything.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'memgraph-ha needs Python 3.11 or newer; say which: make PYTHON=python3.12'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo 'python cannot make virtual environments here; on Debian: apt-get install python3-venv'; exit 1; }
	@echo 'Installing the pinned dependencies ($(1)) into $(VENV): a minute the first time'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints/$(1).txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.sandbox: constraints/sandbox.txt pyproject.toml
	$(call install,sandbox)

$(VENV)/.dev: constraints/dev.txt pyproject.toml
	$(call install,dev)

# The sandbox and matplotlib, in the versions that dev has where both have one.
$(VENV)/.bench: constraints/bench.txt pyproject.toml
	$(call install,bench)

# Atheris, and what installs this checkout.
$(VENV)/.fuzz: constraints/fuzz.txt pyproject.toml
	$(call install,fuzz)

# The drivers that tests/clients runs, each in an environment of its own; those that can't be had are named.
$(VENV)/.clients: $(VENV)/.dev tests/support/client_environments.py tests/support/client_kinds.py \
  $(wildcard constraints/clients-*.txt) $(wildcard tests/clients/programs/*/package-lock.json)
	@$(BIN)/python tests/support/client_environments.py
	@touch $@

# Those that are compiled, too.
$(VENV)/.drivers: $(VENV)/.clients tests/support/compiled_clients.py $(shell find tests/clients/programs/change -type f)
	@$(BIN)/python tests/support/client_environments.py --all
	@touch $@

demo: $(VENV)/.sandbox
	@$(BIN)/python -m sandbox.demo $(if $(JSON),--json '$(JSON)') $(if $(BREAK),--break '$(BREAK)')

sandbox: $(VENV)/.sandbox
	@$(BIN)/memgraph-ha sandbox up

test: lint types imports unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev $(VENV)/.clients kubernetes-binaries $(if $(filter true,$(CI)),promtool)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

simulate: $(VENV)/.dev
	@PYTHONPATH=tests/simulation:tests/support $(BIN)/python -m sim $(if $(SEED),--seed '$(SEED)') \
	  $(if $(SEEDS),--seeds '$(SEEDS)') $(if $(FIRST),--first '$(FIRST)') $(if $(JSON),--json '$(JSON)')

windows: $(VENV)/.dev
	@PYTHONPATH=tests/simulation:tests/support $(BIN)/python -m sim.windows \
	  $(if $(RUNS),--runs '$(RUNS)') $(if $(JSON),--json '$(JSON)')

planted: $(VENV)/.dev
	@PYTHONPATH=tests/simulation:tests/support $(BIN)/python -m sim.planted $(if $(JSON),--json '$(JSON)') \
	  $(if $(ONLY),--only '$(ONLY)')

fuzz: $(VENV)/.fuzz
	@PYTHONPATH=tests/fuzz:tests/support $(BIN)/python -m boltfuzz $(if $(RUNS),--runs '$(RUNS)') \
	  $(if $(SEED),--seed '$(SEED)') $(if $(JSON),--json '$(JSON)') $(if $(PLANT),--plant '$(PLANT)') \
	  $(if $(REPLAY),--replay '$(REPLAY)')

memgraph-bench: $(VENV)/.dev
	@PYTHONPATH=tests/support $(BIN)/python tests/bench/memgraph_bench.py $(if $(JSON),--json '$(JSON)')

failover: $(VENV)/.bench
	@PYTHONPATH=tests/bench $(BIN)/python -m failover $(if $(RUNS),--runs '$(RUNS)') $(if $(KINDS),--kinds '$(KINDS)') \
	  $(if $(JSON),--json '$(JSON)')

drivers: $(VENV)/.drivers
	@PYTHONPATH=tests/bench:tests/support $(BIN)/python -m drivers $(if $(DRIVERS),--drivers '$(DRIVERS)') \
	  $(if $(JSON),--json '$(JSON)')

neo4j: $(VENV)/.clients
	@$(BIN)/python tests/support/neo4j_server.py
	@$(BIN)/python -m pytest -q tests/integration/sidecar/test_sidecar_neo4j.py

# On a quiet machine. Without the real API server (10 min to build, once) only the fan-out is left out.
bench: $(VENV)/.bench
	@PYTHONPATH=tests/kubernetes $(BIN)/python -m envtest build --optional >/dev/null
	@PYTHONPATH=tests/bench:tests/support:tests/kubernetes $(BIN)/python -m proxy $(if $(JSON),--json '$(JSON)') \
	  $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(QUICK),--quick)

admission: $(VENV)/.dev
	@PYTHONPATH=tests/bench:tests/support:tests/kubernetes $(BIN)/python -m admission $(if $(JSON),--json '$(JSON)')

fuzz-admission: $(VENV)/.dev
	@PYTHONPATH=tests/fuzz:tests/support $(BIN)/python -m admissionfuzz $(if $(RUNS),--runs '$(RUNS)') \
	  $(if $(SEED),--seed '$(SEED)') $(if $(JSON),--json '$(JSON)')

conformance: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup tests/conformance/memgraph --conformance-table \
	  $(if $(JSON),--conformance-json='$(JSON)')

# Once for all checkouts: 10 min the first time. Where they can't be built, the tests that need them are skipped.
kubernetes-binaries: $(VENV)/.dev
	@PYTHONPATH=tests/kubernetes $(BIN)/python -m envtest build --clients --optional >/dev/null

kubernetes: $(VENV)/.dev
	@test "$$USE_EXISTING_CLUSTER" = true || PYTHONPATH=tests/kubernetes $(BIN)/python -m envtest build >/dev/null
	@CONFORMANCE_JSON='$(or $(JSON),/dev/null)' $(BIN)/python -m pytest -q tests/kubernetes/conformance

# Real kubelets, containers and cables. What a failed test leaves is in .pods. With PODS_OPTIONAL=1 a machine that can have no
# pods (3) is no error, and says why; a test that fails, a cluster that does not start, or an image that is not built, always is.
pods: $(VENV)/.dev
	@PODS_JSON='$(JSON)' PYTHONPATH=tests/pods:tests/kubernetes:tests/support $(BIN)/python -m pods run -q tests/pods/e2e \
	  || { code=$$?; test $$code = 3 && test "$$PODS_OPTIONAL" = 1 && echo 'pods: left out, this machine has none (above)' || exit $$code; }

pods-shell: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tests/pods:tests/kubernetes:tests/support $(BIN)/python -m pods shell

images:
	@$(PYTHON) build_images.py $(if $(TOOL),--tool '$(TOOL)') $(if $(REGISTRY),--registry '$(REGISTRY)') \
	  $(if $(TAG),--tag '$(TAG)') $(if $(PLATFORM),--platform '$(PLATFORM)') \
	  $(if $(PYTHON_IMAGE),--python '$(PYTHON_IMAGE)') $(if $(PUSH),--push) $(if $(JSON),--json '$(JSON)') \
	  $(if $(ARGS),-- $(ARGS))

# What tries the alerts: Debian's promtool, unpacked beside the other tools. Elsewhere than in CI (CI=true) the tests that
# need it are skipped without it.
promtool: $(VENV)/.dev
	@command -v promtool >/dev/null || test -x $(VENV)/prometheus/usr/bin/promtool || { cd $(VENV) && \
	  { apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; } } && \
	  dpkg -x prometheus_*.deb prometheus && rm prometheus_*.deb; }

# Which test answers which scenario, from the tests' own citations.
scenarios: $(VENV)/.dev
	@PYTHONPATH=tests/interaction/support $(BIN)/python -m scenario_table

# Every metric, value and variable, from the code.
reference: $(VENV)/.dev
	@PYTHONPATH=tests/support $(BIN)/python -m reference_pages

constraints: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url constraints/build.in -o constraints/build.txt
	for extra in sidecar controller sandbox dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url $$(test $$extra = sidecar || echo --extra $$extra) \
	    $$(test $$extra = sandbox -o $$extra = dev && echo constraints/build.in) pyproject.toml -o constraints/$$extra.txt; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url -c constraints/dev.txt --extra bench constraints/build.in pyproject.toml -o constraints/bench.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url -c constraints/dev.txt --extra fuzz constraints/build.in pyproject.toml -o constraints/fuzz.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url -c constraints/dev.txt constraints/compile.in -o constraints/compile.txt
	for client in neo4j-5 neo4j-6 pymgclient gqlalchemy; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --override constraints/clients-without.in constraints/clients-$$client.in \
	    -o constraints/clients-$$client.txt; \
	  awk '/^[a-z]/ { wanted = !/sys_platform == .none. \\$$/ || / or / } wanted' constraints/clients-$$client.txt \
	    > $(VENV)/pins && mv $(VENV)/pins constraints/clients-$$client.txt; \
	done

clean:
	rm -rf $(VENV) .sandbox .fuzz build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
