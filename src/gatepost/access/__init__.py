"""Own allow and deny lists: entries, the file formats they come in, and the table that is asked."""
