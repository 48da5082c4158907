# latchd: `make help` says what there is.
#
# Plain make configures itself: config.mk is included below and has a rule, so that GNU make makes it
# and starts over. Goals that need more than a compiler install what is missing first (FETCHING).

SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Goals that may install Debian packages, and goals that need no configuration.
FETCHING := demo check check-unit check-e2e check-asan check-system check-ktls check-browser check-crawl check-peers check-scan \
	lint bench bench-sites crowd fuzz cover distcheck deb deps
UNCONFIGURED := clean distclean help format format-check

ifeq ($(STAGE)$(if $(filter $(FETCHING),$(MAKECMDGOALS)),,no),)
# First stage: the packages, then all goals again.
.PHONY: first $(MAKECMDGOALS)
$(MAKECMDGOALS): first
	@:
first:
	@tests/install-deps build $(filter $(FETCHING),$(MAKECMDGOALS))
	@+$(MAKE) --no-print-directory STAGE=2 $(filter-out deps,$(or $(MAKECMDGOALS),all))
else

ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include config.mk
endif

config.mk: config.mk.in config.status
	./config.status -q config.mk
	@touch $@
config.status: configure
	@if [ -x $@ ]; then ./config.status --recheck; else ./configure $(CONFIGURE_FLAGS); fi
configure: configure.ac
	@tests/install-deps --missing build
	autoconf -I /usr/local/share/aclocal -I /usr/share/aclocal -o $@ $<
	@rm -f $@~

# ---- what to build -----------------------------------------------------------------------------

BUILD ?= build
VARIANT ?= plain
VARIANTS := plain asan fuzz cover
FUZZ_CC ?= clang-14
INSTALL ?= install

