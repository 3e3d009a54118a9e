"""A run on disk: settings, paths, transcript, record, tables, events, observers, redaction, MLflow mirror."""
