# Builds, tests and installs Romanesco. "make" leaves build/ like an installed tree.

VERSION    := $(shell cat VERSION)
# The version of libbroccoli that programs check for; docs/packaging.md.
COMPATIBLE := 1.100
SONAME     := libbroccoli.so.5
REALNAME   := libbroccoli.so.5.1.0

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
# Where the core goes; the front finds it there, or beside itself.
COREDIR    ?= $(LIBDIR)
MANDIR     ?= $(PREFIX)/share/man
# Where to put the systemd unit of the collector; empty: nowhere.
UNITDIR    ?=
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR    ?=
BUILD      ?= build
FUZZTIME   ?= 30s
# Events of each run of "make soak".
SOAK       ?= 1000000

CC         ?= cc
# A cross-compiler comes with the rest of its tools: make GOARCH=arm64 CC=aarch64-linux-gnu-gcc
# (musl-gcc comes with nothing.)
CROSS      := $(patsubst %gcc,%,$(filter %-gcc,$(filter-out musl-gcc,$(firstword $(CC)))))
ifeq ($(origin AR),default)
AR         := $(CROSS)ar
endif
ifeq ($(origin LD),default)
LD         := $(CROSS)ld
endif
OBJCOPY    ?= $(CROSS)objcopy
GO         ?= go
CFLAGS     ?= -O2 -g
# A compiler that is newer than we are has more to say: that stops our tests, and nobody's build.
ifneq ($(filter test test-% lint,$(MAKECMDGOALS)),)
WERROR     ?= 1
endif
WERROR     ?=
WARNINGS   := -Wall -Wextra $(if $(WERROR),-Werror)

# Not empty where programs can load the core: with glibc, and 64 bits.
LOADS      := $(filter 2,$(words $(sort $(shell \
	$(CC) -dM -E -include stdlib.h -x c /dev/null 2> /dev/null | grep -owE '__GLIBC__|__LP64__'))))
# Where the core runs unless /broccoli/core says so: library (in the host) or process.
CORE       ?= $(if $(LOADS),library,process)

# Absolute where Go or a linked program needs it.
OUT        := $(abspath $(BUILD))

FRONT_FLAGS := -std=c11 $(WARNINGS) -fPIC -fexceptions -fvisibility=hidden -pthread -D_GNU_SOURCE \
	-D_FILE_OFFSET_BITS=64 -Iinclude -Icapi -MMD -MP \
	-DROMANESCO_VERSION='"$(VERSION)"' \
	-DBROCCOLI_LIBDIR='"$(COREDIR)"' -DBROCCOLI_CORE='"$(CORE)"' \
	-DBROCCOLI_CONFIG_PATH='"$(SYSCONFDIR)/broccoli.conf"'
FRONT_LINK  := -Wl,-soname,$(SONAME) -Wl,--version-script,capi/libbroccoli.map \
	-Wl,-z,relro,-z,now,-z,defs,-z,nodelete,-z,noexecstack
FRONT_LIBS  := -ldl -lpthread

# What the front's own tests are built and run with.
CHECK_FLAGS_address  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CHECK_RUN_address    := UBSAN_OPTIONS=print_stacktrace=1
CHECK_FLAGS_thread   := -fsanitize=thread
CHECK_RUN_thread     := TSAN_OPTIONS=halt_on_error=1:die_after_fork=0
# By the name of a test: it refuses memory, it does something before these are called.
CHECK_LINK_memory    := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
CHECK_LINK_fork_threads := -Wl,--wrap=dlopen,--wrap=close
CHECK_LINK_process   := -Wl,--wrap=madvise
CHECK_LINK_input     := -Wl,--wrap=ring_next,--wrap=read
CHECK_RUN_valgrind   := valgrind -q --error-exitcode=99 --leak-check=full

