"""Deca: the parts of the system on one head, put together; composition only."""

from __future__ import annotations

from torch import nn

from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.dense import DenseModel
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.render.surface import SurfaceModel


class Deca(nn.Module):
    """Everything that depends on the head's topology alone, made once; maps in UV have `map_size` texels a
    side."""

    def __init__(self, data: HeadData, map_size: int = 512) -> None:
        super().__init__()
        self.data = data
        self.head_model = HeadModel(data)
        self.landmarks = HeadLandmarks(data)
        self.layout = UVLayout(data, map_size)
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, map_size)
        self.detail_model = DetailModel(data, self.layout)
        self.dense_model = DenseModel(data, self.layout)
        self.surface_model = SurfaceModel(data)
