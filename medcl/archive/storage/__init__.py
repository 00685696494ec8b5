"""Files as they are stored: folders, object storage, zip and tar, gzip, and kinds of files by their bytes."""
