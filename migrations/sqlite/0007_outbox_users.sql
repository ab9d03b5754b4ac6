-- An index by user would change a page of its own for every mark; this one grows at its end. Who is
-- deleted is looked for in all of it.
DROP INDEX outbox_user;
CREATE INDEX outbox_users ON outbox (id, user_id);
