-- SPDX-License-Identifier: Apache-2.0
-- Schema version 1 of the ledger. A released migration is never edited: a change is the next file,
-- and it only adds. Times are microseconds since 1970-01-01 UTC; text compares as bytes.

CREATE TABLE meta (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    namespace  TEXT    NOT NULL,
    lineage    TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    write_id   TEXT    NOT NULL,
    fence      INTEGER NOT NULL
) STRICT;

CREATE TABLE watermarks (
    table_name    TEXT    NOT NULL PRIMARY KEY,
    cursor_column TEXT,
    cursor_type   TEXT,
    value         TEXT,
    high_value    TEXT,
    commit_id     TEXT,
    run_id        TEXT,
    job_id        TEXT,
    source        TEXT    NOT NULL,
    pipeline      TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
    table_name TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    reason     TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (table_name, seq)
) STRICT, WITHOUT ROWID;

-- The tables that have row counts. Points with seq < baseline do not count any more.
CREATE TABLE counted_tables (
    id         INTEGER PRIMARY KEY,
    table_name TEXT    NOT NULL UNIQUE,
    baseline   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row count per run, seq rising by one within a table. Clustered by table, so that a run over
-- thousands of tables touches one page of each.
CREATE TABLE check_history (
    table_id  INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    anomalous INTEGER NOT NULL,
    run_id    TEXT,
    findings  TEXT,
    PRIMARY KEY (table_id, seq)
) STRICT, WITHOUT ROWID;

-- seq is the order of recording in runs, jobs and audit: retention cuts at the low end by it.
CREATE TABLE runs (
    seq           INTEGER PRIMARY KEY,
    run_id        TEXT    NOT NULL UNIQUE,
    kind          TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    pipeline      TEXT    NOT NULL,
    plan_id       TEXT,
    job_id        TEXT,
    started_by    TEXT,
    worker_id     TEXT,
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER NOT NULL,
    tables_copied INTEGER NOT NULL,
    tables_failed INTEGER NOT NULL,
    rows_copied   INTEGER NOT NULL
) STRICT;

-- A finished job and the outbox in one: what a redelivery is answered with, byte for byte. The
-- long columns stand last, so that a look-up by key does not walk through them.
CREATE TABLE jobs (
    seq             INTEGER PRIMARY KEY,
    job_id          TEXT    NOT NULL UNIQUE,
    type            TEXT    NOT NULL,
    body_sha256     TEXT    NOT NULL,
    params_sha256   TEXT    NOT NULL,
    idempotency_key TEXT,
    status          TEXT    NOT NULL,
    duplicate_of    TEXT,
    finished_at     INTEGER NOT NULL,
    result          TEXT    NOT NULL,
    events          TEXT    NOT NULL
) STRICT;

-- Only a success or partial satisfies an idempotency key.
CREATE INDEX jobs_by_key ON jobs (type, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status IN ('success', 'partial');

CREATE TABLE plans (
    plan_id        TEXT    NOT NULL PRIMARY KEY,
    pipeline       TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    applied_at     INTEGER,
    applied_run_id TEXT,
    display        TEXT    NOT NULL,
    payload        TEXT    NOT NULL
) STRICT;

CREATE INDEX plans_by_expiry ON plans (expires_at);

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    action    TEXT    NOT NULL,
    subject   TEXT,
    old_value TEXT,
    new_value TEXT,
    actor     TEXT
) STRICT;
