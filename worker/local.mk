# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += worker/librkyworker.la
worker_librkyworker_la_SOURCES = worker/job_run.h
worker_librkyworker_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
