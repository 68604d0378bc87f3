"""ASF on the loopback: NASA's catalogue of bursts, the service that cuts bursts out, and the login before it.

Items have the format of the recorded one in asf_search's own tests; the metadata file of a burst has the layout that
burst2safe reads. ASF is 127.0.0.1, NASA's login is localhost, and the store to which ASF sends visitors is 127.1: the
same server, but three hosts, so that it shows what is sent to which.
"""

from __future__ import annotations

import zipfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
import shapely
from loopback import Answer, Loopback, Request

from lczmap.scenes.slc.asf import Asf
from lczmap.scenes.slc.asf_login import LoginPlaces

NAME, PASSWORD, TOKEN = "someone", "p:ss wörd", "edl-token"
BURSTS, LINES, SAMPLES = 3, 6, 5
SWATHS, POLARISATIONS = ("IW1", "IW2", "IW3"), ("VV", "VH")
Image = tuple[str, str]


@dataclass(frozen=True)
class Slice:
    """One SLC product that bursts are cut from; `lines` and `samples` are those of one burst."""

    letter: str = "A"
    start: str = "2026-01-11T17:40:00"
    unit: str = "0A1B"
    absolute_orbit: int = 60_000
    relative_orbit: int = 59
    direction: str = "ASCENDING"
    south: float = 52.0
    lines: int = LINES
    samples: int = SAMPLES

    @property
    def name(self) -> str:
        start = self.start.replace("-", "").replace(":", "")
        return f"S1{self.letter}_IW_SLC__1SDV_{start}_{start[:-2]}27_{self.absolute_orbit:06d}_07ABCD_{self.unit}"

    def stem(self, image: Image) -> str:
        number = SWATHS.index(image[0]) + 3 * (image[1] == "VV") + 1
        return f"s1{self.letter.lower()}-{image[0].lower()}-slc-{image[1].lower()}-t1-t2-060000-07abcd-{number:03d}"

    def outline(self, swath: str, index: int) -> shapely.Polygon:
        west = 0.9 * SWATHS.index(swath)
        south = self.south + 0.17 * index
        return shapely.box(west, south, west + 1.0, south + 0.19)


def pixels(one: Slice, image: Image, index: int) -> np.ndarray:
    """A burst's digital numbers: no two bursts, polarisations, lines or samples are alike."""
    lines, samples = np.mgrid[0 : one.lines, 0 : one.samples]
    number = 100 * index + 1000 * SWATHS.index(image[0]) + 5000 * (image[1] == "VV")
    return (number + 10 * lines - 1j * (number + samples)).astype(np.complex64)


def contents(one: Slice, image: Image) -> dict[str, ElementTree.Element]:
    """The annotation of an image by kind, as far as a burst product needs it."""
    texts = {
        "product": f"""<product><adsHeader><polarisation>{image[1]}</polarisation></adsHeader>
            <imageAnnotation><imageInformation><numberOfLines>{BURSTS * one.lines}</numberOfLines>
            <numberOfSamples>{one.samples}</numberOfSamples></imageInformation></imageAnnotation>
            <swathTiming><linesPerBurst>{one.lines}</linesPerBurst><samplesPerBurst>{one.samples}</samplesPerBurst>
            <burstList count="{BURSTS}"/></swathTiming></product>""",
        "calibration": f"<calibration><sigmaNought count='2'>3.1e+02 {len(image[0])}</sigmaNought></calibration>",
        "noise": "<noise><noiseRangeLut>1 2</noiseRangeLut></noise>",
        "rfi": "<rfi><adsHeader/></rfi>",
    }
    return {kind: ElementTree.fromstring(text) for kind, text in texts.items()}


