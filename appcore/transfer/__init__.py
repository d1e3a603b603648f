"""Files in and out: bundles, backups, tables, model files, reports."""
