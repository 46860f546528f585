/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that concern several keys: names, namespaces, components, templates, columns, overrides,
 * Kafka properties, addresses, references. The exact text that people see, one row per kind.
 */
#include "config.h"

#include <stdlib.h>

#include "tests/kit/check_main.h"
#include "tests/unit/config_kit.h"

/* Lines 4 to 6 behind WAREHOUSE, with components of the row's own in line 5. */
#define WITH_COMPONENTS(list)                                                                   \
    WAREHOUSE "[pipeline.p]\nsource = { catalog = \"c\", schema_pattern = { components = " list \
              " } }\n" TARGET
/* Templates of the row's own in line 6. */
#define WITH_TEMPLATES(catalog, schema)                                          \
    WAREHOUSE "[pipeline.p]\n" SOURCE "target = { catalog_template = \"" catalog \
              "\", schema_template = \"" schema "\" }\n"
#define NAMED(name) WAREHOUSE "[pipeline." name "]\n" SOURCE TARGET
#define GRAMMAR \
    " (a letter or '_', then letters, digits and '_'; '...' at the end for several values)\n"
#define VALKEY_URL(what)                                                                       \
    "c.toml:8:14: state.valkey_url: " what " (expected valkey://[user:password@]host[:port]"   \
    "[/database], valkeys:// for TLS, or unix://[user:password@]/path[?db=N]; percent-encode " \
    "'@', "                                                                                    \
    "':', '/', '?', '#' and '%' in user and password)\n"
#define MAKE_KEY " (make one with 'openssl rand -hex 32' and keep a copy of it)\n"
#define CATALOG "c.toml:6:31: pipeline.p.target.catalog_template: "

