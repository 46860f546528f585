# SPDX-License-Identifier: Apache-2.0
# rocky.toml: parser, table of keys, problems, interpolation, templates.
CONFIG_TEST_CPPFLAGS = $(TEST_CPPFLAGS) -DTEST_DATA='"$(abs_top_srcdir)/tests/unit/data/config"'

check_PROGRAMS += tests/unit/test_toml
tests_unit_test_toml_SOURCES = tests/unit/test_toml.c
tests_unit_test_toml_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_toml_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c tests/unit/config_kit.c \
	tests/unit/config_kit.h
tests_unit_test_config_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_config_rules
tests_unit_test_config_rules_SOURCES = tests/unit/test_config_rules.c tests/unit/config_kit.c \
	tests/unit/config_kit.h
tests_unit_test_config_rules_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_rules_LDADD = $(TEST_LIBS) $(COMMON_LIBS)

EXTRA_DIST += tests/unit/data/config/bronze.toml tests/unit/data/config/full.toml
