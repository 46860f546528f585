# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += docs/man/rocky.1 docs/man/rocky-worker.1 docs/man/rocky-producer.1 \
	docs/man/rocky.toml.5 docs/man/rocky-messages.7
EXTRA_DIST += docs/man/refresh docs/reliability.md docs/replication.md docs/state.md
