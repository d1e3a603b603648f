"""Elements that several pages draw: charts, players, downloads, lists of runs."""
