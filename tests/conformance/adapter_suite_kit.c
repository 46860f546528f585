/* SPDX-License-Identifier: Apache-2.0 */
/* A table of orders, in the source of the fixture; see adapter_suite_kit.h. */
#include "config.h"

#include "tests/conformance/adapter_suite_kit.h"

const struct adapter_fixture *seam_fixture;

static const char orders[] =
    "CREATE TABLE orders(id INTEGER, name TEXT, _fivetran_synced TEXT);"
    "INSERT INTO orders VALUES(1, 'a', '2026-01-01T00:00:00Z'), (2, 'b', '2026-01-02T00:00:00Z'),"
    " (3, 'c', '2026-01-02T00:00:00Z');";

void seam_open_with_orders(struct adapter_world *world)
{
    seam_fixture->exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, orders);
    adapter_world_open(world, seam_fixture, 2000);
}

void seam_expect_orders(struct adapter_world *world)
{
    adapter_expect_same(world, "orders", "id, name, _fivetran_synced");
}

void seam_done(struct rky_copy_outcome outcome)
{
    rky_copy_outcome_done(&outcome);
}
