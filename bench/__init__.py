"""Evidence that fweval's numbers hold: `make bench`. A benchmark with goals, no test; one file per question.

What was reached is kept in docs/bench.json and shown in docs/bench.md. Goals are ratios: no time is expected anywhere.
"""
