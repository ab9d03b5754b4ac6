-- Events that were put aside are listed in order of id.
CREATE INDEX outbox_buried ON outbox (state, id) WHERE state = 2;
