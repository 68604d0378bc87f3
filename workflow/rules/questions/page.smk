"""What the rules of ../page.smk ask the configuration; no rules here."""