# What loads the core, and what is there where that cannot be.
LOADING  := $(patsubst %,capi/%.c,faults inside load loader preflight preflight_calls thread)
FRONT_C  := $(filter-out $(if $(LOADS),capi/cannot_load.c,$(LOADING)),$(sort $(wildcard capi/*.c)))
FRONT_O  := $(FRONT_C:capi/%.c=$(BUILD)/front/%.o)
CHECKS   := $(patsubst capi/test/%.c,%,$(sort $(wildcard capi/test/*_test.c)))
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(sort $(wildcard examples/*.c)))

LIB := $(BUILD)/lib
# Go programs of the project that run during the build, for the machine that it runs on.
TOOL := GOOS= GOARCH= CGO_ENABLED=0 $(GO) run ./internal/tools

# "make V=1" shows the commands.
ifneq ($(V),)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

.PHONY: all
all: front core collector examples package

.PHONY: help
help:
	@sed -n 's/^#: //p' Makefile

#: make            everything, into build/
#: make front      the C library alone
#: make core       the Go core alone
#: make header     include/broccoli.h, from capi/broccoli.h.in and capi/*.c
#: make demo       the examples against each other
#: make test       all tests, sanitizers and a few seconds of each fuzz target
#: make fuzz       each fuzz target for FUZZTIME (30s)
#: make test-process  the tests of hosts with the core as a process of its own, which "make process" builds
#: make soak       SOAK (1000000) events while collector, link, host and core break 100 times; two hours or so
#: make lint       gofmt, go vet and staticcheck
#: make style      clang-format, changing nothing
#: make install    to PREFIX (/usr/local), LIBDIR, SYSCONFDIR, MANDIR, below DESTDIR
#: make uninstall  removes that again
#: make test-installed  the tests of the built library, with an installed one
#: make deb        Debian packages, in build/
#: make test-deb   the same, and looks at them, with lintian if there is one
#: make model      checks the model of a connection's states (docs/model), with spin
#: make bench      ratios to another libbroccoli.so.5 (REFERENCE_LIB), or to ourselves; ONLY=Zeek: those so named
#: make openssh    Debian's sshd with the sensor, see docs/sshd.md; first, as root: make openssh-deps
#: make openssh-deb   the same as Debian packages
#: make test-openssh  runs that sshd with real clients, as root; RUN=TestKeys: those tests
#:                 RELEASE=trixie with any of these: for Debian 13, in a root folder if the machine has another
#: make pam        a module of PAM that reports logins, see examples/pam
#: make test-pam   runs saslauthd with that module, as root
#: make test-python  the module for Python; part of test where python3 is, PYTHON=python3.12 for another
#: make wheel      the module for Python as a wheel, in build/wheel
#: make load       two thousand sensors and a million events through one collector, a restart under them, and ten thousand idle peers
#: make certs      a CA and certificates for trying TLS out, in build/certs
#: make clean

# --- Prerequisites --------------------------------------------------------------------------

.PHONY: prerequisites
prerequisites:
	@CC='$(CC)' GO='$(GO)' LD='$(LD)' OBJCOPY='$(OBJCOPY)' internal/tools/prerequisites

# --- The header -----------------------------------------------------------------------------

# The header keeps its time when nothing changes in it; the stamp carries the time of the look.
HEADER := $(BUILD)/header.stamp

.PHONY: header
header: $(HEADER)

$(HEADER): capi/broccoli.h.in $(FRONT_C) $(wildcard internal/tools/header/*.go) | prerequisites
	@mkdir -p $(@D) include
	$(say) HEADER include/broccoli.h
	$(Q)$(TOOL)/header
	@touch $@

# --- The front: C ---------------------------------------------------------------------------

.PHONY: front
front: $(LIB)/$(REALNAME) $(LIB)/$(SONAME) $(LIB)/libbroccoli.so $(LIB)/libbroccoli.a \
	$(BUILD)/include/broccoli.h $(BUILD)/include/romanesco.h

# Changes when the flags do.
FLAGS := $(BUILD)/flags
.PHONY: flags
flags: ;
$(FLAGS): flags | prerequisites
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(CFLAGS) $(FRONT_FLAGS) $(LDFLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(CC) $(CFLAGS) $(FRONT_FLAGS) $(LDFLAGS))' > $@

$(BUILD)/front/%.o: capi/%.c $(FLAGS) | $(HEADER)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(FRONT_FLAGS) -c -o $@ $<

$(LIB)/$(REALNAME): $(FRONT_O) capi/libbroccoli.map
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared $(FRONT_LINK) -o $@ $(FRONT_O) $(FRONT_LIBS)

$(LIB)/$(SONAME) $(LIB)/libbroccoli.so: $(LIB)/$(REALNAME)
	$(Q)ln -sf $(REALNAME) $@

# One object, so that names which are hidden in the shared library are hidden here too. No groups,
# of which a program would keep its own: 32-bit x86 has such, with names that are hidden then.
$(LIB)/libbroccoli.a: $(FRONT_O)
	@mkdir -p $(@D)
	$(say) AR $@
	$(Q)$(CC) -nostdlib -r -Wl,--force-group-allocation -o $(BUILD)/front.o $(FRONT_O)
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/front.o
	$(Q)$(OBJCOPY) --redefine-sym program_personality=__gcc_personality_v0 \
		--redefine-sym program_resume=_Unwind_Resume $(BUILD)/front.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $(BUILD)/front.o

$(BUILD)/include/%.h: include/%.h $(HEADER)
	@mkdir -p $(@D)
	@cmp -s $< $@ || install -m 644 $< $@

# --- The core and the collector: Go ---------------------------------------------------------

# Go knows best what must be built again; a result that is the same keeps its time.
.PHONY: core
core: core-process $(if $(LOADS),core-library)

.PHONY: core-library
core-library: $(BUILD)/_overlay/overlay.json | $(HEADER)
	@mkdir -p $(BUILD)/core $(LIB)
	$(say) GO $(LIB)/libbroccoli-core.so
	$(Q)CGO_ENABLED=1 CGO_CFLAGS='-O2 -g -DROMANESCO_VERSION="$(VERSION)"' \
		$(GO) build -trimpath -buildmode=c-shared -overlay $(OUT)/_overlay/overlay.json \
		-tags netgo,osusergo -ldflags '-s -w' \
		-o $(BUILD)/core/linked.so ./internal/library/inhost
	$(Q)$(TOOL)/deletable $(BUILD)/core/linked.so $(BUILD)/core/libbroccoli-core.so
	@cmp -s $(BUILD)/core/libbroccoli-core.so $(LIB)/libbroccoli-core.so || \
		install -m 755 $(BUILD)/core/libbroccoli-core.so $(LIB)/libbroccoli-core.so

# The same as a process of its own.
.PHONY: core-process
core-process: | prerequisites
	@mkdir -p $(LIB)
	$(say) GO $(LIB)/libbroccoli-core
	$(Q)CGO_ENABLED=0 $(GO) build -trimpath -tags netgo,osusergo -ldflags '-s -w -X main.version=$(VERSION)' \
		-o $(LIB)/libbroccoli-core ./cmd/libbroccoli-core

# The underscore keeps "./..." of the go command out. Made anew each time, since the Go toolchain may have changed.
.PHONY: $(BUILD)/_overlay/overlay.json
$(BUILD)/_overlay/overlay.json: | prerequisites
	$(Q)$(TOOL)/overlay -o $(OUT)/_overlay

.PHONY: collector
collector: | prerequisites
	@mkdir -p $(BUILD)/bin
	$(say) GO $(BUILD)/bin/broccoli-collector
	$(Q)CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' \
		-o $(BUILD)/bin/broccoli-collector ./cmd/broccoli-collector

# --- Examples -------------------------------------------------------------------------------

.PHONY: examples
examples: $(EXAMPLES)

$(BUILD)/examples/%: examples/%.c | front
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -I$(BUILD)/include -MMD -MP -o $@ $< \
		-L$(LIB) -Wl,-rpath,'$$ORIGIN/../lib' -lbroccoli

.PHONY: demo
demo: all
	examples/demo.sh

# --- What other builds find us with -----------------------------------------------------------

# $(call fill,TEMPLATE,RESULT,PREFIX,LIBDIR,SYSCONFDIR); @UP@ leads from LIBDIR to PREFIX.
fill = mkdir -p $(dir $2) && sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@COMPATIBLE@|$(COMPATIBLE)|g' -e 's|@PREFIX@|$3|g' \
	-e 's|@LIBDIR@|$4|g' -e 's|@SYSCONFDIR@|$5|g' \
	-e "s|@UP@|$$(realpath -m --relative-to=$4 $3)|g" $1 > $2
# $(call found,BIN,LIB,PREFIX,LIBDIR,SYSCONFDIR): what finds PREFIX goes to the folders BIN and LIB.
define found
@$(call fill,packaging/broccoli-config.in,$1/broccoli-config,$3,$4,$5)
@chmod 755 $1/broccoli-config
@$(call fill,packaging/broccoli.pc.in,$2/pkgconfig/broccoli.pc,$3,$4,$5)
@$(call fill,packaging/BroccoliConfig.cmake.in,$2/cmake/Broccoli/BroccoliConfig.cmake,$3,$4,$5)
@$(call fill,packaging/BroccoliConfigVersion.cmake.in,$2/cmake/Broccoli/BroccoliConfigVersion.cmake,$3,$4,$5)
endef

.PHONY: package
package: | prerequisites
	$(call found,$(BUILD)/bin,$(LIB),$(OUT),$(OUT)/lib,$(SYSCONFDIR))

MAN := $(sort $(wildcard docs/man/*.[1-8]))
# $(call man_path,PAGE)
man_path = $(MANDIR)/man$(patsubst .%,%,$(suffix $1))/$(notdir $1)

# Configuration files that are there already stay as they are.
.PHONY: install
install: front core collector
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR) \
		$(DESTDIR)$(COREDIR) $(DESTDIR)$(SYSCONFDIR)
	install -m 755 $(LIB)/$(REALNAME) $(DESTDIR)$(LIBDIR)
	install -m 755 $(if $(LOADS),$(LIB)/libbroccoli-core.so) $(LIB)/libbroccoli-core $(DESTDIR)$(COREDIR)
	ln -sf $(REALNAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(REALNAME) $(DESTDIR)$(LIBDIR)/libbroccoli.so
	install -m 644 $(LIB)/libbroccoli.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(BUILD)/include/broccoli.h $(BUILD)/include/romanesco.h $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/bin/broccoli-collector $(DESTDIR)$(PREFIX)/bin
	install -D -m 644 packaging/valgrind.supp $(DESTDIR)$(PREFIX)/share/broccoli/valgrind.supp
	$(call found,$(DESTDIR)$(PREFIX)/bin,$(DESTDIR)$(LIBDIR),$(PREFIX),$(LIBDIR),$(SYSCONFDIR))
	@$(foreach m,$(MAN),$(call fill,$m,$(DESTDIR)$(call man_path,$m),$(PREFIX),$(LIBDIR),$(SYSCONFDIR)) &&) :
	@test -e $(DESTDIR)$(SYSCONFDIR)/broccoli.conf || \
		install -m 644 packaging/broccoli.conf $(DESTDIR)$(SYSCONFDIR)/broccoli.conf
ifneq ($(UNITDIR),)
	@$(call fill,packaging/broccoli-collector.service.in,$(DESTDIR)$(UNITDIR)/broccoli-collector.service,$(PREFIX),$(LIBDIR),$(SYSCONFDIR))
	@test -e $(DESTDIR)$(SYSCONFDIR)/default/broccoli-collector || \
		install -D -m 644 packaging/broccoli-collector.default $(DESTDIR)$(SYSCONFDIR)/default/broccoli-collector
endif

# A configuration file that was changed stays.
.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/broccoli-config $(DESTDIR)$(PREFIX)/bin/broccoli-collector \
		$(DESTDIR)$(PREFIX)/include/broccoli.h $(DESTDIR)$(PREFIX)/include/romanesco.h $(DESTDIR)$(COREDIR)/libbroccoli-core.so $(DESTDIR)$(COREDIR)/libbroccoli-core \
		$(addprefix $(DESTDIR)$(LIBDIR)/,$(REALNAME) $(SONAME) libbroccoli.so libbroccoli.a pkgconfig/broccoli.pc \
		cmake/Broccoli/BroccoliConfig.cmake cmake/Broccoli/BroccoliConfigVersion.cmake) \
		$(foreach m,$(MAN),$(DESTDIR)$(call man_path,$m)) \
		$(if $(UNITDIR),$(DESTDIR)$(UNITDIR)/broccoli-collector.service)
	@! test -d $(DESTDIR)$(PREFIX)/share/broccoli || rm -r $(DESTDIR)$(PREFIX)/share/broccoli
	@! test -d $(DESTDIR)$(LIBDIR)/cmake/Broccoli || rmdir $(DESTDIR)$(LIBDIR)/cmake/Broccoli
	@! cmp -s packaging/broccoli.conf $(DESTDIR)$(SYSCONFDIR)/broccoli.conf || \
		rm -f $(DESTDIR)$(SYSCONFDIR)/broccoli.conf
ifneq ($(UNITDIR),)
	@! cmp -s packaging/broccoli-collector.default $(DESTDIR)$(SYSCONFDIR)/default/broccoli-collector || \
		rm -f $(DESTDIR)$(SYSCONFDIR)/default/broccoli-collector
endif

.PHONY: deb
deb: | prerequisites
	MAKE='$(MAKE)' GO='$(GO)' VERSION='$(VERSION)' BUILD='$(BUILD)' packaging/deb

.PHONY: test-deb
test-deb: deb
	ROMANESCO_DEB='$(OUT)' $(GO) test -count=1 -v -run TestDebian ./internal/tools/install

# --- sshd with the sensor ---------------------------------------------------------------------

# RELEASE is the code name of another Debian than the machine's; RUN, a pattern of tests.
RELEASE ?=
OPENSSH := BUILD='$(OUT)' GO='$(GO)' RELEASE='$(RELEASE)' RUN='$(RUN)' examples/openssh/build.sh

.PHONY: openssh-deps
openssh-deps:
	$(OPENSSH) deps

.PHONY: openssh
openssh: front core collector
	$(OPENSSH) sshd

.PHONY: openssh-deb
openssh-deb: front
	$(OPENSSH) deb

# As root, since privilege separation needs that.
.PHONY: test-openssh
test-openssh: openssh
	$(OPENSSH) test

# --- A real Zeek ------------------------------------------------------------------------------

# ROMANESCO_ZEEK is the program; ROMANESCO_ZEEK_EVENTS, how many events the long tests send. The
# values also go through an old Broker, if ROMANESCO_BROKER is the host:port of one.
ROMANESCO_ZEEK ?= $(shell command -v zeek)
.PHONY: test-zeek
test-zeek: all
	@test -n '$(ROMANESCO_ZEEK)' || { echo 'ROMANESCO_ZEEK does not say which Zeek to test with, and none is installed'; exit 1; }
	ROMANESCO_ZEEK='$(ROMANESCO_ZEEK)' ROMANESCO_BUILD='$(OUT)' $(GO) test -count=1 -v -timeout 60m ./internal/test/zeektest
	ROMANESCO_ZEEK='$(ROMANESCO_ZEEK)' ROMANESCO_BUILD='$(OUT)' $(GO) test -count=1 -v -run RealZeek ./internal/test/hosttest
	@PATH="$(dir $(ROMANESCO_ZEEK)):$$PATH"; if command -v btest > /dev/null; then cd zeek/testing && btest -c btest.cfg; else \
		echo 'btest is not here: the tests of the package are not run'; fi

.PHONY: demo-zeek
demo-zeek: all
	@test -n '$(ROMANESCO_ZEEK)' || { echo 'there is no zeek in the PATH; say ROMANESCO_ZEEK=program'; exit 1; }
	examples/demo-zeek.sh '$(ROMANESCO_ZEEK)'

# --- A module of PAM --------------------------------------------------------------------------

.PHONY: pam
pam: $(BUILD)/pam/pam_broccoli.so

$(BUILD)/pam/pam_broccoli.so: examples/pam/pam_broccoli.c | front
	@test -e /usr/include/security/pam_modules.h || \
		{ echo "pam: PAM's headers are missing. Debian: apt-get install libpam0g-dev" >&2; exit 1; }
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -fPIC -shared -Wl,-z,nodelete,-z,defs -I$(BUILD)/include \
		-o $@ $< -L$(LIB) -Wl,-rpath,'$$ORIGIN/../lib' -lbroccoli -lpam -lpthread

# As root, with saslauthd and pamtester. Debian: apt-get install sasl2-bin pamtester
.PHONY: test-pam
test-pam: pam core collector
	ROMANESCO_PAM='$(OUT)' $(GO) test -count=1 -v ./internal/test/pamtest

# --- The module for Python ---------------------------------------------------------------------

PYTHON ?= python3

# The values go through a real Zeek too, if ROMANESCO_ZEEK is the program.
.PHONY: test-python
test-python: all
	@if '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2> /dev/null; then \
		cd bindings/python && ROMANESCO_BUILD='$(OUT)' '$(PYTHON)' -W error::ResourceWarning -m unittest discover -t . -s tests; else \
		echo 'python3 is not here, or older than 3.9: the tests of the module for Python are not run (apt-get install python3)'; fi

# Built in a copy, since setuptools leaves its own files beside what it builds.
.PHONY: wheel
wheel:
	rm -rf $(BUILD)/wheel
	@mkdir -p $(BUILD)/wheel
	cp -r bindings/python $(BUILD)/wheel/source
	'$(PYTHON)' -m pip wheel -q --no-build-isolation --no-deps --no-index -w $(BUILD)/wheel $(BUILD)/wheel/source
	rm -r $(BUILD)/wheel/source

# --- Tests ----------------------------------------------------------------------------------

.PHONY: test
test: all lint test-c test-go test-python test-fuzz

# Nothing in these runs at the same time as anything else, and the race detector is slow.
# Go would cache results although the library that the tests load is another.
SEQUENTIAL := ./internal/protocol/wire/... ./internal/tools/...

.PHONY: test-go
test-go: all process
	ROMANESCO_BUILD='$(OUT)' $(GO) test -count=1 $(SEQUENTIAL)
	@$(MAKE) --no-print-directory test-process > $(BUILD)/test-process.log 2>&1 & other=$$!; failed=0; \
	ROMANESCO_BUILD='$(OUT)' $(GO) test -count=1 -race $$($(GO) list ./... | grep -vE '/internal/(protocol/wire|tools)(/|$$)') || failed=1; \
	wait $$other || failed=1; cat $(BUILD)/test-process.log; exit $$failed

# The same library, but with the core as a process of its own unless a configuration says otherwise.
.PHONY: process
process: all
	@$(MAKE) --no-print-directory all BUILD='$(BUILD)-process' CORE=process

# The tests of hosts in that mode; the rest of them say by themselves where the core is.
.PHONY: test-process
test-process:
	ROMANESCO_BUILD='$(OUT)-process' ROMANESCO_CORE=process $(GO) test -count=1 -timeout 20m \
		-skip '^(TestSoakCore|TestCoreThat|TestTree|TestNested)' ./internal/test/hosttest

# The front's own tests, and that of the sensor of sshd as far as it needs no sshd: each a program
# that contains the front, built and run once for each tool.
SENSOR_DATA_C := $(addprefix examples/openssh/,sensor-sample.c sensor-sftp.c sensor-text.c)
SENSOR_C := $(addprefix examples/openssh/,sensor-client.c sensor-lines.c sensor-send.c sensor-data.c) $(SENSOR_DATA_C)

.PHONY: test-c
test-c: test-c-address test-c-thread
	@if command -v valgrind > /dev/null; then $(MAKE) --no-print-directory test-c-valgrind; else \
		echo 'valgrind is not here: the tests of the front run without it (apt-get install valgrind)'; fi

# $(call checks,TOOL)
define checks
.PHONY: test-c-$1
test-c-$1: $(CHECKS:%=$(BUILD)/check/$1/%) $(BUILD)/check/$1/sensor_test $(BUILD)/check/$1/data_test
	@for t in $$^; do \
		printf '%s (%s): ' "$$$${t##*/}" $1; \
		$$(CHECK_RUN_$1) timeout 300 "$$$$t" || { echo "$$$$t failed"; exit 1; }; \
	done

$(BUILD)/check/$1/%.o: capi/%.c $(FLAGS) | $(HEADER)
	@mkdir -p $$(@D)
	$$(say) CHECK '$$< ($1)'
	$$(Q)$$(CC) $$(CPPFLAGS) -O1 -g $$(CHECK_FLAGS_$1) $$(FRONT_FLAGS) -c -o $$@ $$<

$(BUILD)/check/$1/%_test: capi/test/%_test.c $(FRONT_C:capi/%.c=$(BUILD)/check/$1/%.o) $(FLAGS)
	@mkdir -p $$(@D)
	$$(say) CHECK '$$< ($1)'
	$$(Q)$$(CC) $$(CPPFLAGS) -O1 -g $$(CHECK_FLAGS_$1) $$(FRONT_FLAGS) -o $$@ $$(filter %.c %.o,$$^) \
		$$(CHECK_LINK_$$*) $$(FRONT_LIBS)

$(BUILD)/check/$1/sensor_test: $(SENSOR_C)
$(BUILD)/check/$1/data_test: $(SENSOR_DATA_C)
$(BUILD)/check/$1/sensor_test $(BUILD)/check/$1/data_test: $(BUILD)/check/$1/%: examples/openssh/test/%.c $(wildcard examples/openssh/*.h) $(FRONT_C:capi/%.c=$(BUILD)/check/$1/%.o) $(FLAGS)
	$$(say) CHECK '$$< ($1)'
	$$(Q)$$(CC) $$(CPPFLAGS) -O1 -g $$(CHECK_FLAGS_$1) $(filter-out -MMD -MP,$(FRONT_FLAGS)) -Iexamples/openssh/test \
		-Iexamples/openssh -Icapi/test -o $$@ $$(filter %.c %.o,$$^) $$(FRONT_LIBS)
endef
$(foreach tool,address thread valgrind,$(eval $(call checks,$(tool))))

# Half a minute, so not part of test, which looks into an installed tree with internal/tools/install.
.PHONY: test-installed
test-installed: | prerequisites
	rm -rf $(BUILD)/installed
	$(MAKE) --no-print-directory install BUILD=$(BUILD)/installed-build DESTDIR= PREFIX=$(OUT)/installed \
		LIBDIR=$(OUT)/installed/lib COREDIR=$(OUT)/installed/lib MANDIR=$(OUT)/installed/share/man \
		SYSCONFDIR=$(OUT)/installed/etc UNITDIR=
	ROMANESCO_BUILD='$(OUT)/installed' $(GO) test -count=1 ./internal/test/hosttest ./internal/tools/abi

# The same tests do less of it in test-go. ROMANESCO_SEED, which they print, repeats one.
.PHONY: soak
soak: all
	ROMANESCO_BUILD='$(OUT)' ROMANESCO_SOAK='$(SOAK)' $(GO) test -count=1 -timeout 8h -v -run Soak ./internal/test/hosttest

.PHONY: test-fuzz
test-fuzz: | prerequisites
	$(GO) run ./internal/tools/fuzz -time 3s

.PHONY: fuzz
fuzz: | prerequisites
	$(GO) run ./internal/tools/fuzz -time $(FUZZTIME)

.PHONY: lint
lint: | prerequisites $(HEADER)
	@bad=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); test -z "$$bad" || { echo "gofmt -w would change:" $$bad; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Apart from lint, since each release of clang-format has its own taste.
.PHONY: style
style:
	clang-format --dry-run -Werror $(wildcard capi/*.[ch] capi/test/*.[ch] examples/*.[ch] examples/*/*.[ch] examples/openssh/test/*.[ch] internal/test/hosttest/testdata/guest/*)

.PHONY: model
model:
	@if command -v spin > /dev/null; then CC='$(CC)' docs/model/check; else \
		echo 'spin is not here: the model of a connection is not checked (apt-get install spin)'; fi

.PHONY: bench
bench: all
	$(GO) run ./internal/tools/bench -build $(OUT) -reference '$(REFERENCE_LIB)' -only '$(ONLY)'

.PHONY: load
load: | prerequisites
	ROMANESCO_LOAD=1 $(GO) test -count=1 -v -run TestLoad ./cmd/broccoli-collector

.PHONY: certs
certs: | prerequisites
	$(TOOL)/certs -o $(BUILD)/certs collector sensor

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(FRONT_O:.o=.d) $(EXAMPLES:%=%.d) $(wildcard $(BUILD)/check/*/*.d)
