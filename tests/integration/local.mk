# SPDX-License-Identifier: Apache-2.0
# The programs against a real Kafka.
EXTRA_DIST += tests/integration/lib.sh
dist_check_SCRIPTS += tests/integration/job_twice.t tests/integration/dead_letters.t \
	tests/integration/two_workers.t tests/integration/drain.t tests/integration/producer.t \
	tests/integration/waiting.t tests/integration/frozen.t

# The S3 stand-in of the tests against a real S3 server.
dist_check_SCRIPTS += tests/integration/s3_standin.t
