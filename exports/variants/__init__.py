"""Ways to set a runtime up that its users may choose, one file each: measured beside its defaults, never for them."""
