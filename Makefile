# SPDX-License-Identifier: Apache-2.0
# A screenful around meson. `make` builds build/ikat and build/ikatd; `make test` and `make demo` install what they need.
BUILD := build
PREFIX := /usr/local
PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
LAB := $(wildcard test/lab/test_*.py)

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	@ln -sf src/ctl/ikat src/daemon/ikatd $(BUILD)/

programs: $(BUILD)/build.ninja
	ninja -C $(BUILD) src/ctl/ikat src/daemon/ikatd bench/link_emulator bench/scale bench/plane bench/count_signatures.so
	@ln -sf src/ctl/ikat src/daemon/ikatd $(BUILD)/

$(BUILD)/build.ninja:
	@tools/install-deps
	meson setup $(BUILD) --prefix=$(PREFIX) --sysconfdir=/etc

deps:
	@tools/install-deps

test: deps all
	@rm -f $(BUILD)/junit-*.xml
	@-meson test -C $(BUILD) --print-errorlogs --num-processes 2 --timeout-multiplier 3
	@-[ -z "$(LAB)" ] || tools/test-lab $(BUILD) $(PYTEST)
	@tools/test-summary --again $(BUILD)/junit-again.xml $(BUILD)/meson-logs/testlog.junit.xml $(if $(LAB),$(BUILD)/junit-interop.xml $(BUILD)/junit-lab.xml)

demo: deps programs
	@/usr/bin/python3 -m lab.demo $(if $(AUTH),--auth $(AUTH)) $(if $(KEEP),--keep)

bench: deps programs
	@ninja -C $(BUILD) bench/bare_tunnel bench/small_packets bench/flood test/aggregate/aggregate_model >/dev/null
	@/usr/bin/python3 -m bench $(ARGS)

sim: $(BUILD)/build.ninja
	@ninja -C $(BUILD) test/sim/sim >/dev/null
	@SEED=$(SEED) SEEDS=$(SEEDS) FIRST=$(FIRST) TRACE=$(TRACE) REPLACE=$(REPLACE) $(BUILD)/test/sim/sim $(ARGS)

explore: $(BUILD)/build.ninja
	@ninja -C $(BUILD) test/explorer/explorer >/dev/null
	@$(BUILD)/test/explorer/explorer -j 2 $(ARGS)

mutants: deps
	@tools/mutants $(ARGS)

rfc:
	@tools/rfc $(if $(TEXT),--text $(TEXT)) $(ARGS)

hostile:
	@tools/hostile $(ARGS)

soak: deps programs
	@ninja -C $(BUILD) bench/flood >/dev/null
	@/usr/bin/python3 -m lab.soak $(or $(MINUTES),10) $(SEED)

nightly: deps
	@.ci/nightly

cross:
	@tools/cross

fuzz:
	@tools/fuzz $(ARGS)

install: all
	DESTDIR=$(DESTDIR) ninja -C $(BUILD) install

format:
	clang-format -i $$(git ls-files '*.[ch]')

check:
	clang-format --dry-run -Werror $$(git ls-files '*.[ch]')

clean:
	rm -rf $(BUILD) build-*

.PHONY: all programs deps test demo bench sim explore mutants rfc hostile soak nightly cross fuzz install format check clean
