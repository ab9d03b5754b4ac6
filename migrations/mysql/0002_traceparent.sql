-- The trace (W3C traceparent) of the request that committed the event.
ALTER TABLE outbox ADD COLUMN traceparent CHAR(55) CHARACTER SET ascii COLLATE ascii_bin;
