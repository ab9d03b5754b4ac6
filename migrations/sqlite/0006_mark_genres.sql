-- A mark's genres are in its row: a second place made every mark dearer and no question cheaper.
DROP TABLE mark_genres;
