"""Everything that pages and the command line can ask for: plain data in, plain data out."""
