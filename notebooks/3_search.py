# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · Search: which settings are worth a long training
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/3_search.ipynb)
#
# How many filters, how fast to learn, how much dropout, how much attention to each level of noise? Instead
# of guessing, several short trainings on a smaller dataset are compared; the next notebook trains the best
# settings at full length. How deep the network should be is asked in a second search, made beforehand,
# whose table stands at the end.
#
# | needs | makes | takes |
# |---|---|---|
# | the patch store of notebook 1 | a study and its winner in `runs/search/`, one run folder a trial, figures `search-...` | about 12 minutes for 24 trials on two CPU cores |

# %% tags=["parameters"]
PROFILE = "coursework"  # smoke: under a minute each; long: hours; full: hours on a GPU; see README
DATASET = "photographs"  # or n-hpatches:PATH, hpatches:PATH, sequences:PATH, joined by +
SPLIT = None  # a, b, c, illum, view, full or a JSON file; None: the dataset's own
SCENES = None  # or "v_boat, i_leuven": only these scenes
PRETRAINED = False  # True: the improved networks that come with the code, none trained here
DRIVE = ""  # Colab: "/content/drive/MyDrive/n-hpatches" keeps all runs; "" loses them at its end

# %%
# Google Colab brings this notebook alone: fetch what it needs. Elsewhere nothing happens.
import os
import subprocess
import sys

if "google.colab" in sys.modules:
    if not os.path.isdir("helpers"):
        address = "https://github.com/USER/n-hpatches"
        if "/USER/" in address:
            sys.exit(f"{address} is nobody's: put the account that has the repository for USER.")
        clone = ["git", "clone", "-q", "--depth=1", address]
        if not os.path.isdir("n-hpatches") and subprocess.run(clone).returncode:
            sys.exit(f"{address} cannot be fetched: is it public, and is there a network?")
        os.chdir("n-hpatches")
    sys.path.insert(0, os.getcwd())
    from helpers.notebook import colab

    colab.set_up(DRIVE)

# %%
from helpers import search, settings, training
from helpers.common import files, paths
from helpers.dataset import with_fewer_points
from helpers.notebook import explorer
from helpers.notebook.data import open_data
from helpers.report import figures, search_plots, tables

profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, needs="report")

# %% [markdown]
# ## What is tried
#
# Each row is a setting of the improved descriptor. Level weights say how much the loss counts pairs of
# easy, hard and tough patches. They alone decide how much attention a level gets: every batch holds equally
# many patches of each. The profile's own settings are trial 0: a winner has to beat them.

# %%
search.space_table(search.space_of(profile), own=profile.improved_descriptor)

# %% [markdown]
# ## On a smaller dataset
#
# The trials see the first points of each scene only; scenes and parts are the same. Test scenes have no
# part in the search: a trial learns on *train* and is judged on *validation*.

# %%
smaller = with_fewer_points(store, profile.search.points_per_scene)
tables.show(tables.dataset_table(smaller.summary()))

# %% [markdown]
# ## The trials
#
# Where the descriptor stands behind a denoiser, that one is trained first, on the whole dataset; the
# next notebook finds it again. Then each trial is a training of its own. After trial 0, the settings are
# chosen by a tree-structured Parzen estimator, which looks where good trials were more frequent than bad
# ones. Until ten trials are there to learn from, it draws at random.
#
# The number to be lowered is 1 − S, where S is the benchmark's mean score on validation scenes (or the mean
# of V and M, where these scenes have too few points for retrieval). A validation loss would not do: with
# other weights it means something else. For the same reason no trial is given up for a loss that looks
# bad half-way, as such a trial may still score well; all are trained to the end, unless a loss becomes NaN
# or a batch does not fit.
#
# Interrupt it at any time; run the cell again, and it goes on where it was. (After a crash it waits three
# minutes before it takes up the trial that was lost, as another worker might still be at it.) More workers
# share the trials, as many as there are devices for; each is started beside this cell by
#
# ```bash
# .venv/bin/python -m helpers search --profile coursework
# ```
#
# with the `--dataset`, `--split` and `--scenes` of this notebook. Workers on other machines need a common
# database: give all of them the same `--storage`, and this cell the same `storage=`.

# %%
direct = profile.improved_descriptor.joining == "direct"
denoiser_run = None if direct else training.train(profile.improved_denoiser, store)

# %%
study, winner = search.search_improved(profile, store, denoiser_run)

# %%
table = search.trials_table(study)
table.drop(columns=["run", "attempts"])

# %% [markdown]
# ## How it went
#
# A search is worth its time while the line still falls.

# %%
progress = search_plots.plot_progress(study)
figures.save(progress, "search-progress")
progress

# %% [markdown]
# How did the single trainings go? The best trial comes first; in a running notebook, pick others. Losses
# with other level weights mean something else, so compare the shapes of the curves and not their heights.

# %%
explorer.trials(table)

# %% [markdown]
# ## What mattered
#
# A random forest learns to tell the error from the settings; a setting is as important as the part of the
# error's variance that it explains by itself (fANOVA). From so few trials this is a hint and no more.

# %%
importances = search_plots.plot_importances(study)
figures.save(importances, "search-importances")
importances

# %% [markdown]
# Each panel shows all trials against one setting. Look for a side on which there are no good trials at
# all; single good or bad points have many reasons.

# %%
slices = search_plots.plot_slices(study)
figures.save(slices, "search-slices")
slices

# %% [markdown]
# The same trials as lines: what do the best have in common?

# %%
parallel = search_plots.plot_parallel(study)
figures.save(parallel, "search-parallel")
parallel

# %% [markdown]
# ## The winner
#
# Its settings, with all epochs of the profile, lie in a JSON file beside the study. From here on every
# notebook takes them from there. Each was trained once, and briefly: differences as small as those between
# two trainings that differ in their seed alone mean nothing, and what learns fastest on few points need
# not be what ends best on many.

# %%
profile = search.with_winner(profile, store)

# %%
own = settings.profile(PROFILE).improved_descriptor
search.space_table(search.space_of(profile), own=own, winner=profile.improved_descriptor)

# %% [markdown]
# ## How deep?
#
# The improved descriptor above has the depth of HardNet, whatever its width. A residual network can be
# made deeper by a number: its blocks at each of two resolutions. `experiments/depth.py` has searched that
# number together with the filters and the learning rate, behind a frozen denoiser and on validation scenes
# too, and has left a table with the code. There the weights of the loss are alike in all trials, so the
# validation loss does compare them; trials that are worse than the median half-way are given up, and from
# the eleventh on the estimator chooses.

# %%
path = paths.MEASURED / "depth.json"
second = files.read_json(path) if path.is_file() else None
if second:
    print(
        f"{second['network']} on {second['dataset']['name']}, at most "
        f"{second['points_per_scene']} points a scene: {second['trials']} trials, "
        f"{second['pruned']} of them given up"
    )

# %% [markdown]
# These are the others, the best first. Each was trained once, and more briefly than would be fair to a
# network that learns slowly: trust a trend that many rows show, not the order of two neighbours.

# %%
tables.show(tables.search_table(second)) if second else "not made: see experiments/depth.py"

# %% [markdown]
# Next: [4 · The improved approach](4_improved.ipynb).
