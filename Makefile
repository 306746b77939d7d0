# Everything a developer and CI run. `make` alone lists it.
# Every target carries a line after ##; a target without one is a bug, and a test says so.

SYSTEM_PYTHON ?= python3
PYTHON := .venv/bin/python
# More than there are cores: most tests wait for servers, and hardly one keeps a core busy.
TEST_PROCESSES ?= 5
BENCH ?= handoff submit idle

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: ## Make or update the virtual environment in .venv (every other target does so by itself)
	@command -v $(SYSTEM_PYTHON) > /dev/null || { echo "Singletrack needs Python 3.11 or newer; there is no $(SYSTEM_PYTHON) on the PATH."; exit 1; }
	@$(SYSTEM_PYTHON) .ci/install.py

.PHONY: demo
demo: install ## Show the whole thing at work, on a private Kubernetes API server (the first time builds it)
	$(PYTHON) -m singletrack_cli.demo

.PHONY: test
test: install ## Run every test in random order (the first time builds a Kubernetes API server and Prometheus)
	$(PYTHON) -m singletrack_cli.controlplane build
	cd tests && ../$(PYTHON) -m support.prometheus
	$(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-fast
test-fast: install ## Run the tests that need no server: unit and conformance on memory
	$(PYTHON) -m pytest tests/unit $(wildcard tests/conformance) -m "not redis and not kubernetes" $(ARGS)

.PHONY: e2e
e2e: install ## Run the tests on a real cluster of one node (needs root; the first time builds it)
	cd tests && ../$(PYTHON) -m support.cluster build
	$(PYTHON) -m pytest tests/e2e -m "e2e and not long" $(ARGS)

.PHONY: e2e-long
e2e-long: install ## On such a cluster: upgrades, deaths of each part, the how-tos (needs root)
	cd tests && ../$(PYTHON) -m support.cluster build
	$(PYTHON) -m pytest tests/e2e -m "e2e and long" $(ARGS)

.PHONY: cluster
cluster: install ## Start a real cluster of one node, and leave it running (needs root)
	@cd tests && ../$(PYTHON) -m support.cluster up

.PHONY: cluster-down
cluster-down: install ## Take that cluster down, and leave nothing of it
	@cd tests && ../$(PYTHON) -m support.cluster down

.PHONY: mutations
mutations: install ## Remove each guard of the protocol in turn: the tests that the list names must fail
	PYTHONPATH=tests $(PYTHON) -m mutations $(ARGS)

.PHONY: check
check: install ## Run every check that is not a test: format, lint, layout, sizes, contracts, types, spelling
	@.ci/check

.PHONY: crd
crd: install ## Print the custom resource's definition into k8s/crd.yaml
	$(PYTHON) -m singletrack_operator.crd > k8s/crd.yaml.new
	mv k8s/crd.yaml.new k8s/crd.yaml

.PHONY: openapi
openapi: install ## Print the description of the REST API into docs/reference/openapi.json
	$(PYTHON) -m singletrack_api.printing > docs/reference/openapi.json.new
	mv docs/reference/openapi.json.new docs/reference/openapi.json

.PHONY: sbom
sbom: install ## Write what the parts are made of into dist/sbom.cdx.json, as CycloneDX
	$(PYTHON) .ci/sbom.py dist/sbom.cdx.json

.PHONY: manifests
manifests: install ## Print what the Helm chart gives into k8s/install.yaml
	PYTHONPATH=tests $(PYTHON) -m support.install_manifest > k8s/install.yaml.new
	mv k8s/install.yaml.new k8s/install.yaml

.PHONY: values
values: install ## Print the table of the chart's values into charts/singletrack/README.md
	$(PYTHON) .ci/values_table.py > charts/singletrack/README.md.new
	mv charts/singletrack/README.md.new charts/singletrack/README.md

.PHONY: metrics
metrics: install ## Print the tables of the metrics into docs/reference/metrics.md
	$(PYTHON) .ci/metrics_table.py > docs/reference/metrics.md.new
	mv docs/reference/metrics.md.new docs/reference/metrics.md

.PHONY: dashboards
dashboards: install ## Print the Grafana dashboards into charts/singletrack/dashboards
	PYTHONPATH=tests $(PYTHON) -m support.dashboards

.PHONY: pictures
pictures: install ## Draw the dashboards into docs/pictures, from live answers (needs npm and Chromium)
	cd tests && ../$(PYTHON) -m support.pictures $(ARGS)

.PHONY: log-events
log-events: install ## Print the tables of the log's events into docs/reference/logs.md
	$(PYTHON) .ci/log_events.py > docs/reference/logs.md.new
	mv docs/reference/logs.md.new docs/reference/logs.md

.PHONY: format
format: install ## Format the code and mend what the linter can mend by itself
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

.PHONY: bench
bench: install ## Measure against a peer in the same run; BENCH="handoff" for one of them
	@set -e; for name in $(BENCH); do echo $(PYTHON) bench/$$name.py; $(PYTHON) bench/$$name.py; done

.PHONY: faults
faults: install ## Have every failpoint fail in every way, once; ARGS="--only start --seed 7" for some
	$(PYTHON) -m singletrack_cli.controlplane build
	cd tests && ../$(PYTHON) -m support.faults.command $(ARGS)

.PHONY: clean
clean: ## Remove what was made in this checkout, the virtual environment too (not the user's cache folder)
	rm -rf .venv dist build bench/out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
