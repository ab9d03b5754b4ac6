-- How often the event has been published: a repetition on request is another message to the bus.
ALTER TABLE outbox ADD COLUMN times_published INT NOT NULL DEFAULT 0;
-- The announcements of accounts that are gone, so that their reports can be looked for.
CREATE INDEX outbox_erased ON outbox (created_at) WHERE kind = 'erased';
