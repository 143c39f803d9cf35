# make unit | databases | lint | test | demo | bench-NAME | clean. All can be repeated; `make help` says what each is for.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Debian 12's python3 is 3.11, the oldest that Lictor runs on.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
READY := $(VENV)/.ready
SEALED := tests/lab/sealed
# Suites that need root, each in a sealed laboratory of its own; folders without a test file are passed over.
LAB_SUITES := $(patsubst %/,%,$(sort $(dir $(wildcard $(addsuffix /test_*.py,\
    tests/agent_lab tests/drivers_lab tests/cli_lab tests/e2e tests/crash tests/keystone_lab tests/galera_lab\
    tests/conformance/openapi tests/conformance/sdk tests/conformance/cli)))))

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-zA-Z_%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: packages
packages:
	@bash .ci/packages

.PHONY: servers
servers: $(if $(filter 0,$(shell id -u)),packages)
	@bash .ci/packages tests

# Packages come first where we may install them: Debian's python3 makes no virtual environment without python3-venv.
$(READY): pyproject.toml | $(if $(filter 0,$(shell id -u)),packages)
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11 or newer found: run 'make setup' as root" >&2; exit 1; }
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,clients]'
	@touch $@

# The driver of MySQL and MariaDB is compiled: by those that need it.
MYSQL := $(VENV)/.mysql
$(MYSQL): $(READY)
	@bash .ci/packages tests
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[mysql]'
	@touch $@

# Keystone, tempest and the services of a cloud require versions of their own, of what the clients require too. Only
# tests run them.
KEYSTONE := .venv-keystone/.ready
TEMPEST := .venv-tempest/.ready
CLOUD := .venv-cloud/.ready
$(KEYSTONE): WANTED := keystone cheroot
$(TEMPEST): WANTED := tempest octavia-tempest-plugin barbican-tempest-plugin
$(CLOUD): WANTED := glance neutron nova openstack-placement pymysql pyuwsgi
$(KEYSTONE) $(TEMPEST) $(CLOUD): | $(if $(filter 0,$(shell id -u)),packages)
	$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(@D)
	@rm -f $(@D)/schemas.sql # of databases, as what was here before made them
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(WANTED)
	@touch $@

# A tree of Debian with its own OpenStack and libvirt, which only tests run. What is in it is kept in one place, so that
# `make clean` removes it: nothing of it is mounted when no test runs.
HYPERVISOR := .venv-hypervisor/.ready
AMPHORA := build/amphora.qcow2
$(HYPERVISOR): | root
	@bash .ci/packages hypervisor
	tests/lab/hypervisor/build $(@D)
	@touch $@

# Barbican goes together with it.
BARBICAN := .venv-keystone/.barbican
$(BARBICAN): $(KEYSTONE)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check barbican
	@touch $@

# Ansible, and the wheels that a controller without a network installs; mysqlclient is compiled.
ANSIBLE := .venv-ansible/.ready
$(ANSIBLE): deploy/ansible/requirements.txt pyproject.toml | servers
	$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	/usr/bin/python3 -m venv $(@D)/debian
	$(@D)/debian/bin/python -m pip wheel --quiet --disable-pip-version-check --wheel-dir $(@D)/wheels \
	    '.[messaging,mysql,openstack,postgresql]' pip setuptools wheel
	@rm -f $(@D)/wheels/lictor-*.whl
	@touch $@

.PHONY: setup
setup: packages $(READY) ## Debian packages (root) and the virtual environment .venv

.PHONY: unit
unit: $(READY) ## tests that need neither root nor network, in seconds
	pytest -n auto tests/unit

