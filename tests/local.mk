# SPDX-License-Identifier: Apache-2.0
# Tests. Each area declares its programs in its own fragment.

# What a test of a layer links, lowest layer last.
COMMON_LIBS = common/librkycommon.la $(JANSSON_LIBS) $(OPENSSL_LIBS) $(PTHREAD_LIBS) -lstdc++ -lm
SCHEMAS_LIBS = schemas/librkyschemas.la $(COMMON_LIBS)
STATE_LIBS = state/librkystate.la $(SQLITE_LIBS) $(HIREDIS_LIBS) $(ZSTD_LIBS) $(SCHEMAS_LIBS)
ENGINE_LIBS = engine/librkyengine.la $(STATE_LIBS)
TRANSPORT_LIBS = transport/librkytransport.la $(RDKAFKA_LIBS) $(SCHEMAS_LIBS)
WORKER_LIBS = worker/librkyworker.la engine/librkyengine.la state/librkystate.la \
	transport/librkytransport.la $(RDKAFKA_LIBS) $(SQLITE_LIBS) $(HIREDIS_LIBS) $(ZSTD_LIBS) \
	$(MICROHTTPD_LIBS) $(SCHEMAS_LIBS)

TEST_EXTENSIONS = .t .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
T_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)
T_LOG_COMPILER = bash
PY_LOG_COMPILER = python3
AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; \
	top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	export CK_TAP_LOG_FILE_NAME CK_VERBOSITY top_srcdir top_builddir;

if HAVE_CHECK
check_LTLIBRARIES += tests/kit/librkytestkit.la
tests_kit_librkytestkit_la_SOURCES = tests/kit/check_main.c tests/kit/check_main.h
tests_kit_librkytestkit_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
TEST_LIBS = tests/kit/librkytestkit.la $(CHECK_LIBS)
TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)

include tests/conformance/transport.mk
include tests/unit/common.mk
include tests/unit/config.mk
include tests/unit/remote_common.mk
include tests/unit/schemas.mk
include tests/unit/state.mk
include tests/unit/sync.mk
include tests/unit/s3.mk
include tests/unit/guard.mk
include tests/unit/valkey.mk
include tests/unit/engine.mk
include tests/unit/worker.mk
include tests/conformance/adapter.mk
include tests/conformance/remote.mk
include tests/conformance/s3.mk
include tests/conformance/lease.mk
else
TESTS += tests/kit/no_libcheck.t
endif
EXTRA_DIST += tests/kit/no_libcheck.t
# The longest first, so that none of them is left over alone at the end.
include tests/fault/local.mk
include tests/integration/remote.mk
include tests/lint/local.mk
include tests/kit/local.mk
include tests/cli/local.mk
include tests/integration/local.mk
include tests/docs/local.mk
include tests/bench/local.mk
include tests/soak/local.mk

TESTS += $(dist_check_SCRIPTS) $(check_PROGRAMS)
EXTRA_DIST += tests/README.md tests/kit/summary.sh
