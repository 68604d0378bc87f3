"""What the rules of SLC products and heights ask the configuration; no rules here."""


def grd_heights(wildcards):
    """Heights for GRD products: fetched ones count from the ellipsoid, those of a raster as it is configured."""
    section = section_of(wildcards)
    dem = getattr(section, "dem", None)
    if dem is None:
        return {}
    if dem in NAMED_HEIGHTS:
        return {"dem": heights_of(wildcards)}
    return {"dem": expand(dem, ROOT), "geoid": section.geoid_m}


def fetched_heights(wildcards):
    """The heights that `fetch-scenes` needs to be fetched first."""
    named = getattr(section_of(wildcards), "dem", None) in NAMED_HEIGHTS
    return heights_of(wildcards) if named else []


def heights_of(wildcards):
    """The file of ellipsoidal heights that a run's radar is placed by."""
    return f"resources/heights/{wildcards.city}/{heights_name(run_of(wildcards).config.sentinel1)}.tif"


def heights_name(radar):
    dem = radar.dem or "glo30"
    geoid = "" if radar.geoid_m is None else f"_{radar.geoid_m:+g}m"
    if dem in NAMED_HEIGHTS:
        return dem + geoid
    place = str(expand(dem, ROOT))
    return f"{Path(dem).stem}-{hashlib.sha256(place.encode()).hexdigest()[:8]}{geoid}"


def radar_of_heights(wildcards):
    """The radar section of a run whose heights have the wildcards' name."""
    return next(
        run.config.sentinel1
        for (city, _), run in RUNS.items()
        if city == wildcards.city
        and heights_name(run.config.sentinel1) == wildcards.heights
    )


def own_heights(wildcards):
    """The raster that heights are made of, where it is the user's."""
    dem = radar_of_heights(wildcards).dem or "glo30"
    return [] if dem in NAMED_HEIGHTS else str(expand(dem, ROOT))


def heights_arguments(wildcards):
    """What `fetch-dem` needs to know."""
    radar = radar_of_heights(wildcards)
    dem = radar.dem or "glo30"
    place = dem if dem in NAMED_HEIGHTS else expand(dem, ROOT)
    return options_text({"dem": place, "geoid": radar.geoid_m})


def slc_arguments(wildcards):
    radar = run_of(wildcards).config.sentinel1
    return options_text(
        {
            "provider": radar.provider,
            "endpoint": radar.endpoint and expand_endpoint(radar.endpoint, ROOT),
            "folder": product_folder(radar),
        }
    )


def geometry_layers(wildcards):
    wanted = run_of(wildcards).config.sentinel1.geometry_layers
    return "--geometry-layers" if wanted else ""


def own_orbit(wildcards):
    """The orbit file, or the folder of them, where it is the user's."""
    wish = run_of(wildcards).config.sentinel1.orbit_file
    return [] if wish in ORBIT_KINDS else str(expand(wish, ROOT))


def orbit_file(wildcards):
    wish = run_of(wildcards).config.sentinel1.orbit_file
    return wish if wish in ORBIT_KINDS else expand(wish, ROOT)


def placed_archive(wildcards):
    """SLC scenes geocoded at their measured shift; nothing where scenes are moved when they are stacked."""
    run = run_of(wildcards)
    if run.config.sentinel1.source != "slc":
        return []
    return f"{run.folder}/slc/archive.yaml"
