"""Where things are kept: the database and blobs."""
