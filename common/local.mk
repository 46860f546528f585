# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += common/librkycommon.la
common_librkycommon_la_SOURCES = \
	common/error.h common/exitcode.h common/clock.h common/mem.h common/log.h common/ids.h \
	common/fsutil.h common/fault.h common/toml.h common/config.h common/option.h \
	common/error.c common/exitcode.c common/clock.c common/mem.c \
	common/ids.c common/text.c common/fsutil.c common/filelock.c common/fault.c \
	common/log.c common/redact.c common/redact.h \
	common/option.c common/option_help.c common/option_complete.c common/option_internal.h
common_librkycommon_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(OPENSSL_CFLAGS) $(CURL_CFLAGS) \
	$(TOMLPLUSPLUS_CFLAGS)
common_librkycommon_la_SOURCES += common/strings.c common/frame.c common/frame.h

# rocky.toml. toml++ needs C++17, which is not every compiler's default.
common_librkycommon_la_CXXFLAGS = $(AM_CXXFLAGS) -std=gnu++17
common_librkycommon_la_SOURCES += \
	common/toml.cpp common/template.c common/template.h \
	common/config_internal.h common/config_digest.c common/config_interpolate.c \
	common/config_kafka.c common/config_load.c common/config_names.c common/config_pipeline.c \
	common/config_problems.c common/config_rules.c common/config_slot.c common/config_state.c \
	common/config_table.c common/config_value.c common/config_walk.c \
	common/secret_key.h common/secret_key.c common/valkey_url.h common/valkey_url.c

# Remote services: the guard around every call, HTTP, AWS signatures and credentials.
common_librkycommon_la_SOURCES += common/guard.h common/breaker.h common/http.h common/sigv4.h \
	common/credentials.h
common_librkycommon_la_SOURCES += common/http.c common/http_curl.c common/http_curl.h \
	common/http_fault.c common/http_internal.h common/http_response.c common/sigv4.c \
	common/credentials.c common/credentials_internal.h common/credentials_provider.c \
	common/credentials_env.c common/credentials_web_identity.c common/credentials_profile.c \
	common/credentials_container.c common/credentials_instance.c
common_librkycommon_la_SOURCES += common/guard.c common/backoff.c common/breaker.c
