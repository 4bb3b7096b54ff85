#!/usr/bin/env python3
"""Well-known networks at their real size, as ONNX files to measure with: the graph counts, the weights are random (seeded).

    networks.py [--seed 0] [--batch-normalization] OUT_DIR [NAME ...]

Writes OUT_DIR/NAME.onnx (opset 17, batch 1) for the names given, or for all: the keys of NETWORKS below. A network that does not have
exactly the parameters it is known for is an error. --batch-normalization keeps as nodes what exporters fold into the convolution before.
Needs onnx and numpy, from PyPI. Structure and counts follow torchvision, and for the last two the code that is usually taken. Papers:

    resnet50            Deep Residual Learning for Image Recognition, He et al. 2015, arXiv:1512.03385 (strides in the 3x3 layers)
    resnext50           Aggregated Residual Transformations for Deep Neural Networks, Xie et al. 2016, arXiv:1611.05431 (32x4d)
    vgg16               Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan, Zisserman 2014, arXiv:1409.1556 (D)
    densenet121         Densely Connected Convolutional Networks, Huang et al. 2016, arXiv:1608.06993
    shufflenet_v2       ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, Ma et al. 2018, arXiv:1807.11164 (1.0x)
    mobilenet_v3_large  Searching for MobileNetV3, Howard et al. 2019, arXiv:1905.02244
    efficientnet_b0     EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan, Le 2019, arXiv:1905.11946
    convnext_tiny       A ConvNet for the 2020s, Liu et al. 2022, arXiv:2201.03545
    vit_b_16            An Image is Worth 16x16 Words, Dosovitskiy et al. 2020, arXiv:2010.11929
    unet                U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, arXiv:1505.04597
                        (3x256x256, padded convolutions with batch normalization, two classes)
    distilbert          DistilBERT, a distilled version of BERT, Sanh et al. 2019, arXiv:1910.01108 (128 tokens, the last hidden state)
"""
import argparse, os

import numpy as np
import onnx
from onnx import TensorProto

from network_builder import Network

CLASSES = 1000


def image(net, size=224):
    return net.input("input", [1, 3, size, size])


def classify(net, x):
    return net.gemm(net.flatten(net.global_average(x)), CLASSES)


