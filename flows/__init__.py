"""The story, told as Prefect flows."""
