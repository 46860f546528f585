# SPDX-License-Identifier: Apache-2.0
# make bench: ratios to the raw operation in the same run; figures also in bench.json.
EXTRA_DIST += tests/bench/bench.py
noinst_PROGRAMS += tests/bench/replay
tests_bench_replay_SOURCES = tests/bench/replay.c
tests_bench_replay_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_replay_LDADD = $(RDKAFKA_LIBS) $(JANSSON_LIBS)

# Remote state: a store that is not what is measured, and the measurements.
EXTRA_DIST += tests/bench/state_bench.py
noinst_PROGRAMS += tests/bench/s3_store tests/bench/state_figures
tests_bench_s3_store_SOURCES = tests/bench/s3_store.c
tests_bench_s3_store_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_s3_store_LDADD = $(PTHREAD_LIBS)
tests_bench_state_figures_SOURCES = tests/bench/state_figures.c tests/bench/state_kit.c \
	tests/bench/state_kit.h
tests_bench_state_figures_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CURL_CFLAGS) $(HIREDIS_CFLAGS)
tests_bench_state_figures_LDADD = $(WORKER_LIBS) $(CURL_LIBS) $(HIREDIS_LIBS)

CLEANFILES += bench.json
bench: all
	python3 $(top_srcdir)/tests/bench/bench.py --build . --source $(top_srcdir) --output bench.json $(BENCH_OPTIONS)
.PHONY: bench
