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
# # 2 · The baseline: a shallow U-Net and L2-Net
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/2_baseline.ipynb)
#
# Two networks in a row, trained one after the other: a denoiser cleans the patch, a descriptor turns
# it into 128 numbers. This is the coursework's starting point, kept as it was, to be measured against.
#
# | needs | makes | takes |
# |---|---|---|
# | the patch store of notebook 1 | two run folders in `runs/` | about 12 minutes on two CPU cores |

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
from helpers.notebook.data import open_data
from helpers.report import figures, tables

profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, needs="report")

# %% [markdown]
# ## The denoiser
#
# One step down, one step up, one skip connection, on raw grey levels. It is trained for one epoch
# by gradient descent with Nesterov momentum on the mean absolute error. Should the training be interrupted,
# run the cell again: it goes on from its last checkpoint and ends as if nothing had happened.

# %%
training.make_network(profile.baseline_denoiser).summary()

# %%
denoiser_run = training.train(profile.baseline_denoiser, store)

# %%
figures.plot_losses({"baseline": denoiser_run})

# %% [markdown]
# The validation loss is measured on scenes that the network has not seen, a few times within the
# epoch. It is in grey levels: compare it with the error of doing nothing in the table below.

# %%
clean, estimates = samples.denoise_sample(store, {"baseline": denoiser_run})
tables.show(tables.denoising_table(tables.denoising_errors(clean, estimates)))

# %% [markdown]
# `ref` patches carry no noise: whatever error a denoiser makes there, it has added.

# %%
figures.plot_denoising(*samples.denoising_rows(clean, estimates))

# %% [markdown]
# ## The descriptor
#
# L2-Net takes denoised patches. Three copies with shared weights see an anchor, another patch of the
# same point and a patch of another point; the triplet loss pulls the first two together and pushes
# the third away. Plain gradient descent, one epoch. The original coursework's epoch has 100,000 triplets, as
# here in the profile `full`; `coursework` draws fewer, to end in minutes.

# %%
training.make_network(profile.baseline_descriptor).summary()

# %%
descriptor_run = training.train(profile.baseline_descriptor, store, denoiser_run)

# %%
figures.plot_losses({"baseline": descriptor_run})

# %% [markdown]
# Descriptors that are the same for all patches have a loss of 1; distances have no limit, so it can also lie
# above. Whether what was learned is enough is for the benchmark to say. Next: [3 · Search](3_search.ipynb).
