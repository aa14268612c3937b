"""Measuring: config, plan, worker process, what is measured, records, store, statistics, backends, command line."""
