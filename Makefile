# Two commands are all that a newcomer needs: `make demo` and `make test`.
.PHONY: demo test test-fast lint bench bench-pull bench-build bench-storm bench-peer clean

# Python keeps what it compiled: tests start hundreds of programs that import the launcher, and
# compiling that takes each of them seconds. Images of containers often forbid it.
unexport PYTHONDONTWRITEBYTECODE

demo:
	@bin/setup
	@.venv/bin/launcher demo

# Workers wait half of their time, for engines, builds and limits: six of them keep four cores busy.
test: lint
	@.venv/bin/pytest -n 6 --dist loadfile --reruns 1 -raR

test-fast:
	@bin/setup test
	@.venv/bin/pytest -q -n auto -m "not docker and not browser and not slow"

lint:
	@bin/setup test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench:
	@bin/setup test
	@.venv/bin/python -m benchmarks

bench-pull:
	@bin/setup test
	@.venv/bin/python -m benchmarks.pull

bench-build:
	@bin/setup test
	@.venv/bin/python -m benchmarks.build

bench-storm:
	@bin/setup test
	@.venv/bin/python -m benchmarks.storm

bench-peer:
	@bin/setup test
	@.venv/bin/python -m benchmarks.peer

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis artefacts build dist *.egg-info
