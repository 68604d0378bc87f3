"""What the rules of ../exports.smk ask the configuration; no rules here."""
