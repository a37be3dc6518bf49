"""A plan as DICOM: the seeds (RTPLAN), their dose (RTDOSE), needles and plates (RTSTRUCT).

Each module has ``build(plan) -> bytes``; ``docs/dicom.md`` says what stands where.
"""
