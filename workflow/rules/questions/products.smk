"""What the rules of ../products.smk ask the configuration; no rules here."""
