# heapmatrix: `make run` and `make test` do everything on a fresh Debian or Ubuntu machine with Rust.
CARGO ?= cargo

.PHONY: help run test go hosts bench lint fuzz mutants dist setup

help:
	@echo "make run    build, then dump and check emulated machines of seven architectures"
	@echo "make test   the whole test suite"
	@echo "make go VERSIONS=\"1.22.10 1.27.3\"   fetch Go toolchains to test with"
	@echo "make hosts  the tests of the writer and the reader on a 32-bit and on big-endian hosts"
	@echo "make bench  the benches; their tables are printed and kept in benches/RESULTS.md"
	@echo "make lint   formatting, clippy, docs"
	@echo "make mutants   mutation testing of the writer and the reader"
	@echo "make dist   an archive of the command, its man pages and shell completions"
	@echo "make fuzz TARGET=reader SECONDS=60   one fuzz target for real"

# What Unicorn's C build needs: installed when missing and apt can, else named in one line.
setup:
	@.ci/setup

run: setup
	$(CARGO) build --locked --release -p heapmatrix
	@target/release/heapmatrix run $(ARGS)

# nextest runs tests in parallel processes but no doctests; plain `cargo test` runs everything.
test:
	@.ci/setup test
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --locked --workspace && $(CARGO) test --locked --workspace --doc; \
	else \
		set -x; $(CARGO) test --locked --workspace; \
	fi

# Into target/go; the last line that it prints is the command that tests with them.
go:
	@.ci/go $(VERSIONS)

# HOSTS="powerpc" runs on that one alone.
hosts:
	@.ci/hosts $(HOSTS)

bench: setup
	rm -rf target/criterion
	$(CARGO) bench --locked -p heapmatrix-benches --benches
	$(CARGO) build --locked --release -p heapmatrix -p heapmatrix-benches --bins
	@(target/release/summary && PLOT=benches/growth.svg target/release/growth && target/release/beside-go 50 && target/release/beside-today 50 && target/release/standstill 1000 && target/release/analysis) | tee benches/RESULTS.md

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	.ci/mutants --entries
	cd corpora/fuzz/targets && $(CARGO) metadata --locked --format-version 1 >/dev/null

SECONDS ?= 60
fuzz:
	@corpora/fuzz/run "$(TARGET)" "$(SECONDS)"

# Takes hours: ARGS="--file writer/src/dump/*.rs" does a part.
mutants: setup
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-mutants
	@.ci/mutants $(ARGS)

# As packages want it: bin/, share/man/ and share/completions/ in target/dist/.
dist: setup
	$(CARGO) build --locked --release -p heapmatrix
	@.ci/dist
