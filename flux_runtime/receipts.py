"""What a receipt holds of a request's pictures, as hashes: enough to know them again, nothing to see."""

from __future__ import annotations

from flux_runtime.interface import EditRequest, ReceiptRegion, Region
from flux_runtime.picture import pixels_sha256


def picture_hashes(request: EditRequest) -> tuple[str, ...]:
    """Of the source and the other images, in order, each as RGB."""
    return tuple(pixels_sha256(image.convert("RGB")) for image in request.images)


def region_of_receipt(region: Region | None) -> ReceiptRegion | None:
    """A region by its box, or by the hash of its mask as 8-bit grey."""
    if region is None:
        return None
    mask = None if region.mask is None else pixels_sha256(region.mask.convert("L"))
    return ReceiptRegion(box=region.box, mask_sha256=mask, outside=region.outside)
