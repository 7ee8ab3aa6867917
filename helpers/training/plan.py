"""The plan of one training: when it is validated, saved and over."""

import math
from dataclasses import dataclass

from helpers.settings import TrainingSettings
from helpers.training.checkpoints import Progress

CHECKPOINT_STEPS = 200  # at most so many are lost by an interruption: seconds on a GPU


@dataclass(frozen=True)
class Plan:
    """When a run is validated, saved and over; all in steps."""

    per_epoch: int
    interval: int  # between validations
    steps: int  # in all, unless it stops early
    patience: int  # validations without a better loss until it stops; 0: never

    @classmethod
    def of(cls, settings: TrainingSettings, per_epoch: int) -> "Plan":
        """The plan of certain settings when an epoch has `per_epoch` batches.

        It ends after the epochs, or after `most_items` where these are reached sooner.
        """
        most = settings.most_items / settings.batch or math.inf
        steps = max(settings.validations, round(min(settings.epochs * per_epoch, most)))
        interval = math.ceil(steps / settings.validations)
        return cls(per_epoch, interval, interval * settings.validations, settings.patience)

    def next_stop(self, step: int) -> int:
        """The step after `step` at which the next validation or checkpoint is due."""
        return min((step // every + 1) * every for every in (self.interval, CHECKPOINT_STEPS))

    def is_over(self, progress: Progress) -> bool:
        """Whether all steps are taken or the validation loss has stopped falling."""
        return progress.step >= self.steps or self.stopped_early(progress)

    def stopped_early(self, progress: Progress) -> bool:
        """Whether the best of all validations after the first step is `patience` ones ago."""
        losses = progress.validation_losses()[1:]
        return bool(losses and self.patience) and (
            len(losses) - 1 - losses.index(min(losses)) >= self.patience
        )
