"""Seeds on a CT taken after the implant: found, told apart, listed for a person to settle."""

from template_designer.postplan.seeds_on_ct.find import STEPS, find_seeds
from template_designer.postplan.seeds_on_ct.found import FoundSeed, FoundSeeds, SeedState

__all__ = ["STEPS", "FoundSeed", "FoundSeeds", "SeedState", "find_seeds"]