def manifest(one: Slice) -> ElementTree.Element:
    images = [(swath, polarisation) for polarisation in POLARISATIONS for swath in SWATHS]
    units, objects, described = "", "", ""
    for image in images:
        stem = one.stem(image)
        key = stem.replace("-", "")
        names = {
            "product": f"annotation/{stem}.xml", "noise": f"annotation/calibration/noise-{stem}.xml",
            "calibration": f"annotation/calibration/calibration-{stem}.xml", "rfi": f"annotation/rfi/rfi-{stem}.xml",
        }  # fmt: skip
        for kind, name in names.items():
            pointer = f"<dataObjectPointer dataObjectID='{kind}{key}'/>"
            described += f"<metadataObject ID='{kind}{key}Annotation'>{pointer}</metadataObject>"
            units += f"<xfdu:contentUnit repID='s1Level1Schema'>{pointer}</xfdu:contentUnit>"
            objects += _data_object(f"{kind}{key}", name)
        annotations = " ".join(f"{kind}{key}Annotation" for kind in names)
        units += f"<xfdu:contentUnit repID='s1Level1MeasurementSchema' dmdID='{annotations}'>"
        units += f"<dataObjectPointer dataObjectID='{key}'/></xfdu:contentUnit>"
        objects += _data_object(key, f"measurement/{stem}.tiff")
    objects += _data_object("quicklook", "preview/quick-look.png")
    return ElementTree.fromstring(
        f"""<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel-1.0">
        <informationPackageMap><xfdu:contentUnit dmdID="platform">{units}</xfdu:contentUnit></informationPackageMap>
        <metadataSection><metadataObject ID="platform"><metadataWrap><xmlData><safe:platform>
        <safe:familyName>SENTINEL-1</safe:familyName><safe:number>{one.letter}</safe:number>
        </safe:platform></xmlData></metadataWrap></metadataObject>{described}</metadataSection>
        <dataObjectSection>{objects}</dataObjectSection></xfdu:XFDU>"""
    )


def _data_object(key: str, name: str) -> str:
    return (
        f"<dataObject ID='{key}'><byteStream mimeType='x' size='1'><fileLocation href='./{name}'/>"
        "<checksum checksumName='MD5'>0</checksum></byteStream></dataObject>"
    )


def metadata(product: ElementTree.Element, annotations: dict[Image, dict[str, ElementTree.Element]]) -> bytes:
    """The metadata file of a burst: the product's manifest, and the annotations with their root element renamed."""
    root = ElementTree.Element("burst")
    ElementTree.SubElement(root, "manifest").append(product)
    entries = ElementTree.SubElement(root, "metadata")
    for (swath, polarisation), kinds in annotations.items():
        for kind, annotation in kinds.items():
            entry = ElementTree.SubElement(entries, kind)
            ElementTree.SubElement(entry, "swath").text = swath
            ElementTree.SubElement(entry, "polarisation").text = polarisation
            ElementTree.SubElement(entry, "content").extend(list(annotation))
    return ElementTree.tostring(root)


def made_metadata(one: Slice, polarisation: str) -> bytes:
    images = {(swath, polarisation): contents(one, (swath, polarisation)) for swath in SWATHS}
    return metadata(manifest(one), images)


def real_metadata(path: Path, polarisation: str) -> bytes:
    """The metadata file that bursts of a product on disk, a zip file, would have."""
    with zipfile.ZipFile(path) as archive:
        texts = {Path(name).name: archive.read(name) for name in archive.namelist() if name.endswith((".xml", ".safe"))}
    annotations: dict[Image, dict[str, ElementTree.Element]] = {}
    for name, text in texts.items():
        if f"-slc-{polarisation.lower()}-" in name:
            root = ElementTree.fromstring(text)
            image = root.findtext("adsHeader/swath"), root.findtext("adsHeader/polarisation")
            annotations.setdefault(image, {})[root.tag] = root
    return metadata(ElementTree.fromstring(texts["manifest.safe"]), annotations)


def write_tiff(path: Path, values: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="complex_int16", count=1, height=values.shape[0], width=values.shape[1],
        **options,
    ) as target:  # fmt: skip
        target.write(values, 1)


