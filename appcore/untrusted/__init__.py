"""Files from untrusted sources: read entry by entry, with size limits."""
