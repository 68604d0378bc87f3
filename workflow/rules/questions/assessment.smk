"""What the rules of ../assessment.smk ask the configuration; no rules here."""