class FakeAsf:
    """The services; `cookie` is the one that lets in now, `preparing` how often a burst is answered with 202 first."""

    def __init__(self, server: Loopback, slices: list[Slice], folder: Path) -> None:
        self.server, self.slices, self.folder = server, slices, folder
        self.cookie, self.logins, self.preparing = "asf-urs=1", 0, 0
        self.lacking: set[tuple[str, str, int, str]] = set()
        self._asked: dict[str, int] = {}
        self.nasa, self.store = (server.url.replace("127.0.0.1", host) for host in ("localhost", "127.1"))
        places = LoginPlaces(f"{server.url}/protected.xml", "localhost", ("127.0.0.1",))
        self.service = Asf(f"{server.url}/search/granules.umm_json", places)
        server.route("GET", "/search/granules.umm_json", self._search)
        server.route("GET", "/protected.xml", self._protected)
        server.route("GET", "/oauth/authorize", self._authorise)
        server.route("GET", "/login", self._login)
        server.route("GET", r"/(?P<rest>S1[A-Z]_IW_SLC.*/IW\d/V[VH]/\d+\.(tiff|xml))", self._burst)
        server.files("/store", folder)

    def hold(self) -> None:
        """Write the bursts of made-up slices, and their metadata, into the store."""
        for one in self.slices:
            for image in ((s, p) for s in SWATHS for p in POLARISATIONS):
                for index in range(BURSTS):
                    place = self.folder / one.name / image[0] / image[1]
                    write_tiff(place / f"{index}.tiff", pixels(one, image, index))
                    (place / f"{index}.xml").write_bytes(made_metadata(one, image[1]))

    def items(self) -> list[dict[str, Any]]:
        return [
            self._item(one, swath, index, polarisation)
            for one in self.slices
            for swath in SWATHS
            for index in range(BURSTS)
            for polarisation in POLARISATIONS
            if (one.unit, swath, index, polarisation) not in self.lacking
        ]

    def _item(self, one: Slice, swath: str, index: int, polarisation: str) -> dict[str, Any]:
        number = 122_000 + 3 * index
        start = f"{one.start[:-2]}{int(one.start[-2:]) + 3 * index + SWATHS.index(swath):02d}"
        address = f"{self.server.url}/{one.name}/{swath}/{polarisation}/{index}"
        name = f"S1_{number}_{swath}_{start.replace('-', '').replace(':', '')}_{polarisation}_{one.unit}-BURST"
        facts = {
            "ASCENDING_DESCENDING": one.direction, "BEAM_MODE": "IW", "BURST_ID_ABSOLUTE": 127_260_595,
            "BURST_ID_FULL": f"{one.relative_orbit:03d}_{number}_{swath}", "BURST_ID_RELATIVE": number,
            "BURST_INDEX": index, "BYTE_LENGTH": 4 * one.lines * one.samples, "PATH_NUMBER": one.relative_orbit,
            "GROUP_ID": f"S1{one.letter}_IWDV_0170_0175_{one.absolute_orbit:06d}_{one.relative_orbit:03d}",
            "POLARIZATION": polarisation, "PROCESSING_TYPE": "BURST", "SAMPLES_PER_BURST": one.samples,
            "SUBSWATH_NAME": swath,
        }  # fmt: skip
        corners = shapely.geometry.mapping(one.outline(swath, index))["coordinates"][0]
        points = [{"Latitude": lat, "Longitude": lon} for lon, lat in corners]
        outline = {"Geometry": {"GPolygons": [{"Boundary": {"Points": points}}]}}
        period = {"BeginningDateTime": f"{start}.658932Z", "EndingDateTime": f"{start}.900000Z"}
        return {
            "meta": {"concept-type": "granule", "native-id": name, "provider-id": "ASF"},
            "umm": {
                "GranuleUR": name,
                "TemporalExtent": {"RangeDateTime": period},
                "OrbitCalculatedSpatialDomains": [{"OrbitNumber": one.absolute_orbit}],
                "AdditionalAttributes": [{"Name": key, "Values": [str(value)]} for key, value in facts.items()],
                "SpatialExtent": {"HorizontalSpatialDomain": outline},
                "CollectionReference": {"ShortName": "SENTINEL-1_BURSTS", "Version": "1"},
                "RelatedUrls": [
                    {"URL": "www.asf.alaska.edu/sar-data-sets/sentinel-1", "Type": "VIEW RELATED INFORMATION"},
                    {"URL": f"{address}.tiff", "Type": "USE SERVICE API"},
                    {"URL": f"{address}.xml", "Type": "USE SERVICE API"},
                ],
                "InputGranules": [f"{one.name}-SLC"],
                "Platforms": [{"Instruments": [{"ShortName": "C-SAR"}], "ShortName": f"SENTINEL-1{one.letter}"}],
            },
        }  # fmt: skip

    def _search(self, asked: Request) -> Answer:
        query = asked.query
        assert (query["provider"], query["shortName"]) == ("ASF", "SENTINEL-1_BURSTS")
        area = shapely.box(*map(float, query["bounding_box"].split(",")))
        first, last = query["temporal"].split(",")
        inside = [item for item in self.items() if _touches(item, area) and first <= _start(item) <= last]
        inside.sort(key=lambda item: item["umm"]["GranuleUR"])
        size, page = int(query["page_size"]), int(query["page_num"])
        return Answer.of({"hits": len(inside), "took": 5, "items": inside[(page - 1) * size : page * size]})

    def _protected(self, asked: Request) -> Answer:
        authorisation = asked.headers.get("Authorization", "")
        if authorisation == f"Bearer {TOKEN}":
            self.logins += 1
            return Answer(
                b"", 303, {"Location": f"{self.store}/store/small.xml", "Set-Cookie": f"{self.cookie}; Path=/"}
            )
        if self.cookie in asked.headers.get("Cookie", ""):
            return Answer(b"", 303, {"Location": f"{self.store}/store/small.xml"})
        return Answer(b"", 403) if "asf-urs" in asked.headers.get("Cookie", "") else self._to_nasa()

    def _to_nasa(self) -> Answer:
        return Answer(b"", 302, {"Location": f"{self.nasa}/oauth/authorize?client_id=x&response_type=code"})

    def _authorise(self, asked: Request) -> Answer:
        expected = "Basic " + b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        if asked.headers.get("Authorization") != expected:
            return Answer(b"HTTP Basic: Access denied.", 401, {"WWW-Authenticate": "Basic"})
        return Answer(b"", 302, {"Location": f"{self.server.url}/login?code=123"})

    def _login(self, asked: Request) -> Answer:
        assert asked.query["code"] == "123"
        self.logins += 1
        return Answer(b"", 302, {"Location": "/protected.xml", "Set-Cookie": f"{self.cookie}; Path=/"})

    def _burst(self, asked: Request) -> Answer:
        cookies = asked.headers.get("Cookie", "")
        if self.cookie not in cookies:
            return Answer(b"", 403) if "asf-urs" in cookies else self._to_nasa()
        times = self._asked[asked.path] = self._asked.get(asked.path, 0) + 1
        if times <= self.preparing:
            return Answer.of({"status": "accepted"}, 202)
        return Answer(b"", 307, {"Location": f"{self.store}/store/{asked.parts['rest']}"})


def _touches(item: dict[str, Any], area: shapely.Polygon) -> bool:
    points = item["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"][0]["Boundary"]["Points"]
    return shapely.Polygon([(p["Longitude"], p["Latitude"]) for p in points]).intersects(area)


def _start(item: dict[str, Any]) -> str:
    return item["umm"]["TemporalExtent"]["RangeDateTime"]["BeginningDateTime"]
