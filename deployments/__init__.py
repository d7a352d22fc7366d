"""Ways to run it: the worker, the stack, the sandbox, the command line."""
