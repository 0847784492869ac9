# What a contributor types. `make help` lists it; every target but `help` prepares .venv first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup chat test lint bench pocket pocket-card lock

# The first Python of at least 3.11 on the path; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
TORCH_VERSION := 2.13.0
# Where the CPU build of torch comes from on a machine without an NVIDIA GPU: an index URL or a folder of wheels.
# Empty: whatever pip finds by itself.
TORCH_INDEX ?=

BIN := .venv/bin
READY := .venv/.ready

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv: torch first, then the pinned packages, then this project
	@echo ".venv is ready"

$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none is on the path (or name one: make setup PYTHON=...)."; exit 1; }
	@test -x $(BIN)/python || { echo "making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv; }
	@if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then \
		echo "an NVIDIA GPU is present: installing torch $(TORCH_VERSION) as pip finds it"; source=""; \
	elif [ -n "$(TORCH_INDEX)" ]; then \
		echo "no NVIDIA GPU: installing torch $(TORCH_VERSION) from TORCH_INDEX"; \
		case "$(TORCH_INDEX)" in *://*) source="--index-url $(TORCH_INDEX)";; *) source="--find-links $(TORCH_INDEX)";; esac; \
	else \
		echo "no NVIDIA GPU: installing torch $(TORCH_VERSION) as pip finds it (TORCH_INDEX=... names a CPU build)"; source=""; \
	fi; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH_VERSION) $$source
	@$(BIN)/python -c 'import torch; print("torch", torch.__version__, "for", "CUDA " + torch.version.cuda if torch.version.cuda else "CPU")'
	@echo "installing the pinned packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

chat: $(READY) ## serve the chat page; prints the address to open
	@$(BIN)/flux-assistant chat

test: $(READY) ## run the tests
	@$(BIN)/python -m pytest

lint: $(READY) ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/pyright

bench: $(READY) ## time the three tasks on this machine
	@$(BIN)/flux-assistant bench

pocket: $(READY) ## train the pocket model again (hours on a CPU; resumes where it stopped)
	@$(BIN)/python -m flux_runtime.pocket.recipe

pocket-card: $(READY) ## write docs/pocket.md and the model card from what was last measured
	@$(BIN)/python -m flux_runtime.pocket.card

lock: $(READY) ## pin every dependency again in requirements.lock (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate \
		--no-emit-package torch --output-file requirements.lock
