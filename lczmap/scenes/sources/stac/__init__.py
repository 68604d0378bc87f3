"""STAC archives: search an API or a catalogue on disk, read windows of its files."""
