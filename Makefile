# Everything runs from .venv, which the first target that needs it creates.
PYTHON ?= python3
BIN := .venv/bin
# packages read for the real text in them, never imported: their own dependencies are not needed
SAMPLES := alt-profanity-check botocore formasaurus gensim reasoning-gym

.PHONY: demo test test-slow lint clean

demo: .venv/installed
	$(BIN)/gristmill corpora build web_sample wiki_sample code_sample math_sample docs_sample
	$(BIN)/gristmill vocab train --corpora wiki_sample,code_sample --size 8192 --name demo_8k
	$(BIN)/gristmill cache demo
	$(BIN)/gristmill sweep experiments.domain_mixture --gin_file gin_configs/sweeps/demo.gin --workers 2

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

# also the tests that `test` skips: those that need the TPU's compiler, or Ray
test-slow: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[code,demo,test,aot,ray]'
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/train/test_aot.py tests/experiments/test_ray_runner.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gristmill needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[code,demo,test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps $(SAMPLES)
	touch $@

clean:
	rm -rf .venv gristmill_data
