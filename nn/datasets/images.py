"""Image collections that are fetched once and kept: MNIST, Fashion-MNIST and CIFAR-10.

The files lie where torchvision has them, so that both can share a folder, and files that are there
already are read, packed or not:

    root/MNIST/raw/train-images-idx3-ubyte.gz            … and three more
    root/FashionMNIST/raw/train-images-idx3-ubyte.gz     … and three more
    root/cifar-10-binary.tar.gz                          or root/cifar-10-batches-bin/*.bin

CIFAR-10 is read in its binary version: the one for Python is a pickle, which could run any code.
"""

from __future__ import annotations

import os

from nn.datasets.dataset import Dataset
from nn.datasets.download import data_folder
from nn.datasets.sources import CIFAR10, FASHION_MNIST, MNIST, Names

Root = str | os.PathLike[str] | None


def mnist(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """70,000 handwritten digits of 28×28 pixels: 60,000 to train, 10,000 to test (12 MB to fetch).

    root: the folder that holds the files; None takes the folder in the environment variable
        TINYGRAD_SM_DATA, else ~/.cache/tinygrad_sm.
    download: fetch files that are not there.
    classes: the classes to keep, by name or number, numbered anew in the order given; None
        keeps all.
    flatten: an image is a row of numbers, (N, 784), as a linear layer wants it.

    Returns (train, test). x is float32 of shape (N, 1, 28, 28), from 0 (paper) to 1 (ink); y is
    int64 of shape (N,). The names of the classes are in `train.classes`.

    Raises DownloadError (an OSError) if a file cannot be fetched, FileNotFoundError if it is not
    there and download is False, ValueError if what is there is not the file it should be.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist (sizes and format); checksums
    and mirror as in torchvision.datasets.MNIST.
    """
    from nn.datasets.formats import load_idx

    return load_idx(MNIST, data_folder(root), download, classes, flatten)


def fashion_mnist(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """70,000 pictures of clothes, in the format of MNIST and harder to tell apart (31 MB to fetch).

    Arguments, results and errors are those of `mnist`; the classes are T-shirt/top, Trouser,
    Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag and Ankle boot.

    Source: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747, MIT licence; checksums as in
    torchvision.datasets.FashionMNIST and at https://github.com/zalandoresearch/fashion-mnist.
    """
    from nn.datasets.formats import load_idx

    return load_idx(FASHION_MNIST, data_folder(root), download, classes, flatten)


def cifar10(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """60,000 colour photographs of 32×32 pixels: 50,000 to train, 10,000 to test (170 MB to fetch).

    Arguments and errors are those of `mnist`. x has the shape (N, 3, 32, 32), red, green and blue;
    flat (N, 3072). All of it takes 740 MB in memory, a few classes their share:

        train, test = cifar10(classes=("cat", "dog", "bird"))    # cat 0, dog 1, bird 2

    The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.

    Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images"; format and
    checksum at https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    from nn.datasets.formats import load_cifar

    return load_cifar(CIFAR10, data_folder(root), download, classes, flatten)
