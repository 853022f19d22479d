"""The small networks that the five student texts describe, written to be read one after another.

Each rung says which idea it adds to the one before. All take `(n, 3, h, w)` float32 and give `(n, classes)` logits.
"""

from torch import Tensor, nn


class ConvBatchnorm(nn.Module):
    """Four convolution blocks; the idea: batch normalisation after each convolution, 40 % dropout after each pool.

    Text 003. The text leaves open the number of filters and the dense layer: 16, 32, 64, 128 and 128 are *assumed*.
    It subtracts the mean training image before the first layer; that is preparation and stands in the card.
    """

    def __init__(self, classes: int, dropout: float) -> None:
        """Builds the network; `dropout` stands before the last layer, the blocks keep the text's 40 %."""
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 3
        for filters in (16, 32, 64, 128):
            blocks += [
                nn.Conv2d(channels, filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Dropout(0.4),
            ]
            channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(
            nn.Linear(channels, 128), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(128, classes)
        )

    def forward_features(self, images: Tensor) -> Tensor:
        """The last feature map, `(n, 128, h / 16, w / 16)`."""
        features: Tensor = self.blocks(images)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits from the feature map."""
        logits: Tensor = self.head(self.pool(features).flatten(1))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits from images."""
        return self.forward_head(self.forward_features(images))
