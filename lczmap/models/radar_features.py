"""The seven radar features of the So2Sat Global Urban LCZ product, made from the eight channels of So2Sat.

After the description and the public code of the product (zhu-xlab/So2Sat-LCZ-Classification-Demo, MIT; facts only): 10
log10 of the unfiltered |VH|^2 and |VV|^2, coherence of their 3 x 3 mean covariance, 10 log10 of the refined-Lee VH and
VV, coherence of the refined-Lee covariance, cosine of the phase of its off-diagonal element.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import avg_pool2d

FEATURES = ("VH_db", "VV_db", "coherence_3x3", "VH_lee_db", "VV_lee_db", "coherence_lee", "cos_phase_lee")
EPS_UNFILTERED = 2.0**-52  # for a power of zero, -156.5 dB: machine epsilon of float64, which the product computes in
EPS_LEE = 2.0**-23  # -69.2 dB: machine epsilon of float32, in which the product keeps the filtered channels


def radar_features(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the features (B, 7, H, W) of `so2sat8` channels (B, 8, H, W), and where they are valid (B, 1, H, W).

    Linear units, 0 or NaN where missing. Valid is a pixel with refined-Lee power, as in the product. An unfiltered
    power of zero becomes the mean power of the 3 x 3 pixels around, then EPS_UNFILTERED. At the borders of the array
    the 3 x 3 windows are the part that is there, and missing pixels count as outside.
    """
    x = x.nan_to_num()
    vh_re, vh_im, vv_re, vv_im, vh_lee, vv_lee, c12_re, c12_im = torch.split(x, 1, dim=1)  # (B, 1, H, W) each
    valid = vh_lee + vv_lee > 0
    covariance = [
        vh_re**2 + vh_im**2,
        vv_re**2 + vv_im**2,
        vh_re * vv_re + vh_im * vv_im,
        vh_im * vv_re - vh_re * vv_im,
    ]
    mean = _mean_3x3(torch.cat(covariance, dim=1), valid)  # (B, 4, H, W)
    mean_vh, mean_vv, mean_re, mean_im = torch.split(mean, 1, dim=1)
    features = [
        _decibel(torch.where(covariance[0] == 0, mean_vh, covariance[0]), EPS_UNFILTERED),
        _decibel(torch.where(covariance[1] == 0, mean_vv, covariance[1]), EPS_UNFILTERED),
        _coherence(mean_vh, mean_vv, mean_re, mean_im),
        _decibel(vh_lee, EPS_LEE),
        _decibel(vv_lee, EPS_LEE),
        _coherence(vh_lee, vv_lee, c12_re, c12_im),
        torch.cos(torch.atan2(c12_im, c12_re)),
    ]
    return torch.cat(features, dim=1), valid


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of the features over pixels, (7,) float64; parts can be added."""

    count: int = 0
    mean: torch.Tensor | None = None
    squares: torch.Tensor | None = None

    def plus(self, features: torch.Tensor, valid: torch.Tensor) -> Moments:
        """Return the moments with the valid pixels of features (B, 7, H, W) and valid (B, 1, H, W) added.

        After T. F. Chan, G. H. Golub, R. J. LeVeque, 1979: exact for parts of any size, no difference of large sums.
        """
        pixels = features.permute(0, 2, 3, 1)[valid[:, 0]].double()  # (N, 7)
        if not len(pixels):
            return self
        mean = pixels.mean(dim=0)
        squares = ((pixels - mean) ** 2).sum(dim=0)
        if self.mean is None or self.squares is None:
            return Moments(len(pixels), mean, squares)
        total = self.count + len(pixels)
        difference = mean - self.mean
        weight = self.count * len(pixels) / total
        return Moments(
            total,
            self.mean + difference * (len(pixels) / total),
            self.squares + squares + difference**2 * weight,
        )

    def mean_and_std(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and standard deviation (7,) float32 over all pixels; ValueError when there is none."""
        if self.mean is None or self.squares is None:
            raise ValueError("expected radar pixels with power, got none: check the Sentinel-1 stacks")
        return self.mean.float(), (self.squares / self.count).sqrt().float()


def _mean_3x3(x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the mean (B, C, H, W) over the valid pixels of each 3 x 3 window, 0 where there is none."""
    weights = valid.to(x.dtype)  # (B, 1, H, W)
    total = avg_pool2d(x * weights, 3, 1, 1)  # sum / 9
    share = avg_pool2d(weights, 3, 1, 1)  # count / 9
    return total / share.clamp(min=1 / 9)


def _decibel(power: torch.Tensor, eps: float) -> torch.Tensor:
    return 10 * torch.where(power > 0, power, eps).log10()


def _coherence(power1: torch.Tensor, power2: torch.Tensor, real: torch.Tensor, imaginary: torch.Tensor) -> torch.Tensor:
    """Return |C12| / sqrt(C11 C22), 0 where there is no power."""
    power = power1.sqrt() * power2.sqrt()
    return torch.where(power > 0, torch.hypot(real, imaginary) / power.clamp(min=1e-30), 0.0)
