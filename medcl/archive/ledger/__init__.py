"""Accounting for every file: examines headers, remembers outcomes, writes the rows of catalog and ledger."""
