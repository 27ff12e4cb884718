# Everything a person runs. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LOCAL_AWS_VENV := .venv-local-aws
STATE ?= .local-aws
SCENARIO ?= default

export PATH := $(BIN):$(PATH)
export LOCAL_AWS_PYTHON ?= $(CURDIR)/$(LOCAL_AWS_VENV)/bin/python
export ANSIBLE_CONFIG ?= $(CURDIR)/ansible.cfg

.DEFAULT_GOAL := help
.PHONY: help install try stop test lint sanity units integration molecule app bench bench-image docs clean

help: ## List the targets
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed $(LOCAL_AWS_VENV)/.installed ## Install everything into .venv and .venv-local-aws

$(VENV)/.installed: requirements.txt requirements-dev.txt tests/link_collection.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements-dev.txt
	$(BIN)/python tests/link_collection.py
	touch $@

$(LOCAL_AWS_VENV)/.installed: tests/local_aws/requirements.txt
	$(PYTHON) -m venv $(LOCAL_AWS_VENV)
	$(LOCAL_AWS_VENV)/bin/pip install --quiet -r tests/local_aws/requirements.txt
	touch $@

try: install ## Deploy the whole stack on this machine and log in to the app
	$(BIN)/python tests/local_aws/tryout.py --state $(STATE)

stop: ## Stop what `make try` started
	$(PYTHON) tests/local_aws/ctl.py stop --state $(STATE)

test: install ## Run every check: lint, sanity, unit, integration, molecule
	$(BIN)/python tests/run.py

lint sanity units integration app: install ## Run one part of the checks
	$(BIN)/python tests/run.py $@

molecule: install ## Run one molecule scenario: make molecule SCENARIO=nat_no_auth
	$(BIN)/molecule test --scenario-name $(SCENARIO)

bench: install ## Measure deployments with AWS's times, and write docs/performance.md
	cd tests && $(BIN)/python -m bench

bench-image: install ## Measure builds and pushes, and write docs/performance-image.md
	$(BIN)/python tests/bench_image.py

docs: install ## Write the roles' READMEs from their argument specs
	$(BIN)/python tests/role_docs.py --write

clean: stop ## Remove what the other targets made
	rm -rf $(VENV) $(LOCAL_AWS_VENV) .cache app/target
