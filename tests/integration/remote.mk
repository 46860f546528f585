# SPDX-License-Identifier: Apache-2.0
# Remote state, end to end: the programs against Kafka, S3 and Valkey.
EXTRA_DIST += tests/integration/remote_lib.sh
dist_check_SCRIPTS += tests/integration/remote_pods.t \
	tests/integration/remote_reply_lost.t tests/integration/remote_clock.t \
	tests/integration/remote_policy.t tests/integration/remote_breaker.t \
	tests/integration/remote_two_owners.t tests/integration/remote_zombie.t \
	tests/integration/remote_interleavings.t tests/integration/remote_events.t \
	tests/integration/remote_refused.t tests/integration/remote_drain.t \
	tests/integration/remote_keys.t

# What all of them print and publish.
dist_check_SCRIPTS += tests/integration/secrets.t
