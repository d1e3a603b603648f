"""Elements that several pages draw: charts, playback, downloads, lists of runs."""
