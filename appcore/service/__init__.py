"""What pages and the command line may ask: plain data in, plain data out."""
