-- A mark's plays are in its row, the latest first: [identifier, watched_at, day_only] each. They are
-- read and changed with their mark, and a table of their own made every mark dearer.
ALTER TABLE marks ADD COLUMN plays TEXT NOT NULL DEFAULT '[]';
UPDATE marks SET plays = (
    SELECT json_group_array(json_array(id, watched_at, day_only) ORDER BY watched_at DESC, id DESC)
    FROM plays WHERE plays.user_id = marks.user_id AND plays.movie_id = marks.movie_id);
DROP TABLE plays;
