"""Scalable layers: which one a packet belongs to, and which of them one subscriber gets.

A `LayerReader` per encoding reads each packet once; a `LayerFilter` per slot answers whether the slot forwards it and
what must be overwritten. Knows the rules of VP8, VP9 and AV1. Knows no subscriber, no rate and no clock.
"""

from collections.abc import Mapping

from sfu.flow.layers.dependency import DependencyReader
from sfu.flow.layers.filter import LayerFilter
from sfu.flow.layers.layer import ALL, Layer, LayerReader, Patch
from sfu.flow.layers.vp8 import Vp8Reader
from sfu.flow.layers.vp9 import Vp9Reader
from sfu.wire.extensions import DEPENDENCY_DESCRIPTOR

__all__ = ["ALL", "Layer", "LayerFilter", "LayerReader", "Patch", "reader"]


def reader(codec_name: str, ids_in: Mapping[str, int]) -> LayerReader | None:
    """A new reader for one encoding; `ids_in` are the publisher's extension ids by URI.

    None where layers can't be read, so that every packet is forwarded whole: audio, H.264, AV1 without the
    dependency descriptor.
    """
    descriptor_id = ids_in.get(DEPENDENCY_DESCRIPTOR)
    match codec_name.lower():
        case "vp8":
            return Vp8Reader(
                None if descriptor_id is None else DependencyReader(descriptor_id, patched=False)
            )
        case "vp9":
            return Vp9Reader()
        case "av1" if descriptor_id is not None:
            return DependencyReader(descriptor_id, patched=True)
    return None
