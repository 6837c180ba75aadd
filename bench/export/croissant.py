"""Croissant metadata of an exported dataset: its files and columns in JSON that search engines and loaders read.

Akhtar et al.: Croissant: A Metadata Format for ML-Ready Datasets. NeurIPS Datasets and Benchmarks, 2024. The context is
that of the specification, version 1.0: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_NO_ID = re.compile(r"[^A-Za-z0-9._@=+-]")  # in an id, which is part of an address
_TYPES = {"string": "sc:Text", "Int64": "sc:Integer", "int64": "sc:Integer", "float64": "sc:Float"}


def croissant(
    name: str, description: str, licence: str, metadata: tuple[str, str], columns: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """Return the metadata of a dataset of clips with a table beside them.

    The audio is a set of files that the table names by path: loaders of Croissant decode few formats, and none FLAC.

    Args:
        name: name of the dataset.
        description: description in words.
        licence: the hub's identifier of the clips' license; ``other`` if unknown, which is omitted.
        metadata: name of the Parquet file with the table, and its SHA-256.
        columns: pandas type and description of each column by name.
    """
    file, sha256 = metadata
    ids: dict[str, str] = {}
    for column in columns:
        plain = _NO_ID.sub("_", column)
        ids[column] = f"clips/{plain if f'clips/{plain}' not in ids.values() else f'{plain}-{len(ids)}'}"
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": CONFORMS_TO,
        **({} if licence == "other" else {"license": licence}),
        "keywords": ["music", "text-to-music", "benchmark", "tunebench"],
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "metadata",
                "name": "metadata",
                "description": "One row per clip: what was asked for, where the audio is, and every score.",
                "contentUrl": file,
                "encodingFormat": "application/x-parquet",
                "sha256": sha256,
            },
            {
                "@type": "cr:FileSet",
                "@id": "audio",
                "name": "audio",
                "description": "The clips, each as it was generated, 24-bit FLAC.",
                "encodingFormat": "audio/flac",
                "includes": "audio/*/*.flac",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "clips",
                "name": "clips",
                "description": "The clips, the audio of each in the file that file_name names.",
                "key": {"@id": ids["file_name"]},
                "field": [_field(ids[column], column, *about) for column, about in columns.items()],
            }
        ],
    }


def _field(id: str, column: str, kind: str, meaning: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": id,
        "name": column,
        "description": meaning,
        "dataType": _TYPES[kind],
        "source": {"fileObject": {"@id": "metadata"}, "extract": {"column": column}},
    }