programs := $(patsubst src/%.c,%,$(wildcard src/latchd.c src/latch.c))
sources := $(wildcard src/*/*.c)
headers := $(wildcard src/*/*.h)
unit_sources := $(wildcard tests/unit/*/*.c)
ifndef HTTP2
sources := $(filter-out src/http2/% src/protocol/h2% src/client/h2%,$(sources))
unit_sources := $(filter-out tests/unit/http2/% tests/unit/protocol/test_h2.c tests/unit/client/test_h2%,$(unit_sources))
endif
unit_folders := $(sort $(patsubst tests/unit/%/,%,$(dir $(unit_sources))))
fuzz_targets := $(filter-out $(if $(HTTP2),,h2 conn),$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
formatted := $(wildcard src/*.c src/*/*.c src/*/*.h tests/unit/*/*.c tests/unit/*/*.h \
	tests/fuzz/*.c tests/bench/*.c)
manuals := $(wildcard man/*.[158])

LANGUAGE := -std=gnu17 -D_GNU_SOURCE -Isrc -DHAVE_LIBSYSTEMD=1 \
	-DLATCH_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(sysconfdir)"' $(if $(KEYLOG),-DLATCH_KEYLOG=1) \
	$(if $(HTTP2),-DHAVE_NGHTTP2=1) \
	$(if $(ZLIB),-DHAVE_ZLIB=1) $(if $(ZSTD),-DHAVE_ZSTD=1) $(if $(BROTLI),-DHAVE_BROTLI=1) \
	$(if $(HIREDIS),-DHAVE_HIREDIS=1)
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual \
	-Wwrite-strings -Wvla -Wimplicit-fallthrough
HARDENING := -fstack-protector-strong -fPIE
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# Debian's compiler may have a level of its own.
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDENED_LINK := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

flags_plain := $(HARDENING) $(FORTIFY)
flags_asan := -fPIE -O1 $(SANITIZE)
flags_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
# Counters are written to files at the end of each process.
flags_cover := -fPIE -O0 --coverage -DLATCH_UNCONFINED=1
link_plain := $(HARDENED_LINK)
link_asan := -pie $(SANITIZE)
link_fuzz := -fsanitize=fuzzer,address,undefined
link_cover := -pie --coverage
cc_plain = $(CC)
cc_asan = $(CC)
cc_fuzz = $(FUZZ_CC)
cc_cover = $(CC)

.PHONY: all
all: $(programs:%=$(BUILD)/$(VARIANT)/%)

# ---- one set of rules a variant ----------------------------------------------------------------
# $(1): variant, $(2): its folder. liblatch.a holds everything but the two mains.

define variant_rules
compile_$(1) = $$(cc_$(1)) $$(LANGUAGE) $$(CPPFLAGS) $$(LIB_CFLAGS) $$(CFLAGS) $$(WARNINGS) $$(flags_$(1))
link_command_$(1) = $$(cc_$(1)) $$(CFLAGS) $$(flags_$(1)) $$(LDFLAGS) $$(link_$(1))
objects_$(1) := $$(sources:src/%.c=$(2)/obj/%.o)

# Changes only when the flags do; everything depends on it.
$(2)/flags: always
	@mkdir -p $$(@D); printf '%s\n' $$(call quote,$$(compile_$(1)) / $$(link_command_$(1)) $$(LIBS)) >$$@.new
	@cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@
$(2)/obj/%.o: src/%.c $(2)/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@) $$(compile_$(1)) $$(if $$(WERROR),-Werror) -MMD -MP -c -o $$@ $$<
$(2)/liblatch.a: $$(objects_$(1))
	@mkdir -p $$(@D); rm -f $$@
	$$(call say,AR,$$@) $$(AR) rcs $$@ $$(objects_$(1))
$$(programs:%=$(2)/%): $(2)/%: $(2)/obj/%.o $(2)/liblatch.a
	$$(call say,LD,$$@) $$(link_command_$(1)) -o $$@ $$^ $$(LIBS)

# Unit tests: one Criterion program a folder. Criterion is looked for when it is needed: `make check`
# may install it after `make demo` has configured.
$(2)/unit/%.o: tests/unit/%.c $(2)/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@) $$(compile_$(1)) $$(CRITERION_CFLAGS) -Itests/unit $$(if $$(WERROR),-Werror) \
		-MMD -MP -c -o $$@ $$<
$$(foreach f,$$(unit_folders),$$(eval $(2)/unit/unit_$$(f): \
	$$(patsubst tests/unit/%.c,$(2)/unit/%.o,$$(filter tests/unit/$$(f)/%,$$(unit_sources))) $(2)/liblatch.a))
$$(unit_folders:%=$(2)/unit/unit_%):
	$$(call say,LD,$$@) $$(link_command_$(1)) -o $$@ $$^ $$(CRITERION_LIBS) $$(LIBS)

# Fuzz targets: with libFuzzer, or with a main that replays files.
$(2)/fuzz/%.o: tests/fuzz/%.c $(2)/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@) $$(compile_$(1)) $$(if $$(WERROR),-Werror) -MMD -MP -c -o $$@ $$<
$$(fuzz_targets:%=$(2)/fuzz/replay_%): $(2)/fuzz/replay_%: \
		$(2)/fuzz/replay.o $(2)/fuzz/fuzz_%.o $(2)/liblatch.a
	$$(call say,LD,$$@) $$(link_command_$(1)) -o $$@ $$^ $$(LIBS)
$$(fuzz_targets:%=$(2)/fuzz/run_%): $(2)/fuzz/run_%: $(2)/fuzz/fuzz_%.o $(2)/liblatch.a
	$$(call say,LD,$$@) $$(link_command_$(1)) -o $$@ $$^ $$(LIBS)

# The installed tree that end-to-end tests use.
.PHONY: tree_$(1)
tree_$(1): $$(programs:%=$(2)/%)
	@rm -rf $(2)/tree
	@$$(MAKE) --no-print-directory install VARIANT=$(1) DESTDIR=$(abspath $(2))/tree >/dev/null

.PHONY: run_unit_$(1) run_replay_$(1) run_e2e_$(1)
run_unit_$(1): $$(unit_folders:%=$(2)/unit/unit_%)
	@tests/run-unit $$^
run_replay_$(1): $$(fuzz_targets:%=$(2)/fuzz/replay_%)
	@set -e; for t in $$(fuzz_targets); do \
		find tests/fuzz/corpus/$$$$t -type f -print0 2>/dev/null | xargs -0 -r $(2)/fuzz/replay_$$$$t; \
	done; echo "corpus: $$(words $$(fuzz_targets)) targets replayed"
run_e2e_$(1): tree_$(1)
	@LATCHD_BIN=$(abspath $(2))/tree$$(sbindir)/latchd LATCH_BIN=$(abspath $(2))/tree$$(bindir)/latch \
		LATCH_VARIANT=$(1) tests/e2e/run $$(E2E)
endef

CRITERION_CFLAGS = $(shell pkg-config --cflags criterion)
CRITERION_LIBS = $(shell pkg-config --libs criterion)
quote = '$(subst ','\'',$(1))'
say = $(if $(V),,@printf '  %-3s %s\n' $(1) $(2);)
.PHONY: always
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v),$(BUILD)/$(v))))
-include $(wildcard $(BUILD)/*/obj/*.d $(BUILD)/*/obj/*/*.d $(BUILD)/*/unit/*/*.d $(BUILD)/*/fuzz/*.d)
.SECONDARY:

# ---- tests -------------------------------------------------------------------------------------

.PHONY: check check-unit check-e2e check-replay check-asan check-system check-ktls check-browser check-crawl check-peers \
	check-scan cover deps
check check-unit check-e2e check-asan: WERROR = 1
check: check-unit check-replay check-e2e lint
	@echo "make check: all passed"
check-unit: run_unit_plain
check-replay: run_replay_plain
check-e2e: run_e2e_plain
check-asan: run_unit_asan run_replay_asan run_e2e_asan
	@echo "make check-asan: all passed"
# In a booted systemd; needs root. LONG=1 for many times more of everything.
check-system: tree_plain deb
	tests/system/run $(abspath $(BUILD)/plain/tree) $(abspath $(BUILD))/deb $(SYSTEM)
# In an emulated machine whose kernel seals TLS records.
check-ktls: tree_plain
	tests/ktls/run $(BUILD)/plain/tree $(BUILD)/ktls
# Beside other people's servers: `latch check` of them, and the same requests to latchd and to them.
check-peers: tree_plain
	LATCHD_BIN=$(abspath $(BUILD))/plain/tree$(sbindir)/latchd LATCH_BIN=$(abspath $(BUILD))/plain/tree$(bindir)/latch \
		H2SPEC=$(or $(H2SPEC),h2spec) PYTHONPATH=tests/e2e python3 -m unittest discover -v -s tests/peers
# All that testssl.sh has to say of the default profile.
check-scan: tree_plain
	LATCHD_BIN=$(abspath $(BUILD))/plain/tree$(sbindir)/latchd PYTHONPATH=tests/e2e python3 tests/peers/scan.py -v
# The demo page and the pages that latchd makes in Chromium, with screenshots.
check-browser: tree_plain
	LATCHD_BIN=$(abspath $(BUILD))/plain/tree$(sbindir)/latchd tests/demo/browse $(BUILD)/demo.png
# Debian's documentation of Python, served whole and crawled.
check-crawl: tree_plain
	LATCHD_BIN=$(abspath $(BUILD))/plain/tree$(sbindir)/latchd tests/demo/crawl
cover: run_unit_cover run_replay_cover run_e2e_cover
	tests/lint/coverage $(BUILD)/cover
deps: all

T ?= head
SECS ?= 60
.PHONY: fuzz
fuzz: $(BUILD)/fuzz/fuzz/run_$(T)
	@mkdir -p $(BUILD)/fuzz/corpus/$(T)
	$< -max_total_time=$(SECS) -dict=$(firstword $(wildcard tests/fuzz/dict/$(T).dict) tests/fuzz/dict/http.dict) -rss_limit_mb=1024 \
		$(BUILD)/fuzz/corpus/$(T) $(wildcard tests/fuzz/corpus/$(T))

.PHONY: lint format format-check bench bench-sites crowd demo
lint: $(BUILD)/plain/liblatch.a
	@LATCH_LIB=$< LATCH_CFLAGS=$(call quote,$(LANGUAGE) $(LIB_CFLAGS) $(WARNINGS)) CC="$(CC)" tests/lint/run
format:
	clang-format-14 -i $(formatted)
format-check:
	clang-format-14 --dry-run --Werror $(formatted)
bench: $(BUILD)/plain/latchd $(BUILD)/plain/bench/loadgen
	tests/bench/run --latchd $(BUILD)/plain/latchd --loadgen $(BUILD)/plain/bench/loadgen $(BENCH)
# Thousands of idle and slow clients, and what a normal one sees.
crowd: $(BUILD)/plain/latchd
	tests/bench/crowd --latchd $< $(CROWD)
# Ten thousand sites: how long a start and a reload take, and how much memory.
bench-sites: $(BUILD)/plain/latchd $(BUILD)/plain/bench/makesites
	tests/bench/sites --latchd $(BUILD)/plain/latchd --makesites $(BUILD)/plain/bench/makesites $(SITES)
$(BUILD)/plain/bench/%: tests/bench/%.c $(BUILD)/plain/flags
	@mkdir -p $(@D)
	$(compile_plain) $(link_plain) -o $@ $< -lssl -lcrypto
demo: all
	@tests/demo/run $(BUILD)/plain/latchd $(BUILD)/plain/latch

# ---- install -----------------------------------------------------------------------------------

substitute = sed -e 's|@sbindir@|$(sbindir)|g' -e 's|@bindir@|$(bindir)|g' \
	-e 's|@sysconfdir@|$(sysconfdir)|g' -e 's|@localstatedir@|$(localstatedir)|g' \
	-e 's|@runstatedir@|$(runstatedir)|g' -e 's|@datarootdir@|$(datarootdir)|g' -e 's|@VERSION@|$(VERSION)|g'
# Manuals in the tree have the paths of the Debian package.
relocate = sed -e 's|/usr/sbin/|$(sbindir)/|g' -e 's|/usr/share/doc/|$(datarootdir)/doc/|g' \
	-e 's|/etc/latchd/|$(sysconfdir)/latchd/|g' \
	-e 's|/lib/systemd/system/|$(or $(systemdsystemunitdir),/lib/systemd/system)/|g'
conf := $(sysconfdir)/latchd/latchd.conf
completions := $(datarootdir)/bash-completion/completions
# SOURCE=DESTINATION of the files that are substituted; a folder left empty installs none.
templates = $(if $(systemdsystemunitdir),latchd.service=$(systemdsystemunitdir)/latchd.service \
		latchd.socket=$(systemdsystemunitdir)/latchd.socket \
		lockdown.conf=$(datarootdir)/doc/latchd/lockdown.conf) \
	$(if $(sysusersdir),latchd.sysusers=$(sysusersdir)/latchd.conf) \
	$(if $(tmpfilesdir),latchd.tmpfiles=$(tmpfilesdir)/latchd.conf) \
	$(if $(catalogdir),latchd.catalog=$(catalogdir)/latchd.catalog)

.PHONY: install uninstall
install: all
	@set -e; put() { echo "  $${!#}"; $(INSTALL) -D "$$@"; }; d='$(DESTDIR)'; b=$(BUILD)/$(VARIANT); \
	[ ! -e $$b/latchd ] || put -m 755 $$b/latchd "$$d$(sbindir)/latchd"; \
	[ ! -e $$b/latch ] || put -m 755 $$b/latch "$$d$(bindir)/latch"; \
	for m in $(manuals); do $(relocate) $$m >$$b/template; put -m 644 $$b/template "$$d$(mandir)/man$${m##*.}/$${m##*/}"; done; \
	put -m 644 completions/latchd "$$d$(completions)/latchd"; ln -sf latchd "$$d$(completions)/latch"; \
	for t in $(templates); do f=systemd/$${t%%=*}.in; [ -e $$f ] || continue; \
		$(substitute) $$f >$$b/template; put -m 644 $$b/template "$$d$${t#*=}"; done; \
	if [ -e etc/latchd.conf ]; then \
		$(substitute) etc/latchd.conf >$$b/template; \
		if [ -e "$$d$(conf)" ]; then cmp -s $$b/template "$$d$(conf)" || put -m 644 $$b/template "$$d$(conf).new"; \
		else put -m 644 $$b/template "$$d$(conf)"; fi; fi
# Settings stay.
uninstall:
	rm -f '$(DESTDIR)$(sbindir)/latchd' '$(DESTDIR)$(bindir)/latch' \
		$(foreach m,$(manuals),'$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))') \
		'$(DESTDIR)$(completions)/latchd' '$(DESTDIR)$(completions)/latch' \
		$(foreach t,$(templates),'$(DESTDIR)$(lastword $(subst =, ,$(t)))')

# ---- a release ---------------------------------------------------------------------------------

archive = latchd-$(VERSION)
.PHONY: dist distcheck
# What git knows, and configure, so that a tarball needs no autoconf.
dist: configure
	@rm -rf $(BUILD)/dist && mkdir -p $(BUILD)/dist/$(archive)
	set -o pipefail; git -c safe.directory='*' ls-files -z | tar --null -T - -cf - | \
		tar -C $(BUILD)/dist/$(archive) -xf -
	cp -p configure $(BUILD)/dist/$(archive)/
	tar -C $(BUILD)/dist --sort=name --owner=0 --group=0 --numeric-owner -czf $(BUILD)/$(archive).tar.gz $(archive)
	@rm -rf $(BUILD)/dist; echo "$(BUILD)/$(archive).tar.gz"
distcheck: dist
	rm -rf $(BUILD)/distcheck && mkdir -p $(BUILD)/distcheck
	tar -C $(BUILD)/distcheck -xzf $(BUILD)/$(archive).tar.gz
	env -u MAKEFLAGS $(MAKE) -C $(BUILD)/distcheck/$(archive) BUILD=build all check-unit
	env -u MAKEFLAGS $(MAKE) -C $(BUILD)/distcheck/$(archive) BUILD=build install DESTDIR=$(abspath $(BUILD))/distcheck/root
	env -u MAKEFLAGS $(MAKE) -C $(BUILD)/distcheck/$(archive) BUILD=build uninstall DESTDIR=$(abspath $(BUILD))/distcheck/root
	rm -rf $(BUILD)/distcheck

# ---- the Debian package ------------------------------------------------------------------------

# From what a release would hold, in a folder of its own, without network.
package = $(abspath $(BUILD))/deb
.PHONY: deb
deb: dist
	@rm -rf $(package) && mkdir -p $(package)
	tar -C $(package) -xzf $(BUILD)/$(archive).tar.gz
	@tests/lint/packages
	cd $(package)/$(archive) && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS="nocheck $$DEB_BUILD_OPTIONS" \
		dpkg-buildpackage -b -us -uc -Pnocheck >$(package)/log 2>&1 || { tail -n 40 $(package)/log; exit 1; }
	lintian --allow-root --fail-on error,warning --suppress-tags bad-distribution-in-changes-file $(package)/*.changes
	@rm -rf $(package)/$(archive); ls $(package)/latchd_*.deb

# ---- the rest ----------------------------------------------------------------------------------

.PHONY: clean distclean help
clean:
	rm -rf $(BUILD)
distclean: clean
	rm -rf config.mk config.status config.log configure autom4te.cache
help:
	@cat tests/help.txt
endif
