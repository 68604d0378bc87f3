"""What the rules of ../heat.smk ask the configuration; no rules here."""
