"""What strangers made: read entry by entry, with caps."""
