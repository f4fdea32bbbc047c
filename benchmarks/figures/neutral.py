"""The default head of a given shape, at rest: what predicted shapes are compared as."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int

from deca.conversion.registration import full_landmarks, outer_skin
from deca.evaluation.scan_face import Prediction
from deca.evaluation.similarity import SEVEN_OF_68
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.parameters import Parameters

_MILLIMETRES = 1000.0


@cache
def head_model() -> HeadModel:
    """The default head."""
    return HeadModel(default_head())


@torch.no_grad()
def neutral_vertices(parameters: Parameters) -> Float[np.ndarray, "vertex 3"]:
    """The shape of parameters without pose and expression, millimetres."""
    model = head_model()
    rest = model.neutral().replace(shape=parameters.shape)
    return model(rest).vertices[0].double().numpy() * _MILLIMETRES


def neutral_mesh(parameters: Parameters) -> Prediction:
    """The outer skin of that shape, without eyeballs and mouth, with its seven landmarks."""
    vertices = neutral_vertices(parameters)
    landmarks = full_landmarks(default_data(), vertices)[list(SEVEN_OF_68)]
    return Prediction(vertices, skin_triangles(), landmarks)


def face_vertices() -> Int[np.ndarray, " vertex"]:
    """The vertices of the face's skin."""
    data = default_data()
    return np.unique(data.triangles[data.region("face") & outer_skin(data)])


@cache
def skin_triangles() -> Int[np.ndarray, "triangle 3"]:
    """The triangles of the outer skin."""
    return np.ascontiguousarray(default_data().triangles[outer_skin(default_data())])


def default_data() -> HeadData:
    """The arrays of the default head."""
    return head_model().data
