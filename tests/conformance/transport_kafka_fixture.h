/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transports of the Kafka driver for tests: a queue configuration in memory and the transport on
 * it.
 */
#ifndef RKY_TESTS_CONFORMANCE_TRANSPORT_KAFKA_FIXTURE_H
#define RKY_TESTS_CONFORMANCE_TRANSPORT_KAFKA_FIXTURE_H

#include "transport/transport.h"

/** @brief Queue settings as rocky.toml would give them; the properties end with a NULL name.
 *  @return owned; free with rky_test_queue_free(). */
struct rky_queue_config *rky_test_queue(const char *brokers, const char *prefix,
                                        const struct rky_kafka_property *properties);
void rky_test_queue_free(struct rky_queue_config *queue);
/** @brief A transport of these settings; fails the test when it cannot. */
struct rky_transport *rky_test_kafka_open(const struct rky_queue_config *queue);

/** @brief As a fixture: settings and transport in one, closed together. */
struct rky_transport *rky_test_kafka_at(const char *brokers, const char *prefix);
void rky_test_kafka_close(struct rky_transport *transport);
/** @brief On a port where nobody listens. */
struct rky_transport *rky_test_kafka_unreachable(const char *prefix);

#endif
