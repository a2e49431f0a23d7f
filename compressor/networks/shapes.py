"""Layers of the networks in the Deep Compression tables and their shapes, in order; no PyTorch needed.

A matrix is (outputs, inputs), a convolution (outputs, inputs of a group, kernel height, kernel width), as in Caffe and
PyTorch. Names are those of the authors' Caffe models.
"""

from collections.abc import Mapping
from types import MappingProxyType

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of the weights of each layer by its name, in the order of the network."""


def _squeezenet(first: tuple[int, ...]) -> Shapes:
    """SqueezeNet from its first layer on: fire modules 2 to 9 are alike but for the channels that enter the first."""
    shapes, channels = {"conv1": first}, first[0]
    modules = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
    for number, (squeeze, expand) in enumerate(modules, start=2):
        # 1x1 convolutions to `squeeze` channels, then 1x1 and 3x3 beside each other, whose outputs are joined.
        shapes[f"fire{number}/conv1x1_1"] = (squeeze, channels, 1, 1)
        shapes[f"fire{number}/conv1x1_2"] = (expand, squeeze, 1, 1)
        shapes[f"fire{number}/conv3x3_2"] = (expand, squeeze, 3, 3)
        channels = 2 * expand
    shapes["conv_final"] = (1000, channels, 1, 1)
    return MappingProxyType(shapes)


SQUEEZENET_1_0 = _squeezenet((96, 3, 7, 7))
"""SqueezeNet 1.0 (Iandola et al. 2016, table 1), named as in the authors' compressed model of it."""

SQUEEZENET_1_1 = _squeezenet((64, 3, 3, 3))
"""SqueezeNet 1.1 (the SqueezeNet authors' repository), with the layer names of `SQUEEZENET_1_0`."""

LENET_300_100: Shapes = MappingProxyType({"ip1": (300, 784), "ip2": (100, 300), "ip3": (10, 100)})
"""LeNet-300-100 (LeCun et al. 1998; Deep Compression, table 2)."""

LENET_5: Shapes = MappingProxyType(
    {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (500, 800), "ip2": (10, 500)}
)
"""LeNet-5 as Caffe has it (LeCun et al. 1998; Deep Compression, table 3)."""

ALEXNET: Shapes = MappingProxyType(
    {
        "conv1": (96, 3, 11, 11),
        "conv2": (256, 48, 5, 5),
        "conv3": (384, 256, 3, 3),
        "conv4": (384, 192, 3, 3),
        "conv5": (256, 192, 3, 3),
        "fc6": (4096, 9216),
        "fc7": (4096, 4096),
        "fc8": (1000, 4096),
    }
)
"""AlexNet as Caffe has it, conv2, conv4 and conv5 in two groups (Krizhevsky et al. 2012; Deep Compression, table 4)."""

VGG_16: Shapes = MappingProxyType(
    {
        "conv1_1": (64, 3, 3, 3),
        "conv1_2": (64, 64, 3, 3),
        "conv2_1": (128, 64, 3, 3),
        "conv2_2": (128, 128, 3, 3),
        "conv3_1": (256, 128, 3, 3),
        "conv3_2": (256, 256, 3, 3),
        "conv3_3": (256, 256, 3, 3),
        "conv4_1": (512, 256, 3, 3),
        "conv4_2": (512, 512, 3, 3),
        "conv4_3": (512, 512, 3, 3),
        "conv5_1": (512, 512, 3, 3),
        "conv5_2": (512, 512, 3, 3),
        "conv5_3": (512, 512, 3, 3),
        "fc6": (4096, 25088),
        "fc7": (4096, 4096),
        "fc8": (1000, 4096),
    }
)
"""VGG-16 (Simonyan and Zisserman 2015, configuration D; Deep Compression, table 5)."""
