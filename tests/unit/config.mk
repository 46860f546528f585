# SPDX-License-Identifier: Apache-2.0
# rocky.toml: parser, table of keys, problems, references, templates.
CONFIG_TEST_CPPFLAGS = $(TEST_CPPFLAGS) -DTEST_DATA='"$(abs_top_srcdir)/tests/unit/data/config"'
CONFIG_TEST_KIT = tests/unit/config_kit.c tests/unit/config_kit.h
CONFIG_TEST_LIBS = $(TEST_LIBS) $(COMMON_LIBS)

check_PROGRAMS += tests/unit/test_toml tests/unit/test_template tests/unit/test_config \
	tests/unit/test_config_rules tests/unit/test_config_table tests/unit/test_config_load \
	tests/unit/test_config_robust

tests_unit_test_toml_SOURCES = tests/unit/test_toml.c
tests_unit_test_toml_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_toml_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_template_SOURCES = tests/unit/test_template.c
tests_unit_test_template_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_template_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_config_SOURCES = tests/unit/test_config.c $(CONFIG_TEST_KIT)
tests_unit_test_config_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_config_rules_SOURCES = tests/unit/test_config_rules.c $(CONFIG_TEST_KIT)
tests_unit_test_config_rules_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_rules_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_config_table_SOURCES = tests/unit/test_config_table.c $(CONFIG_TEST_KIT)
tests_unit_test_config_table_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_table_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_config_load_SOURCES = tests/unit/test_config_load.c $(CONFIG_TEST_KIT)
tests_unit_test_config_load_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_load_LDADD = $(CONFIG_TEST_LIBS)

tests_unit_test_config_robust_SOURCES = tests/unit/test_config_robust.c $(CONFIG_TEST_KIT)
tests_unit_test_config_robust_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_robust_LDADD = $(CONFIG_TEST_LIBS)

EXTRA_DIST += tests/unit/data/config/bronze.toml tests/unit/data/config/full.toml
