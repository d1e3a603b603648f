"""Tables and numbers of finished or running runs: numpy and pandas; no torch and no store."""
