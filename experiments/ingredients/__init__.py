"""What was tried and did not stay: registered under names that settings can choose.

`import ingredients` from a script in `experiments/`; nothing in `helpers` knows these.
"""

from ingredients import assemblies, losses, networks, scenes, views

__all__ = ["assemblies", "losses", "networks", "scenes", "views"]
