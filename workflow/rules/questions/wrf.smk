"""What the rules of ../wrf.smk ask the configuration; no rules here."""
