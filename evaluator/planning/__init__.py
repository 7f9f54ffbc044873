"""What to do: scenarios, plug-ins and machines in, steps out."""
