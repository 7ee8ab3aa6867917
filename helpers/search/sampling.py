"""Which settings are tried next, and which training is given up."""

import numpy as np
import optuna

from helpers.settings import TrainingSettings


class Sampler(optuna.samplers.BaseSampler):
    """Optuna's tree-structured Parzen estimator, seeded anew for each trial by its number.

    So what is tried depends on the seed and on the trials before, not on which worker asks or how
    often it was started. Trial 0 is the base settings as far as the space allows them, so that the
    winner is not worse than they are.

    Args:
        seed: >= 0.
        first: values of trial 0; those that are missing are drawn.

    Reference: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011.
    """

    def __init__(self, seed: int, first: dict):
        self.seed, self.first = seed, first

    def before_trial(self, study, trial):
        seed = np.random.SeedSequence([self.seed, trial.number]).generate_state(1)
        self.estimator = optuna.samplers.TPESampler(seed=int(seed[0]))

    def infer_relative_search_space(self, study, trial):
        return self.estimator.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self.estimator.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        if trial.number == 0 and param_name in self.first:
            return self.first[param_name]
        return self.estimator.sample_independent(study, trial, param_name, param_distribution)


def pruner(base: TrainingSettings, measure: str) -> optuna.pruners.BasePruner:
    """Gives a training up that is worse than the median of the others at the same validation.

    Not during the first quarter of the validations, nor before five trials are there to compare
    with. With another measure than the validation loss no training is given up, since a bad loss
    need not be a bad score.
    """
    if measure != "validation_loss":
        return optuna.pruners.NopPruner()
    first = base.validations // 4 + 1  # the earliest validation that may end a training
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