static const struct problem_row ROWS[] = {
    /* names and namespaces */
    {"a name with a space needs a namespace", NAMED("\"Bronze 1\""),
     "c.toml:4:1: pipeline.\"Bronze 1\".namespace: required key 'namespace' is missing: the "
     "pipeline's name is no namespace (namespaces are [a-z0-9] and then at most 62 of "
     "[a-z0-9_-])\n"},
    {"and is fine with one", NAMED("\"Bronze 1\"") "namespace = \"bronze-1\"\n", ""},
    {"or with namespace_from", NAMED("\"Bronze 1\"") "namespace_from = \"client\"\n", ""},
    {"a name that is none", NAMED("\"a/b\"") "namespace = \"x\"\n",
     "c.toml:4:1: pipeline.\"a/b\": not a pipeline name: 'a/b' (a letter or digit, then at most "
     "127 letters, digits, '_', '.', '-' and spaces)\n"},
    {"a namespace that is none", PIPELINE "namespace = \"../x\"\n",
     "c.toml:7:13: pipeline.p.namespace: expected [a-z0-9] and then at most 62 of [a-z0-9_-], "
     "found '../x'\n"},
    {"namespace and namespace_from", PIPELINE "namespace = \"x\"\nnamespace_from = \"client\"\n",
     "c.toml:7:13: pipeline.p.namespace: 'namespace' and 'namespace_from' exclude each other "
     "(remove one of them)\n"},
    {"namespace_from several values", PIPELINE "namespace_from = \"regions\"\n",
     "c.toml:7:18: pipeline.p.namespace_from: component 'regions' has several values and cannot be "
     "a namespace (choose a component without '...')\n"},
    {"namespace_from nothing", PIPELINE "namespace_from = \"clint\"\n",
     "c.toml:7:18: pipeline.p.namespace_from: 'clint' is no component of the schema pattern\n"},
    {"two pipelines in one namespace", PIPELINE "[pipeline.q]\nnamespace = \"p\"\n" SOURCE TARGET,
     "c.toml:8:13: warning: pipeline.q.namespace: pipelines 'p' and 'q' have the namespace 'p' "
     "(their jobs run one after the other and share one state)\n"},

    /* schema pattern */
    {"no components", WITH_COMPONENTS("[]"),
     "c.toml:5:59: pipeline.p.source.schema_pattern.components: must name at least one component "
     "(e.g. [\"client\", \"regions...\", \"connector\"])\n"},
    {"a component that is no name", WITH_COMPONENTS("[\"a-b\"]"),
     "c.toml:5:60: pipeline.p.source.schema_pattern.components[0]: not a component name: "
     "'a-b'" GRAMMAR},
    {"a component that begins with a digit", WITH_COMPONENTS("[\"a\", \"1b\"]"),
     "c.toml:5:65: pipeline.p.source.schema_pattern.components[1]: not a component name: "
     "'1b'" GRAMMAR},
    {"a component that is dots only", WITH_COMPONENTS("[\"...\"]"),
     "c.toml:5:60: pipeline.p.source.schema_pattern.components[0]: not a component name: "
     "'...'" GRAMMAR},
    {"a reserved component", WITH_COMPONENTS("[\"table\"]"),
     "c.toml:5:60: pipeline.p.source.schema_pattern.components[0]: reserved component name "
     "'table'\n"},
    {"a reserved component with several values", WITH_COMPONENTS("[\"id...\"]"),
     "c.toml:5:60: pipeline.p.source.schema_pattern.components[0]: reserved component name "
     "'id...'\n"},
    {"a component twice", WITH_COMPONENTS("[\"a\", \"a...\"]"),
     "c.toml:5:65: pipeline.p.source.schema_pattern.components[1]: the same component again: "
     "'a...'\n"},
    {"two components with several values", WITH_COMPONENTS("[\"a...\", \"b...\"]"),
     "c.toml:5:68: pipeline.p.source.schema_pattern.components[1]: a second component with several "
     "values: 'b...' (only one may end in '...')\n"},
    {"an empty separator",
     WAREHOUSE "[pipeline.p]\nsource = { catalog = \"c\", schema_pattern = { separator = \"\", "
               "components = [\"a\"] } }\n" TARGET,
     "c.toml:5:58: pipeline.p.source.schema_pattern.separator: must not be empty\n"},
    {"an empty prefix",
     WAREHOUSE "[pipeline.p]\nsource = { catalog = \"c\", schema_pattern = { prefix = \"\", "
               "components = [\"a\"] } }\n" TARGET,
     ""},

    /* templates */
    {"placeholders that are known", WITH_TEMPLATES("{client}", "{{x}}_{regions:_}_{regions:}"), ""},
    {"an unknown placeholder", WITH_TEMPLATES("{clint}", "s"),
     CATALOG "unknown placeholder '{clint}' (known are {client}, {regions})\n"},
    {"an open brace", WITH_TEMPLATES("c", "x{client"),
     "c.toml:6:54: pipeline.p.target.schema_template: a '{' has no '}' behind it (write '{{' for a "
     "literal brace)\n"},
    {"a closing brace", WITH_TEMPLATES("c}", "x"),
     CATALOG "a '}' has no '{' before it (write '}}' for a literal brace)\n"},
    {"an empty placeholder", WITH_TEMPLATES("{}", "x"),
     CATALOG "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{}' (write '{{' for a "
             "literal brace)\n"},
    {"a placeholder with a space", WITH_TEMPLATES("{client }", "x"),
     CATALOG "expected a placeholder '{name}' or '{name:SEPARATOR}', found '{client }' (write '{{' "
             "for a literal brace)\n"},

    /* columns, overrides, checks */
    {"a reserved column",
     PIPELINE "metadata_columns = [{ name = \"_Rocky_id\", type = \"TEXT\", value = \"1\" }]\n",
     "c.toml:7:30: pipeline.p.metadata_columns[0].name: names that begin with '_rocky' are "
     "reserved, found '_Rocky_id'\n"},
    {"a column twice",
     PIPELINE "metadata_columns = [{ name = \"a\", type = \"T\", value = \"1\" },\n"
              "  { name = \"A\", type = \"T\", value = \"1\" }]\n",
     "c.toml:8:12: pipeline.p.metadata_columns[1].name: a second column with the name 'A'\n"},
    {"a pattern without a schema", PIPELINE "[pipeline.p.table.orders]\nenabled = false\n",
     "c.toml:7:1: warning: pipeline.p.table.orders: pattern 'orders' matches no table: it is "
     "compared with 'schema.table' (write table.\"schema.table\", or table.\"*.table\" for every "
     "schema)\n"},
    {"a pattern that was not quoted", PIPELINE "[pipeline.p.table.raw.orders]\nenabled = false\n",
     "c.toml:7:1: warning: pipeline.p.table.raw: pattern 'raw' matches no table: it is compared "
     "with 'schema.table' (write table.\"schema.table\", or table.\"*.table\" for every schema)\n"
     "c.toml:7:23: pipeline.p.table.raw.orders: unknown key 'orders' (known here: strategy, "
     "timestamp_column, unique_key, boundary, lookback_seconds, null_cursor, enabled, checks)\n"},
    {"checks that are not enabled", PIPELINE "[pipeline.p.checks]\nrow_count = true\n",
     "c.toml:7:1: warning: pipeline.p.checks: checks are written but not enabled (add 'enabled = "
     "true')\n"},
    {"checks that are off on purpose", PIPELINE "checks = { enabled = false, row_count = true }\n",
     ""},

    /* state, queue, worker */
    {"another kind of address", PIPELINE "[state]\nvalkey_url = \"http://:secret@h\"\n",
     "c.toml:8:14: state.valkey_url: expected an address that begins with valkey://, valkeys://, "
     "redis://, rediss:// or unix://\n"},
    {"an endpoint without scheme", PIPELINE "[state]\ns3_endpoint = \"minio:9000\"\n",
     "c.toml:8:15: state.s3_endpoint: expected an address that begins with http:// or https://\n"},
    {"an empty broker", PIPELINE "[queue]\nbrokers = \"a:9092,,b\"\n",
     "c.toml:8:11: queue.brokers: expected 'host:port,host:port', found 'a:9092,,b'\n"},
    {"a port that is none", PIPELINE "[queue]\nbrokers = \"a:90920\"\n",
     "c.toml:8:11: queue.brokers: expected 'host:port,host:port', found 'a:90920'\n"},
    {"brokers in every form", PIPELINE "[queue]\nbrokers = \"a, b:1, [::1]:2,[::1]\"\n", ""},
    {"a topic prefix with a space", PIPELINE "[queue]\ntopic_prefix = \"a b\"\n",
     "c.toml:8:16: queue.topic_prefix: expected at most 220 of [A-Za-z0-9._-], found 'a b'\n"},
    {"no replicas", PIPELINE "[queue]\nreplication_factor = 0\n",
     "c.toml:8:22: queue.replication_factor: expected -1 (the broker's default) or at least 1, "
     "found 0\n"},
    {"an address without port", PIPELINE "[worker]\nhttp_listen = \"127.0.0.1\"\n",
     "c.toml:8:15: worker.http_listen: expected 'host:port', found '127.0.0.1'\n"},

    /* state: what contradicts itself */
    {"a lease that nobody gives",
     PIPELINE "[state]\nbackend = \"s3\"\ns3_bucket = \"bucket\"\nlock.mode = \"require\"\n",
     "c.toml:10:13: state.lock.mode: 'require' needs a lease, and backend 's3' has none by itself "
     "(write s3 = true beside it, or take backend \"tiered\")\n"},
    {"a lease that nobody takes",
     PIPELINE
     "[state]\nbackend = \"s3\"\ns3_bucket = \"bucket\"\nlock = { mode = \"off\", s3 = true }\n",
     "c.toml:10:29: state.lock.s3: mode 'off' takes no lease (remove it)\n"},
    {"a key that is not used",
     PIPELINE "[state]\nbackend = \"s3\"\ns3_bucket = \"bucket\"\ns3_sse = "
              "\"AES256\"\ns3_kms_key_id = \"k\"\n",
     "c.toml:11:17: state.s3_kms_key_id: s3_sse = 'AES256' uses no key of yours (write s3_sse = "
     "\"aws:kms\", or remove the key)\n"},
    {"certificates without TLS",
     PIPELINE
     "[state]\nbackend = \"valkey\"\nvalkey_url = \"redis://h\"\nvalkey_ca_file = \"ca\"\n",
     "c.toml:10:18: state.valkey_ca_file: the address in valkey_url is one without TLS (write "
     "valkeys://, or remove the file)\n"},

    /* what an address, a name and a key must look like */
    {"a port that Valkey has not", PIPELINE "[state]\nvalkey_url = \"valkey://u:SESAME@h:70000\"\n",
     VALKEY_URL("the port is not a number from 1 to 65535")},
    {"a database that is no number", PIPELINE "[state]\nvalkey_url = \"redis://h:1/main\"\n",
     VALKEY_URL("the database is not a number")},
    {"a user without a password", PIPELINE "[state]\nvalkey_url = \"redis://SESAME@h\"\n",
     VALKEY_URL("there is a user but no password")},
    {"addresses that are right",
     PIPELINE "[state]\nvalkey_url = \"unix://u:p@/run/v.sock?db=3\"\ns3_bucket = \"Any_Name\"\n"
              "s3_endpoint = \"https://[::1]:9000/base/\"\ns3_region = \"some_where\"\n",
     ""},
    {"a login in the endpoint",
     PIPELINE "[state]\ns3_endpoint = \"http://key:SESAME@minio:9000\"\n",
     "c.toml:8:15: state.s3_endpoint: expected an address alone, found a user or password in it "
     "(leave them out: the keys come from the environment, a profile or a role)\n"},
    {"a query in the endpoint", PIPELINE "[state]\ns3_endpoint = \"http://minio/x?SESAME\"\n",
     "c.toml:8:15: state.s3_endpoint: expected no query and no '#' behind the address (write it as "
     "\"https://host\" or \"https://host:port\")\n"},
    {"a port that the endpoint has not",
     PIPELINE "[state]\ns3_endpoint = \"http://minio:90000/\"\n",
     "c.toml:8:15: state.s3_endpoint: expected a host and perhaps a port up to 65535 behind the "
     "scheme (write it as \"https://host\" or \"https://host:port\")\n"},
    {"an endpoint without a host", PIPELINE "[state]\ns3_endpoint = \"https:///bucket\"\n",
     "c.toml:8:15: state.s3_endpoint: expected a host and perhaps a port up to 65535 behind the "
     "scheme (write it as \"https://host\" or \"https://host:port\")\n"},
    {"an endpoint with a blank", PIPELINE "[state]\ns3_endpoint = \"http://minio :9000\"\n",
     "c.toml:8:15: state.s3_endpoint: expected an address, found a blank in it (write it as "
     "\"https://host\" or \"https://host:port\")\n"},
    {"a path for a bucket",
     PIPELINE "[state]\ns3_endpoint = \"http://minio\"\ns3_bucket = \"data/rocky\"\n",
     "c.toml:9:13: state.s3_bucket: expected the name of a bucket alone, found 'data/rocky' (a "
     "path belongs to s3_prefix)\n"},
    {"a blank for a bucket",
     PIPELINE "[state]\ns3_endpoint = \"http://minio\"\ns3_bucket = \" \"\n",
     "c.toml:9:13: state.s3_bucket: expected the name of a bucket without blanks, found ' '\n"},
    {"a directory for a bucket",
     PIPELINE "[state]\ns3_endpoint = \"http://minio\"\ns3_bucket = \"..\"\n",
     "c.toml:9:13: state.s3_bucket: expected the name of a bucket without blanks, found '..'\n"},
    {"a bucket too short for Amazon", PIPELINE "[state]\ns3_bucket = \"ab\"\n",
     "c.toml:8:13: state.s3_bucket: expected 3 to 63 of [a-z0-9.-], found 'ab' (of another server "
     "than Amazon's, s3_endpoint is needed, too)\n"},
    {"a bucket with a letter that Amazon never took", PIPELINE "[state]\ns3_bucket = \"a:b\"\n",
     "c.toml:8:13: state.s3_bucket: expected 3 to 63 of [a-z0-9.-], found 'a:b' (of another server "
     "than Amazon's, s3_endpoint is needed, too)\n"},
    {"a bucket of the early years", PIPELINE "[state]\ns3_bucket = \"Acme_State\"\n",
     "c.toml:8:13: warning: state.s3_bucket: expected 3 to 63 of [a-z0-9.-], found 'Acme_State' "
     "(only buckets that were made in us-east-1 before March 2018 may have another name)\n"},
    {"a region that Amazon cannot have", PIPELINE "[state]\ns3_region = \"eu_central_1\"\n",
     "c.toml:8:13: state.s3_region: expected a region's name such as 'eu-central-1', found "
     "'eu_central_1'\n"},
    {"a region that nobody can have",
     PIPELINE "[state]\ns3_endpoint = \"http://minio\"\ns3_region = \"eu/1\"\n",
     "c.toml:9:13: state.s3_region: expected a region's name such as 'eu-central-1', found "
     "'eu/1'\n"},
    {"a key that is too short", PIPELINE "[state]\nencryption_key = \"SESAME\"\n",
     "c.toml:8:18: state.encryption_key: expected 64 hex digits or base64 of 32 bytes, found 6 "
     "characters" MAKE_KEY},
    {"a key with other characters",
     PIPELINE "[state]\nencryption_key = "
              "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1SESAM\"\n",
     "c.toml:8:18: state.encryption_key: expected 64 hex digits or base64 of 32 bytes, found 64 "
     "characters, some of which are neither" MAKE_KEY},
    {"a key that is blank", PIPELINE "[state]\nencryption_key = \" \\n\"\n",
     "c.toml:8:18: state.encryption_key: expected 64 hex digits or base64 of 32 bytes, found 0 "
     "characters" MAKE_KEY},
    {"keys that are right",
     PIPELINE "[state]\nencryption_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\\n\"\n",
     ""},

    /* Kafka properties */
    {"a property of ours", PIPELINE "[queue.kafka]\nenable.auto.commit = true\n",
     "c.toml:8:13: queue.kafka.enable.auto.commit: 'enable.auto.commit' may not be set: an offset "
     "is committed only after its job's result was published (remove it)\n"},
    {"a property of ours in quotes", PIPELINE "[queue.kafka]\n\"acks\" = 1\n",
     "c.toml:8:1: queue.kafka.acks: 'acks' may not be set: a result counts as published only when "
     "all replicas have it (remove it)\n"},
    {"a property twice", PIPELINE "[queue.kafka]\n\"a.b\" = 1\na.b = 2\n",
     "c.toml:9:3: queue.kafka.a.b: 'a.b' is set twice, first in line 8\n"},
    {"an array as a property", PIPELINE "[queue.kafka]\na.b = [1]\n",
     "c.toml:8:7: queue.kafka.a.b: expected a string, a number, true or false, found an array\n"},
    {"a value for all properties", PIPELINE "[queue]\nkafka = 1\n",
     "c.toml:8:9: queue.kafka: expected a table, found an integer\n"},

    /* references */
    {"all missing variables",
     PIPELINE "timestamp_column = \"${RKY_NO_A}${RKY_NO_B}\"\nunique_key = [\"${RKY_NO_C}\"]\n",
     "c.toml:7:20: pipeline.p.timestamp_column: missing environment variable 'RKY_NO_A' (set it, "
     "or write a default: '${NAME:-default}')\n"
     "c.toml:7:20: pipeline.p.timestamp_column: missing environment variable 'RKY_NO_B' (set it, "
     "or write a default: '${NAME:-default}')\n"
     "c.toml:8:15: pipeline.p.unique_key[0]: missing environment variable 'RKY_NO_C' (set it, or "
     "write a default: '${NAME:-default}')\n"},
    {"a missing variable in a default that is used",
     PIPELINE "timestamp_column = \"${RKY_NO_A:-x${RKY_NO_B}}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: missing environment variable 'RKY_NO_B' (set it, "
     "or write a default: '${NAME:-default}')\n"},
    {"a reference without end", PIPELINE "timestamp_column = \"${HOME\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"a default without end", PIPELINE "timestamp_column = \"${RKY_NO_A:-x\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"a reference to nothing", PIPELINE "timestamp_column = \"${}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"an operator that is unknown", PIPELINE "timestamp_column = \"${HOME:?x}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"defaults within defaults without end of sense",
     PIPELINE "timestamp_column = \"${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"a file that is missing", PIPELINE "timestamp_column = \"${file:/nonexistent/x}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: '${file:PATH}': '/nonexistent/x' does not "
     "exist\n"},
    {"a file without a name", PIPELINE "timestamp_column = \"${file:}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected '${NAME}', '${NAME:-default}' or "
     "'${file:PATH}' after '${' (write '$${' for a literal '${')\n"},
    {"an empty value", PIPELINE "timestamp_column = \"${RKY_NO_A:-}\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: must not be empty\n"},
    {"a value that is no integer", PIPELINE "lookback_seconds = \"${RKY_NO_A:-soon}\"\n",
     "c.toml:7:20: pipeline.p.lookback_seconds: expected an integer, found 'soon'\n"},
    {"a value that is no boolean", PIPELINE "execution.fail_fast = \"${RKY_NO_A:-yes}\"\n",
     "c.toml:7:23: pipeline.p.execution.fail_fast: expected true or false, found 'yes'\n"},
    {"a value out of range", PIPELINE "execution.concurrency = \"${RKY_NO_A:-999}\"\n",
     "c.toml:7:25: pipeline.p.execution.concurrency: expected 1 to 256, found 999\n"},
    {"a value cannot become structure",
     PIPELINE "timestamp_column = \"${RKY_NO_A:-x' = 1 }\\n[state]}\"\n", ""},
};

START_TEST(test_a_broken_rule_is_told_with_its_place)
{
    check_problem_row(&ROWS[_i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("config rules");
    TCase *tcase = tcase_create("rules");
    tcase_add_loop_test(tcase, test_a_broken_rule_is_told_with_its_place, 0,
                        (int)(sizeof(ROWS) / sizeof(ROWS[0])));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
