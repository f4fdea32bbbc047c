"""A plausible population of heads: sexes, ages, ancestries and builds, and MakeHuman's local changes of head
and face."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from default_head.makehuman import MakeHuman
from default_head.mesh import Topology
from jaxtyping import Float

ANCESTRIES = ("african", "asian", "caucasian")
SEXES = ("male", "female")
AGES = ("baby", "child", "young", "old")
AGE_ANCHORS = (0.0, 1 / 3, 2 / 3, 1.0)
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
HEIGHTS = ("minheight", "maxheight")
PROPORTIONS = ("idealproportions", "uncommonproportions")
WEIGHTS = ("minweight", "averageweight", "maxweight")
# Standard deviations of the sliders of each folder, whose range is [-1, 1], so that the distances of head
# and face vary about as much as in people (Farkas, Anthropometry of the Head and Face, 1994).
LOCAL_DEVIATIONS = {
    "head": 0.1,
    "forehead": 0.1,
    "eyebrows": 0.2,
    "eyes": 0.11,
    "nose": 0.16,
    "cheek": 0.25,
    "mouth": 0.12,
    "chin": 0.15,
    "ears": 0.12,
    "neck": 0.08,
    "asym": 0.1,
}
ONE_SIDED_DEVIATION = 0.04
# Not identity: where the head stands on the neck, and the neck on the body.
POSTURE = ("head-trans", "head-angle", "neck-trans", "neck-scale-vert", "measure-neck", "asymm-")
OPPOSITES = (
    ("incr", "decr"),
    ("up", "down"),
    ("in", "out"),
    ("forward", "backward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
SAMPLES = 8000


@dataclass(frozen=True)
class Population:
    """Displacement fields on the head's vertices and a sample of the weights that people give them."""

    fields: Float[np.ndarray, "field vertex 3"]
    weights: Float[np.ndarray, "person field"]


def sample_population(data: MakeHuman, topology: Topology, seed: int = 0) -> Population:
    """Draw SAMPLES people: four of five are adults, the others children and teenagers."""
    generator = np.random.default_rng(seed)
    macro_names, from_phenotypes = macro_weights(_sample_phenotypes(generator))
    local_names, local_weights = _local_weights(data, generator)
    fields = [topology.carry(data.target(name)) for name in macro_names + local_names]
    return Population(np.stack(fields), np.concatenate([from_phenotypes, local_weights], 1))


def _sample_phenotypes(generator: np.random.Generator) -> dict[str, Float[np.ndarray, " person"]]:
    """Sex, age, muscle, weight, height and proportions in [0, 1], and the parts of three ancestries."""
    adult = generator.random(SAMPLES) < 0.8
    age = np.where(adult, generator.uniform(0.6, 1.0, SAMPLES), generator.uniform(0.22, 0.6, SAMPLES))
    sex = generator.beta(0.35, 0.35, SAMPLES)
    muscle, weight, height, proportions = (
        generator.normal(0.5, deviation, SAMPLES).clip(0, 1) for deviation in (0.12, 0.15, 0.15, 0.15)
    )
    ancestry = generator.dirichlet([0.5] * 3, SAMPLES)
    return {
        "gender": sex,
        "age": age,
        "muscle": muscle,
        "weight": weight,
        "height": height,
        "proportions": proportions,
        **dict(zip(ANCESTRIES, ancestry.T, strict=True)),
    }


def macro_weights(
    phenotypes: dict[str, Float[np.ndarray, " person"]],
) -> tuple[list[str], Float[np.ndarray, "person target"]]:
    """The targets of whole-body phenotypes and their weights, as the package anny blends them.

    A target's weight is the product of the weights of the words in its name, each piecewise linear between
    its neighbours. Raises KeyError for a missing phenotype.
    """
    by_name = {
        **dict(zip(SEXES, (1 - phenotypes["gender"], phenotypes["gender"]), strict=True)),
        **_hat_weights(phenotypes["age"], AGES, AGE_ANCHORS),
        **_hat_weights(phenotypes["muscle"], MUSCLES, (0, 0.5, 1)),
        **_hat_weights(phenotypes["weight"], WEIGHTS, (0, 0.5, 1)),
        **_hat_weights(phenotypes["height"], HEIGHTS, (0, 1)),
        **_hat_weights(phenotypes["proportions"], PROPORTIONS, (0, 1)),
        **{name: phenotypes[name] for name in ANCESTRIES},
    }
    blocks = [
        ("macrodetails/universal-", product(SEXES, AGES, MUSCLES, WEIGHTS)),
        ("macrodetails/", product(ANCESTRIES, SEXES, AGES)),
        ("macrodetails/height/", product(SEXES, AGES, MUSCLES, WEIGHTS, HEIGHTS)),
        ("macrodetails/proportions/", product(SEXES, AGES[1:], MUSCLES, WEIGHTS, PROPORTIONS)),
    ]
    names, weights = [], []
    for prefix, combinations in blocks:
        for words in combinations:
            names.append(prefix + "-".join(words))
            weights.append(np.prod([by_name[word] for word in words], 0))
    return names, np.stack(weights, 1)


def _hat_weights(values, names, anchors):
    """Piecewise linear interpolation weights of each name at its anchor."""
    return {name: np.interp(values, anchors, np.eye(len(names))[index]) for index, name in enumerate(names)}


def _local_weights(data: MakeHuman, generator: np.random.Generator):
    """Weights of the local changes: one slider for two opposite targets, and for left and right nearly the
    same."""
    available = [
        name
        for folder in LOCAL_DEVIATIONS
        for name in data.target_names(folder)
        if not name.split("/")[1].startswith(POSTURE)
    ]
    sliders: dict[str, np.ndarray] = {}
    names, weights = [], []
    for name in available:
        folder, target = name.split("/")
        stem, sign = _slider(target)
        if folder == "asym":
            stem, sign = (target[:-2], 1.0) if target.endswith("-l") else (target[:-2], -1.0)
            own = ""
        else:
            own = stem[:2] if stem[:2] in ("l-", "r-") else ""
            stem = stem.removeprefix(own)
        key = f"{folder}/{stem}"
        if key not in sliders:
            sliders[key] = generator.normal(0, LOCAL_DEVIATIONS[folder], SAMPLES)
            sliders[f"one-sided {key}"] = generator.normal(0, ONE_SIDED_DEVIATION, SAMPLES)
        side = {"l-": 1.0, "r-": -1.0, "": 0.0}[own]
        value = sliders[key] + side * sliders[f"one-sided {key}"]
        names.append(name)
        weights.append((sign * value).clip(0, 1))
    return names, np.stack(weights, 1)


def _slider(target: str) -> tuple[str, float]:
    """The slider that a target belongs to and the sign with which it does."""
    for positive, negative in OPPOSITES:
        for word, sign in ((positive, 1.0), (negative, -1.0)):
            if target.endswith(f"-{word}"):
                return target.removesuffix(f"-{word}"), sign
    return target, 1.0