# What speaks to the database is tested on all of them; the same tests, with servers of their own.
.PHONY: databases
databases: servers $(MYSQL) ## the unit tests of API, model and loop on PostgreSQL and MariaDB
	@failed=(); \
	for kind in postgresql mariadb; do \
	    echo "== $$kind"; \
	    $(VENV)/bin/python -m tests.lab.databases $$kind pytest -n auto \
	        tests/unit/api tests/unit/control tests/unit/model tests/databases_lab || failed+=($$kind); \
	done; \
	if [ $${#failed[@]} != 0 ]; then echo "failed: $${failed[*]}" >&2; exit 1; fi

.PHONY: lint
lint: $(READY) ## ruff, mypy and the arrows between folders
	ruff check
	ruff format --check
	mypy
	lint-imports --verbose 2>&1 | sed -n '/^Contracts$$/,$$p'; exit $${PIPESTATUS[0]}

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "needs root: the amphorae of tests and demo are network namespaces" >&2; exit 1; }

.PHONY: $(LAB_SUITES)
$(LAB_SUITES): root $(READY) servers $(MYSQL) $(BARBICAN)
	@$(SEALED) $(VENV)/bin/python -m pytest $@ </dev/null

.PHONY: lab
lab: ## tests that need root: real haproxy, real amphorae, inside sealed network namespaces; `make tests/e2e` is one of them
	@$(MAKE) --no-print-directory --keep-going $(LAB_SUITES)

.PHONY: conformance-tempest
conformance-tempest: root $(READY) $(KEYSTONE) $(TEMPEST) ## upstream's API suite against Lictor with a real Keystone
	@$(SEALED) $(VENV)/bin/python -m tests.conformance.tempest </dev/null

# The web server of the scenario tests comes with the plugin as a source.
SERVER := .venv-tempest/test_server.bin
$(SERVER): $(TEMPEST)
	@bash .ci/packages scenario
	CGO_ENABLED=0 GO111MODULE=off go build -ldflags '-s -w' -o $@ \
	    $$(ls -d $(@D)/lib/python3*/site-packages/octavia_tempest_plugin)/contrib/test_server/test_server.go

conformance-tempest-cloud: SUITE ?= api
.PHONY: conformance-tempest-cloud
conformance-tempest-cloud: root $(READY) servers $(BARBICAN) $(CLOUD) $(TEMPEST) $(SERVER) ## the same on a real Neutron and Nova; SUITE=api, scenario, tls or pair; TESTS='regular expression'
	@$(SEALED) $(VENV)/bin/python -m tests.conformance.tempest.cloud --suite $(SUITE) '$(TESTS)' </dev/null

.PHONY: openstack
openstack: root $(READY) servers $(KEYSTONE) $(CLOUD) ## the drivers of Nova and Neutron on a real cloud with Nova's fake hypervisor
	@$(SEALED) $(VENV)/bin/python -m pytest tests/openstack </dev/null

# Two at a time, as each of them waits a lot; the longest come first. All that installs something has been made before.
SUITES := tests/e2e databases openstack tests/crash conformance-tempest unit
.PHONY: test
test: servers $(READY) $(MYSQL) $(BARBICAN) $(CLOUD) $(TEMPEST) ## everything that CI runs: lint, unit, databases, lab, openstack, conformance-tempest
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target \
	    --old-file=root --old-file=packages --old-file=servers $(SUITES) $(filter-out $(SUITES),$(LAB_SUITES))

.PHONY: crash-random
crash-random: root $(READY) servers $(MYSQL) ## random faults under random clients; SEED, SECONDS_TO_RUN=120, DATABASE=postgresql
	@$(SEALED) $(VENV)/bin/python -m tests.crash.random </dev/null

.PHONY: options
options: $(READY) ## writes docs/options.md from the code
	@$(VENV)/bin/python -m tests.lab.options >docs/options.md

.PHONY: test-systemd
test-systemd: root $(READY) servers ## the units of deploy/systemd below a real systemd, on a machine made of namespaces
	@$(SEALED) $(VENV)/bin/python -m pytest tests/systemd_lab </dev/null

.PHONY: test-ansible
test-ansible: root $(READY) servers $(KEYSTONE) $(CLOUD) $(ANSIBLE) ## deploy/ansible and docs/openstack.md, from a cloud without load balancers to one with them
	@$(SEALED) $(VENV)/bin/python -m pytest tests/ansible_lab </dev/null

IMAGE := $(VENV)/.image
$(IMAGE): $(READY)
	@bash .ci/packages image
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[image]'
	@touch $@

define build-amphora
@mkdir -p $(dir $(AMPHORA))
$(VENV)/bin/lictor image build --output $(AMPHORA) $(OPTIONS)
endef
$(AMPHORA): | root $(IMAGE)
	$(build-amphora)

.PHONY: image
image: root $(IMAGE) ## build/amphora.qcow2 for real, in minutes; OPTIONS='--apt-mirror URL …'
	$(build-amphora)

test-image: FILE ?= $(AMPHORA)
.PHONY: test-image
test-image: root $(IMAGE) ## boots FILE=build/amphora.qcow2 in an emulated machine: first heartbeat, and how long it took
	@LICTOR_IMAGE=$(abspath $(FILE)) $(SEALED) $(VENV)/bin/python -m pytest -s tests/image_lab </dev/null

.PHONY: test-openstack
test-openstack: root $(READY) servers $(HYPERVISOR) $(AMPHORA) ## amphorae as virtual machines on a cloud of two hypervisors, in 40 minutes at most
	@timeout --kill-after=30 2400 $(SEALED) $(VENV)/bin/python -m pytest -s tests/hypervisor_lab </dev/null

fuzz-openapi: SECONDS ?= 600
.PHONY: fuzz-openapi
fuzz-openapi: root $(READY) ## schemathesis on the API's document, for SECONDS=600
	@$(SEALED) $(VENV)/bin/python -m tests.conformance.openapi.fuzz $(SECONDS) </dev/null

.PHONY: demo
demo: root $(READY) ## a load balancer from nothing to the first byte, on this machine, in a minute
	@$(SEALED) $(VENV)/bin/python -m demo.run </dev/null

# The other side of the comparison: the newest Octavia there is, in an environment of its own.
OCTAVIA := .venv-octavia
$(OCTAVIA)/.ready:
	@bash .ci/packages octavia
	$(PYTHON) -m venv --clear $(OCTAVIA)
	$(OCTAVIA)/bin/python -m pip install --quiet --disable-pip-version-check octavia pymysql python-memcached pyuwsgi
	@touch $@

.PHONY: bench-api
bench-api: root $(MYSQL) $(OCTAVIA)/.ready ## the API side by side with the real Octavia's, in about twelve minutes
	@$(SEALED) $(VENV)/bin/python -m tests.bench.api </dev/null

.PHONY: bench-dataplane
bench-dataplane: root $(READY) ## an amphora beside a minimal HAProxy and nginx, in about twelve minutes
	@bash .ci/packages bench
	@$(SEALED) $(VENV)/bin/python -m tests.bench.dataplane </dev/null

.PHONY: bench-scale
bench-scale: root $(MYSQL) $(OCTAVIA)/.ready ## 10,000 load balancers beside Octavia's health manager; SCALE=0.1 for a tenth
	@$(SEALED) $(VENV)/bin/python -m tests.bench.scale </dev/null

.PHONY: bench-cloud
bench-cloud: root $(READY) servers $(KEYSTONE) $(CLOUD) ## what Lictor asks of Keystone, Neutron, Nova and Glance, request by request
	@$(SEALED) $(VENV)/bin/python -m tests.bench.cloud </dev/null

bench-%: root $(READY) ## runs tests/bench/NAME.py in a sealed laboratory
	@$(SEALED) $(VENV)/bin/python -m tests.bench.$* </dev/null

.PHONY: clean
clean: ## removes what was made here: caches and the virtual environment
	rm -rf $(VENV) .venv-* build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
	find src tests demo -name __pycache__ -type d -prune -exec rm -rf {} +
