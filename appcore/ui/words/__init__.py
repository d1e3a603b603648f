"""Display texts: words, numbers and units for users."""
