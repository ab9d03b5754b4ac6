-- A mark's plays are in its row, the latest first: [identifier, watched_at, day_only] each. They are
-- read and changed with their mark, and a table of their own made every mark dearer.
ALTER TABLE marks ADD COLUMN plays MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin;
-- A thousand plays are 60 KB.
SET SESSION group_concat_max_len = 1048576;
UPDATE marks SET plays = (
    SELECT CONCAT('[', COALESCE(GROUP_CONCAT('["', id, '",', watched_at, ',', day_only, ']'
        ORDER BY watched_at DESC, id DESC SEPARATOR ','), ''), ']')
    FROM plays WHERE plays.user_id = marks.user_id AND plays.movie_id = marks.movie_id);
ALTER TABLE marks MODIFY plays MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL;
DROP TABLE plays;
