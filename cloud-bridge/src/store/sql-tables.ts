/** The database of a cloud: tables, indexes, triggers and the view for people. */
export const TABLES = `
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  gateway TEXT NOT NULL,
  verifier BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE gateways (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  sign_key BLOB NOT NULL,
  agree_key BLOB NOT NULL,
  enrolled_at INTEGER NOT NULL,
  last_seen INTEGER,
  incarnation_id INTEGER,
  software TEXT,
  parts INTEGER NOT NULL DEFAULT 0,
  forks INTEGER NOT NULL DEFAULT 0,
  poisoned INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, name)
) STRICT;

CREATE TABLE incarnations (
  id INTEGER PRIMARY KEY,
  gateway_id INTEGER NOT NULL REFERENCES gateways (id),
  incarnation BLOB NOT NULL,
  first_seen INTEGER NOT NULL,
  hello_number INTEGER NOT NULL DEFAULT -1,
  UNIQUE (gateway_id, incarnation)
) STRICT;

-- Tickets of the newest HELLOs (merge/tickets.ts). fate: shown, given or passed.
CREATE TABLE tickets (
  incarnation_id INTEGER NOT NULL REFERENCES incarnations (id),
  number INTEGER NOT NULL,
  nonce BLOB NOT NULL,
  -- The process that it was handed to; of the one that was shown, the process that showed it first.
  session INTEGER NOT NULL,
  fate TEXT NOT NULL,
  PRIMARY KEY (incarnation_id, number, nonce)
) STRICT, WITHOUT ROWID;

-- lowest, sealed and missing are what the newest HELLO claimed and what of it has not arrived.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  incarnation_id INTEGER NOT NULL REFERENCES incarnations (id),
  name TEXT NOT NULL,
  lowest INTEGER,
  sealed INTEGER,
  missing INTEGER NOT NULL DEFAULT 0,
  UNIQUE (incarnation_id, name)
) STRICT;

CREATE TABLE series (
  gateway_id INTEGER NOT NULL,
  incarnation_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  unit TEXT,
  -- What measures it, and since when; since when nothing more is expected of it; number of the series that it goes on from.
  sensor TEXT,
  sensor_since INTEGER,
  retired INTEGER,
  continues INTEGER,
  block INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, incarnation_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_by_name ON series (gateway_id, name);

-- Parts by time: what closes together comes together and lies together, so that a transaction writes few pages, and a
-- part takes 63 bytes. One series is read by a seek for each window.
CREATE TABLE parts (
  stream_id INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  series INTEGER NOT NULL,
  part INTEGER NOT NULL,
  summary BLOB NOT NULL,
  PRIMARY KEY (stream_id, window_start, series, part)
) STRICT, WITHOUT ROWID;

-- Where the windows of a series begin and end, in steps of 256 windows: first and last are starts of such a step.
CREATE TABLE extents (
  stream_id INTEGER NOT NULL,
  series INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (stream_id, series)
) STRICT, WITHOUT ROWID;

-- What coarse parts say, as ordinary columns.
CREATE TABLE figures (
  stream_id INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  series INTEGER NOT NULL,
  part INTEGER NOT NULL,
  count INTEGER NOT NULL,
  numbers INTEGER NOT NULL,
  -- Null where no number said one, and where they said different ones: then numbers is 0.
  unit TEXT,
  sum TEXT NOT NULL,
  squares TEXT NOT NULL,
  min REAL,
  max REAL,
  first_time INTEGER,
  first_number REAL,
  first_text TEXT,
  last_time INTEGER,
  last_number REAL,
  last_text TEXT,
  anomalies INTEGER NOT NULL,
  uncertain INTEGER NOT NULL,
  bad INTEGER NOT NULL,
  -- Of switches and words: how often the state changed, and [{"state": …, "milliseconds": …}] (docs/summaries.md).
  changes INTEGER,
  states TEXT,
  PRIMARY KEY (stream_id, window_start, series, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts (
  stream_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  digest BLOB NOT NULL,
  committed_at INTEGER NOT NULL,
  PRIMARY KEY (stream_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE poison (
  stream_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  gateway_id INTEGER NOT NULL,
  digest BLOB NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (stream_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX poison_by_gateway ON poison (gateway_id, seen_at);

CREATE TABLE alert_revisions (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway_id INTEGER NOT NULL,
  alert_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  committed_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  digest BLOB NOT NULL,
  UNIQUE (gateway_id, alert_id, revision)
) STRICT;

CREATE TABLE alerts (
  gateway_id INTEGER NOT NULL,
  alert_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  series TEXT NOT NULL,
  state TEXT NOT NULL,
  severity TEXT NOT NULL,
  kind TEXT NOT NULL,
  time INTEGER NOT NULL,
  closed INTEGER,
  value TEXT NOT NULL,
  expected TEXT,
  unit TEXT,
  text TEXT NOT NULL,
  committed_at INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, alert_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_by_cursor ON alerts (cursor);
CREATE INDEX alerts_by_time ON alerts (time, cursor);
CREATE INDEX alerts_by_gateway ON alerts (gateway_id, time, cursor);
CREATE INDEX alerts_open ON alerts (gateway_id) WHERE state = 'open';

CREATE TABLE documents (
  gateway_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  wall INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  writer TEXT NOT NULL,
  applied INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (gateway_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE forks (
  gateway_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  digest BLOB NOT NULL,
  body BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, kind, key, digest)
) STRICT, WITHOUT ROWID;

-- What gateways say they gave up or lost: all losses of one kind whose sequence numbers lie in first..last.
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY,
  gateway_id INTEGER NOT NULL,
  incarnation_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  cause TEXT NOT NULL,
  what TEXT NOT NULL,
  stream TEXT,
  coarsest INTEGER,
  count INTEGER,
  at INTEGER NOT NULL,
  time_from INTEGER NOT NULL,
  time_to INTEGER NOT NULL,
  detail TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  UNIQUE (incarnation_id, kind, first)
) STRICT;
CREATE INDEX gaps_by_gateway ON gaps (gateway_id, at);

-- Numbers of blocks that will never come, as ranges.
CREATE TABLE gap_blocks (
  stream_id INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  gap_id INTEGER NOT NULL,
  PRIMARY KEY (stream_id, first, gap_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX gap_blocks_by_gap ON gap_blocks (gap_id);

-- How many readings the parts of a stream hold, by series: running sums, 128 series in a row (sqlite-held.ts).
CREATE TABLE held (
  stream_id INTEGER NOT NULL,
  page INTEGER NOT NULL,
  counts BLOB NOT NULL,
  PRIMARY KEY (stream_id, page)
) STRICT, WITHOUT ROWID;

-- Parts that were changed or deleted by whomever: the sums learn of it at the next comparison.
CREATE TABLE part_changes (
  id INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL,
  series INTEGER NOT NULL,
  gained INTEGER NOT NULL,
  summary BLOB NOT NULL
) STRICT;
CREATE INDEX part_changes_by_stream ON part_changes (stream_id);
CREATE TRIGGER part_deleted AFTER DELETE ON parts BEGIN
  INSERT INTO part_changes (stream_id, series, gained, summary) VALUES (old.stream_id, old.series, 0, old.summary);
END;
CREATE TRIGGER part_updated AFTER UPDATE ON parts BEGIN
  INSERT INTO part_changes (stream_id, series, gained, summary) VALUES (old.stream_id, old.series, 0, old.summary);
  INSERT INTO part_changes (stream_id, series, gained, summary) VALUES (new.stream_id, new.series, 1, new.summary);
END;

-- What a gateway claims to have become of the readings of some series of a stream, and how it compared.
CREATE TABLE claims (
  stream_id INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  frame INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  differing INTEGER NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (stream_id, first)
) STRICT, WITHOUT ROWID;

-- For people with SQL and dashboards: one row for each part of an hour or coarser, with names.
CREATE VIEW series_parts AS
  SELECT gateways.tenant, gateways.name AS gateway, series.name AS series, series.kind,
    rtrim(rtrim(streams.name, '0123456789'), '/') AS purpose,
    CAST(substr(streams.name, length(rtrim(streams.name, '0123456789')) + 1) AS INTEGER) AS resolution,
    figures.window_start, streams.incarnation_id, figures.part,
    figures.count, figures.numbers, figures.unit, figures.sum, figures.squares, figures.min, figures.max,
    figures.first_time, figures.first_number, figures.first_text,
    figures.last_time, figures.last_number, figures.last_text,
    figures.anomalies, figures.uncertain, figures.bad, figures.changes, figures.states
  FROM figures
  JOIN streams ON streams.id = figures.stream_id
  JOIN incarnations ON incarnations.id = streams.incarnation_id
  JOIN gateways ON gateways.id = incarnations.gateway_id
  JOIN series ON series.gateway_id = gateways.id AND series.incarnation_id = incarnations.id
    AND series.number = figures.series;
`;