def bottlenecks(net, groups, width):
    """ResNet-50 and ResNeXt-50, which differ in the layers between: their groups and their width in the first stage."""
    x = net.pool("MaxPool", net.conv(image(net), 64, 7, 2, act="relu"), 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride, inner, outer = 2 if stage and not block else 1, width << stage, 256 << stage
            y = net.conv(net.conv(x, inner, 1, act="relu"), inner, 3, stride, groups, "relu")
            shortcut = x if block else net.conv(x, outer, 1, stride)
            x = net.add(net.conv(y, outer, 1), shortcut, "relu")
    return classify(net, x)


def vgg16(net):
    x = image(net)
    for channels, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(layers):
            x = net.conv(x, channels, 3, act="relu", end="bias")
        x = net.pool("MaxPool", x, 2, 2)
    return net.gemm(net.gemm(net.gemm(net.flatten(x), 4096, "relu"), 4096, "relu"), CLASSES)


def densenet121(net, growth=32):
    x = net.pool("MaxPool", net.conv(image(net), 2 * growth, 7, 2, act="relu"), 3, 2, 1)
    for stage, layers in enumerate((6, 12, 24, 16)):
        if stage:
            x = net.batch_norm(x, "relu")
            x = net.pool("AveragePool", net.conv(x, x.channels // 2, 1, end="none"), 2, 2)
        features = [x]
        for _ in range(layers):
            y = net.batch_norm(net.concat(features) if len(features) > 1 else x, "relu")
            y = net.conv(y, 4 * growth, 1, act="relu")
            features.append(net.conv(y, growth, 3, end="none"))
        x = net.concat(features)
    return classify(net, net.batch_norm(x, "relu"))


def shufflenet_v2(net):
    x = net.pool("MaxPool", net.conv(image(net), 24, 3, 2, act="relu"), 3, 2, 1)
    for channels, blocks in ((116, 4), (232, 8), (464, 4)):
        half = channels // 2
        for block in range(blocks):
            stride = 1 if block else 2
            kept, y = net.split(x, 2, 1) if block else (x, x)
            if not block:
                kept = net.conv(net.conv(x, x.channels, 3, stride, x.channels), half, 1, act="relu")
            y = net.conv(net.conv(y, half, 1, act="relu"), half, 3, stride, half)
            x = net.concat([kept, net.conv(y, half, 1, act="relu")])
            shape = x.shape
            x = net.transpose(net.reshape(x, 1, 2, half, *shape[2:]), 0, 2, 1, 3, 4)
            x = net.reshape(x, *shape)
    return net.gemm(net.image_mean(net.conv(x, 1024, 1, act="relu")), CLASSES)


def inverted_bottleneck(net, x, expanded, channels, kernel, stride, act, squeeze):
    """squeeze: of the expanded value, to that value weighted. The block of MobileNetV3 and EfficientNet."""
    y = net.conv(x, expanded, 1, act=act) if expanded != x.channels else x
    y = squeeze(net.conv(y, expanded, kernel, stride, expanded, act))
    y = net.conv(y, channels, 1)
    return net.add(y, x) if y.shape == x.shape else y


def mobilenet_v3_large(net):
    x = net.conv(image(net), 16, 3, 2, act="hardswish")
    relu, hard = "relu", "hardswish"
    # Expanded channels, channels, kernel, stride, activation, channels squeezed to (0: no squeeze-and-excite).
    for expanded, channels, kernel, stride, act, squeezed in (
            (16, 16, 3, 1, relu, 0), (64, 24, 3, 2, relu, 0), (72, 24, 3, 1, relu, 0),
            (72, 40, 5, 2, relu, 24), (120, 40, 5, 1, relu, 32), (120, 40, 5, 1, relu, 32),
            (240, 80, 3, 2, hard, 0), (200, 80, 3, 1, hard, 0), (184, 80, 3, 1, hard, 0), (184, 80, 3, 1, hard, 0),
            (480, 112, 3, 1, hard, 120), (672, 112, 3, 1, hard, 168),
            (672, 160, 5, 2, hard, 168), (960, 160, 5, 1, hard, 240), (960, 160, 5, 1, hard, 240)):
        x = inverted_bottleneck(net, x, expanded, channels, kernel, stride, act,
                                lambda y: net.squeeze_excite(y, squeezed, "relu", "HardSigmoid") if squeezed else y)
    x = net.flatten(net.global_average(net.conv(x, 960, 1, act="hardswish")))
    return net.gemm(net.gemm(x, 1280, "hardswish"), CLASSES)


def efficientnet_b0(net):
    x = net.conv(image(net), 32, 3, 2, act="silu")
    for expansion, channels, kernel, stride, blocks in ((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3),
                                                        (6, 112, 5, 1, 3), (6, 192, 5, 2, 4), (6, 320, 3, 1, 1)):
        for block in range(blocks):
            squeezed = x.channels // 4
            x = inverted_bottleneck(net, x, expansion * x.channels, channels, kernel, 1 if block else stride, "silu",
                                    lambda y: net.squeeze_excite(y, squeezed, "silu", "Sigmoid"))
    return classify(net, net.conv(x, 1280, 1, act="silu"))


def channels_last_norm(net, x):
    return net.transpose(net.layer_norm(net.transpose(x, 0, 2, 3, 1), 1e-6), 0, 3, 1, 2)


def convnext_tiny(net):
    x = channels_last_norm(net, net.conv(image(net), 96, 4, 4, end="bias", pad=0))
    for stage, blocks in enumerate((3, 3, 9, 3)):
        channels = 96 << stage
        if stage:
            x = net.conv(channels_last_norm(net, x), channels, 2, 2, end="bias", pad=0)
        for _ in range(blocks):
            y = net.transpose(net.conv(x, channels, 7, groups=channels, end="bias"), 0, 2, 3, 1)
            y = net.linear(net.layer_norm(y, 1e-6), 4 * channels, "gelu")
            y = net.transpose(net.linear(y, channels), 0, 3, 1, 2)
            scale = net.normal((channels, 1, 1), 0.1, 0.5)
            x = net.add(net.op("Mul", [scale, y], y.shape, 0.26), x)
    return net.gemm(net.flatten(channels_last_norm(net, net.global_average(x))), CLASSES)


def vit_b_16(net, features=768, heads=12):
    x = net.conv(image(net), features, 16, 16, end="bias", pad=0)
    x = net.transpose(net.reshape(x, 1, features, 196), 0, 2, 1)
    x = net.op("Concat", [net.normal((1, 1, features), 1.0), x], (1, 197, features), axis=1)
    x = net.op("Add", [x, net.normal((1, 197, features), 0.5)], x.shape, 1.25)
    for _ in range(12):
        y = net.linear(net.layer_norm(x, 1e-6), 3 * features)
        y = net.split(net.transpose(net.reshape(y, 1, 197, 3, heads, 64), 2, 0, 3, 1, 4), 3, 0)
        q, k, v = (net.op("Squeeze", [part, np.array([0])], part.shape[1:]) for part in y)
        x = net.add(x, net.linear(net.attention(q, k, v), features))
        x = net.add(x, net.linear(net.linear(net.layer_norm(x, 1e-6), 4 * features, "gelu"), features))
    x = net.layer_norm(x, 1e-6)
    return net.gemm(net.op("Gather", [x, np.array(0)], (1, features), axis=1), CLASSES)


def unet(net):
    x, skipped = image(net, 256), []
    for level in range(5):
        x = x if not level else net.pool("MaxPool", x, 2, 2)
        x = net.conv(net.conv(x, 64 << level, 3, act="relu"), 64 << level, 3, act="relu")
        skipped.append(x)
    for level in range(3, -1, -1):
        x = net.concat([skipped[level], net.conv_transpose(x, 64 << level, 2)])
        x = net.conv(net.conv(x, 64 << level, 3, act="relu"), 64 << level, 3, act="relu")
    return net.conv(x, 2, 1, end="bias")


def distilbert(net, features=768, heads=12, tokens=128):
    ids = net.input("input_ids", [1, tokens], TensorProto.INT64)
    mask = net.input("attention_mask", [1, tokens], TensorProto.INT64)
    masked = net.op("Equal", [net.reshape(mask, 1, 1, 1, tokens), np.array(0)], (1, 1, 1, tokens))
    words = net.op("Gather", [net.normal((30522, features), 1.0), ids], (1, tokens, features))
    positions = net.op("Gather", [net.normal((512, features), 1.0), np.arange(tokens)[None]], (1, tokens, features))
    x = net.layer_norm(net.add(words, positions), 1e-12)
    for _ in range(6):
        q, k, v = (net.transpose(net.reshape(net.linear(x, features), 1, tokens, heads, 64), 0, 2, 1, 3) for _ in range(3))
        x = net.layer_norm(net.add(net.linear(net.attention(q, k, v, masked), features), x), 1e-12)
        y = net.linear(net.linear(x, 4 * features, "gelu"), features)
        x = net.layer_norm(net.add(y, x), 1e-12)
    return x


NETWORKS = {  # With the number of parameters known.
    "resnet50": (lambda net: bottlenecks(net, groups=1, width=64), 25_557_032),
    "resnext50": (lambda net: bottlenecks(net, groups=32, width=128), 25_028_904),
    "vgg16": (vgg16, 138_357_544), "densenet121": (densenet121, 7_978_856),
    "shufflenet_v2": (shufflenet_v2, 2_278_604), "mobilenet_v3_large": (mobilenet_v3_large, 5_483_032),
    "efficientnet_b0": (efficientnet_b0, 5_288_548), "convnext_tiny": (convnext_tiny, 28_589_128),
    "vit_b_16": (vit_b_16, 86_567_656), "unet": (unet, 31_037_698), "distilbert": (distilbert, 66_362_880),
}


def write(name, folder, seed, folded):
    build, known = NETWORKS[name]
    net, path = Network(name, seed, folded), os.path.join(folder, name + ".onnx")
    model = net.model(build(net))
    if net.parameters != known:
        raise SystemExit(f"{name}: {net.parameters} parameters instead of {known}")
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)
    print(f"{path}: {net.parameters / 1e6:.2f} M parameters, {len(net.nodes)} nodes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT_DIR"), parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--seed", type=int, default=0), parser.add_argument("--batch-normalization", action="store_true")
    a = parser.parse_args()
    if unknown := set(a.names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    os.makedirs(a.folder, exist_ok=True)
    for name in a.names or NETWORKS:
        write(name, a.folder, a.seed, not a.batch_normalization)


if __name__ == "__main__":
    main()
