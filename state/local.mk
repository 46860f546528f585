# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += state/librkystate.la
state_librkystate_la_SOURCES = state/ledger.h
state_librkystate_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS)
