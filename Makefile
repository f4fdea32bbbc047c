# `make demo` and `make test` each do the whole set-up: they need python3 (3.11 or later, with venv) and make, nothing else.
PYTHON ?= python3
PHOTO ?= src/deca/data/astronaut.jpg
OUT ?= out
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Threads that wait by spinning slow everything down on a busy machine.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo test check bench bench-head train-default bench-quality gallery build-data page clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo [PHOTO=me.jpg]   reconstruct one photo into out/
demo: .venv/.installed
	$(BIN)/deca reconstruct $(PHOTO) --out $(OUT) --overwrite
	@echo "Open $(OUT)/$(basename $(notdir $(PHOTO)))/sheet.png, and head.glb beside it in Blender or any glTF viewer."

## make test                  everything that continuous integration runs
test: .venv/.installed-dev check browser
	@# Two processes; the tests of one file share what they made, so they stay together.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

# The browser tests want node, npm and Chromium; without them they are skipped and say so.
.PHONY: browser
browser:
	@sh tools/install_browser.sh

## make page                  build the page of `deca serve` from page/ into src/deca/data/page; needs Node 20
page:
	cd page && npm ci --no-audit --no-fund && npm run build

## make bench                 measure the speed of every step
bench: .venv/.installed-dev
	@for program in benchmarks/photo.py benchmarks/render.py benchmarks/encode.py benchmarks/batch.py benchmarks/track.py benchmarks/head_fit.py benchmarks/landmarks_london.py; do echo "== $$program"; OMP_NUM_THREADS=1 $(BIN)/python $$program || exit 1; done

## make bench-head            how well the default head fits 20 other heads
bench-head: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/head_fit.py

## make bench-quality         how good the default weights are, into docs/quality.md; the first time takes long
bench-quality: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/quality.py --prepare
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/quality.py --write

## make train-default         make the default weights again from PHOTOS, in build/default; takes hours
##                            (OPTIONS=--ablations: once more without the consistency losses, too)
train-default: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python tools/train_default.py $(PHOTOS) $(OPTIONS)

## make gallery PHOTOS=DIR    sheets and renderings of a folder of photos, and the ablations, in gallery/ (never committed)
PHOTOS ?= ../shared/photos
gallery: .venv/.installed-dev
	$(BIN)/python tools/gallery.py $(PHOTOS) --out gallery
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/ablations.py --out gallery

## make build-data FACEKIT=DIR  make everything in src/deca/data again from its published sources;
##                            DIR is a clone of github.com/ICT-VGL/ICT-FaceKit
FACEKIT ?= ICT-FaceKit
build-data: .venv/.installed-dev
	$(PIP) --editable '.[build]'
	@# One thread: sums in another order would change the last digits.
	OMP_NUM_THREADS=1 $(BIN)/python tools/build_default_head.py --facekit $(FACEKIT) --out src/deca/data/default_head.npz
	$(BIN)/python tools/build_face_networks.py

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv out gallery tests/browser/node_modules page/node_modules
