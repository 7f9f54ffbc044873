"""The register: what the makers of components say of their future, and facts of adoption. Data, read by `core.upkeep`.

To renew an entry, read its source again, correct what has changed, and write the day into `checked_on`: after 90 days
without, it counts as unknown.
"""
