"""Import and export of files: bundles, backups, tables, model files, reports."""
