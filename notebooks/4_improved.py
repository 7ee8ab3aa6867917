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
# # 4 · The improved approach: residual denoiser and HardNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/4_improved.ipynb)
#
# The descriptor sees each patch at standard brightness and contrast, answers with a vector of length one,
# and learns from the hardest negatives of each batch, with the settings that the search has found. The
# denoiser estimates the noise and subtracts it; whether the descriptor needs one is a setting, too.
#
# | needs | makes | takes |
# |---|---|---|
# | the patch store of notebook 1, the winner of notebook 3 | two run folders in `runs/` | about 20 minutes on two CPU cores |

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
from helpers import training
from helpers.evaluation import samples
from helpers.notebook import explorer
from helpers.notebook.data import open_data
from helpers.report import figures, tables
from helpers.training import runs

profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, winner=True, needs="report")

# %% [markdown]
# ## The denoiser
#
# A U-Net of residual blocks whose last layer starts at zero: before the first step it hands the
# patch on unchanged, and from there it learns what to take away. Its first convolution halves the
# resolution, which makes it cheap: what it costs and what it is worth shows in notebook 6. AdamW with weight decay; the
# learning rate rises briefly and then falls along a cosine; noise is drawn anew at each step from
# the clean 65 × 65 patches (if the dataset has them), and patches are flipped and turned. Training stops early when the
# loss on validation scenes has stopped falling, and the best weights are kept.

# %%
training.make_network(profile.improved_denoiser).summary()

# %%
if PRETRAINED:
    denoiser_run = runs.pretrained("denoiser")
else:
    denoiser_run = training.train(profile.improved_denoiser, store)

# %%
figures.plot_losses({"improved": denoiser_run})

# %%
clean, estimates = samples.denoise_sample(store, {"improved": denoiser_run})
tables.show(tables.denoising_table(tables.denoising_errors(clean, estimates)))

# %% [markdown]
# ## The descriptor
#
# What is new is before, after and around the body, which is L2-Net's but for the first convolution: that one
# halves the resolution, for half of the cost. Each batch holds many points, each seen several
# times: `ref` and patches of every level. For every pair the loss looks for the most similar wrong
# patch in the batch, and asks that the right one be nearer.
#
# Three ways to join the two networks are built in: `frozen`, behind the denoiser as it is; `end_to_end`,
# behind one that learns along; and `direct`, on the noisy patch itself, without any. The profile says which:

# %%
profile.improved_descriptor.joining

# %%
training.make_network(profile.improved_descriptor).summary()

# %%
if PRETRAINED:
    descriptor_run = runs.pretrained()
else:
    upstream_run = runs.upstream_run(profile.improved_descriptor, denoiser_run)
    descriptor_run = training.train(profile.improved_descriptor, store, upstream_run)

# %%
figures.plot_losses({"improved": descriptor_run})

# %%
for approach in profile.approaches[2:]:  # any others that the profile has
    denoiser, descriptor = profile.trainings(approach)
    in_front = training.train(denoiser, store)
    training.train(descriptor, store, runs.upstream_run(descriptor, in_front))

# %% [markdown]
# This loss cannot be compared with the baseline's: its negatives are the hardest instead of random
# ones. The benchmark compares.
#
# ## Look for yourself
#
# Above: one noisy patch of a validation scene, as each denoiser leaves it, and its clean twin, with
# signal-to-noise ratios. Below: the `ref` patch of the same point, the patch that is to be found for it, and the
# patches of that strip whose descriptors are nearest to its own; a blue frame marks the right one, its rank
# stands behind them. In a running notebook, pick scene, point, strip and approach (the baseline, if notebook 2
# has trained it): which points are found at any level, and which at none?

# %%
explorer.neighbours(store, explorer.trained(profile, store, PRETRAINED))

# %% [markdown]
# Next: [5 · Evaluation](5_evaluation.ipynb).
