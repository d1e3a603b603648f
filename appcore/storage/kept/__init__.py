"""What is kept in the table `meta`, a text for each key."""
