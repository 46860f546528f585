# SPDX-License-Identifier: Apache-2.0
# rocky-worker: what takes jobs from the queue and runs them. job_run.c is shared with the CLI.
noinst_LTLIBRARIES += worker/librkyworker.la
worker_librkyworker_la_SOURCES = \
	worker/assignment.c worker/assignment.h \
	worker/backoff.h \
	worker/check.c worker/check.h \
	worker/dispatcher.c worker/dispatcher.h worker/dispatcher_internal.h \
	worker/dispatcher_commit.c worker/dispatcher_intake.c \
	worker/events.c worker/events.h \
	worker/executor.c worker/executor.h \
	worker/job_publish.c worker/job_publish.h \
	worker/job_run.c worker/job_run.h \
	worker/options.c worker/options.h \
	worker/lanes.c worker/lanes.h \
	worker/workspace_pool.c worker/workspace_pool.h \
	worker/outbox.c worker/outbox.h \
	worker/task.c worker/task.h \
	worker/tracker.c worker/tracker.h \
	worker/worker.c worker/worker.h
worker_librkyworker_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

bin_PROGRAMS += worker/rocky-worker
worker_rocky_worker_SOURCES = worker/main.c
worker_rocky_worker_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
worker_rocky_worker_LDADD = $(WORKER_LIBS)
