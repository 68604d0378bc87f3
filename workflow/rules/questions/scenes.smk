"""What the rules that find, fetch and stack scenes ask the configuration; no rules here."""


def archive_of(sensor):
    """The archive.yaml of a sensor: the configured one, the simulated city's, or one that is fetched or processed."""

    def path(wildcards):
        run = run_of(wildcards)
        section = getattr(run.config, sensor)
        if section.source == "simulate":
            return f"resources/simulation/{wildcards.city}/archive.yaml"
        described = local_archive(section)
        if described is not None:
            return str(described)
        name = sensor.replace("sentinel", "sentinel-")
        folder = f"resources/scenes/{wildcards.city}/{run.config.period}/{name}"
        return (
            f"{folder}/slc/archive.yaml"
            if section.source == "slc"
            else f"{folder}/archive.yaml"
        )

    return path


def local_archive(section):
    """The archive.yaml of a local source; None where scenes must be fetched or read out of products first."""
    if section.source != "local":
        return None
    path = expand(section.archive, ROOT)
    if not path.is_dir():
        return path
    return path / "archive.yaml" if (path / "archive.yaml").is_file() else None


def source_arguments(wildcards):
    """What `search-archive` and `fetch-scenes` both need to know of a sensor's source."""
    section = section_of(wildcards)
    config = run_of(wildcards).config
    options = {
        "source": section.source,
        "sensor": wildcards.sensor,
        "start": config.start,
        "end": config.end,
        "endpoint": section.endpoint and expand_endpoint(section.endpoint, ROOT),
        "collection": section.collection,
        "bucket": getattr(section, "bucket", None),
        "folder": product_folder(section),
        "level": getattr(section, "level", None),
        "calibration": getattr(section, "calibration", None),
    }
    return options_text(options)


def product_folder(section):
    """The folder of products on disk, where these are the source."""
    on_disk = section.source == "local" or (
        section.source == "slc" and section.provider == "local"
    )
    return expand(section.archive, ROOT) if on_disk else None


def search_arguments(wildcards):
    section = section_of(wildcards)
    options = {
        "provider": section.provider if section.source == "slc" else None,
        "platform": section.platform,
        # every Sentinel-2 product on disk is there to be used; radar products are geocoded one by one
        "max-dates": (
            None
            if (section.source, wildcards.sensor) == ("local", "sentinel-2")
            else section.max_dates
        ),
        "orbit": getattr(section, "orbit", None),
        "relative-orbit": getattr(section, "relative_orbit", None),
        "max-cloud": getattr(section, "max_cloud", None),
        "season": getattr(section, "season", None),
    }
    flags = {
        "one-orbit": getattr(section, "dates", None) == "mean",
        "may-be-empty": getattr(section, "use", None) == "preferred",
    }
    return " ".join(
        [options_text(options), *(f"--{name}" for name, on in flags.items() if on)]
    )


def fetch_arguments(wildcards):
    section = section_of(wildcards)
    options = {
        "upsampling": getattr(section, "upsampling", None),
        **grd_heights(wildcards),
    }
    keep = "" if getattr(section, "remove_noise", True) else " --no-remove-noise"
    return options_text(options) + keep


def platform_arguments(wildcards):
    config = run_of(wildcards).config
    wanted = {config.sentinel2.platform, config.sentinel1.platform} - {"any"}
    return " ".join(f"--platform {name}" for name in sorted(wanted))


def months_arguments(wildcards):
    """The months of a Sentinel-2 composite: those of its season, of the configured one, or all."""
    run = run_of(wildcards)
    composites = months_of(run.config.sentinel2.season, latitude(run.grid))
    number = SEASONS.index(wildcards.view[1:]) if wildcards.view else 0
    return " ".join(f"--month {month}" for month in composites[number])


def sentinel1_archive(wildcards):
    return archive_of("sentinel1")(wildcards) if uses_radar(wildcards) else []


def uses_radar(wildcards):
    return run_of(wildcards).config.sees_radar
