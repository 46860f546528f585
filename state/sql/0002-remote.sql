-- SPDX-License-Identifier: Apache-2.0
-- Schema version 2 of the ledger: what tells versions of one state apart once it lives elsewhere.

-- Write ids this content derives from, newest first, separated by one space; at most 16.
ALTER TABLE meta ADD COLUMN ancestors TEXT NOT NULL DEFAULT '';
-- The oldest schema version whose program understands the content.
ALTER TABLE meta ADD COLUMN min_reader_version INTEGER NOT NULL DEFAULT 1;

-- Two trails are united by what was done to what at which time.
CREATE INDEX audit_by_time ON audit (at);
