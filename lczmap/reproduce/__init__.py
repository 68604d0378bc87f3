"""Papers' tables on So2Sat LCZ42: what their rows are, one run of a row, and the report beside the paper's figures."""
