# SPDX-License-Identifier: Apache-2.0
# make bench: ratios to the raw operation in the same run; figures also in bench.json.
EXTRA_DIST += tests/bench/bench.py
check_PROGRAMS += tests/bench/replay
tests_bench_replay_SOURCES = tests/bench/replay.c
tests_bench_replay_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_replay_LDADD = $(RDKAFKA_LIBS) $(JANSSON_LIBS)
CLEANFILES += bench.json
bench: all
	$(MAKE) check-programs
	python3 $(top_srcdir)/tests/bench/bench.py --build . --source $(top_srcdir) --output bench.json $(BENCH_OPTIONS)
.PHONY: bench
