"""Make template_designer/demo_case/dicom from case L1: the shipped CT is cropped and compressed.

    python scripts/make_demo_case.py ../shared/cases/L1

Slices beyond 50 mm of the target (and the plate) are dropped, columns and rows are cut to the body
and the couch under it; pixel values are kept bit by bit (RLE lossless). Contours are kept on the
slices that remain. Run once; the result is committed.
"""

import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import RLELossless, generate_uid

KEEP_MM = 56.0
MARGIN_PX = 6


def main(source: Path) -> None:
    """Read case L1, write the crop beside the package's demo case file."""
    target = Path(__file__).parents[1] / "template_designer" / "demo_case" / "dicom"
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.dcm"):
        old.unlink()
    structures = pydicom.dcmread(source / "dicom" / "RS.dcm")
    slices = sorted(
        (pydicom.dcmread(path) for path in (source / "dicom").glob("CT_*.dcm")),
        key=lambda ds: float(ds.ImagePositionPatient[2]),
    )
    centre = -279.3  # middle of the target, LPS z, from the case file
    kept = [ds for ds in slices if abs(float(ds.ImagePositionPatient[2]) - centre) <= KEEP_MM]
    heights = [float(ds.ImagePositionPatient[2]) for ds in kept]
    first_row, last_row, first_column, last_column = body_box(structures, kept[0])
    uids = set()
    for number, ds in enumerate(kept, start=1):
        pixels = ds.pixel_array[first_row:last_row, first_column:last_column]
        shift = np.array([first_column * ds.PixelSpacing[1], first_row * ds.PixelSpacing[0], 0.0])
        ds.ImagePositionPatient = [
            f"{v:.5f}" for v in np.array(ds.ImagePositionPatient, float) + shift
        ]
        ds.Rows, ds.Columns = pixels.shape
        ds.PixelData = np.ascontiguousarray(pixels).tobytes()
        ds.InstanceNumber = number
        ds.compress(RLELossless, generate_instance_uid=False)
        uids.add(ds.SOPInstanceUID)
        ds.save_as(target / f"CT_{number:03d}.dcm", enforce_file_format=True)
    for item in structures.ROIContourSequence:
        item.ContourSequence = [
            contour
            for contour in item.ContourSequence
            if min(abs(float(contour.ContourData[2]) - z) for z in heights) < 0.1
        ]
    drop_references(structures, uids)
    structures.SOPInstanceUID = generate_uid(entropy_srcs=["template-designer demo case"])
    structures.file_meta.MediaStorageSOPInstanceUID = structures.SOPInstanceUID
    structures.save_as(target / "RS.dcm", enforce_file_format=True)
    total = sum(path.stat().st_size for path in target.glob("*.dcm"))
    print(f"{len(kept)} slices, {total / 1e6:.2f} MB")


def body_box(structures: pydicom.Dataset, image: pydicom.Dataset) -> tuple[int, int, int, int]:
    """Rows and columns that hold the body, with a margin (more behind, for the couch)."""
    names = {item.ROINumber: item.ROIName for item in structures.StructureSetROISequence}
    body = next(
        item for item in structures.ROIContourSequence if names[item.ReferencedROINumber] == "Body"
    )
    points = np.vstack([np.reshape(c.ContourData, (-1, 3)) for c in body.ContourSequence]).astype(
        float
    )
    spacing = float(image.PixelSpacing[0])
    pixel = (points[:, :2] - np.array(image.ImagePositionPatient, float)[:2]) / spacing
    low = np.floor(pixel.min(axis=0)).astype(int) - MARGIN_PX
    high = np.ceil(pixel.max(axis=0)).astype(int) + MARGIN_PX
    low, high = np.maximum(low, 0), np.minimum(high, [image.Columns, image.Rows])
    return int(low[1]), int(high[1]), int(low[0]), int(high[0])


def drop_references(structures: pydicom.Dataset, uids: set[str]) -> None:
    """Keep only references to images that are shipped."""
    for frame in structures.ReferencedFrameOfReferenceSequence:
        for study in frame.RTReferencedStudySequence:
            for series in study.RTReferencedSeriesSequence:
                series.ContourImageSequence = [
                    item
                    for item in series.ContourImageSequence
                    if item.ReferencedSOPInstanceUID in uids
                ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
