"""The ledger: tables, the wire, and the hand-over to Prefect."""
