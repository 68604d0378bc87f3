"""From an area of interest to aligned stacks of Sentinel-1 and Sentinel-2, tile by tile."""


rule simulate_city:
    output:
        archive="resources/simulation/{city}/archive.yaml",
        areas="resources/simulation/{city}/training_areas.kml",
        truth="resources/simulation/{city}/truth.tif",
        facts="resources/simulation/{city}/truth.json",
    log:
        "logs/simulate_city/{city}.log",
    benchmark:
        "benchmarks/simulate_city/{city}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        seed=setting("simulation.seed"),
        size=setting("simulation.size_m"),
    shell:
        "python -m lczmap simulate-city {output.archive:q} --seed {params.seed} --size {params.size} 2>&1 | tee {log:q}"


rule define_grid:
    output:
        grid="results/{city}/grid.json",
    log:
        "logs/define_grid/{city}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        place=place_of,
        aoi=lambda w: aoi_argument(run_of(w).config),
        crs=lambda w: getattr(run_of(w).config.aoi, "crs", "EPSG:4326"),
        cell=setting("map.pixel_size_m"),
        tile=setting("map.tile_px"),
        zone=lambda w: options_text({"crs": run_of(w).config.map.crs}),
    shell:
        "python -m lczmap define-grid {output.grid:q} --aoi {params.aoi:q} --aoi-crs {params.crs:q} "
        "--pixel-size {params.cell} --tile-px {params.tile} {params.zone} > {log:q} 2>&1"


# Beside what was fetched: deleted results are made again without a new search
use rule define_grid as define_archive_grid with:
    output:
        grid="resources/scenes/{city}/grid.json",
    log:
        "logs/define_archive_grid/{city}.log",


rule search_archive:
    input:
        grid="resources/scenes/{city}/grid.json",
    output:
        found="resources/scenes/{city}/{period}/{sensor}/found.json",
    log:
        "logs/search_archive/{city}_{period}_{sensor}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        source=source_arguments,
        search=search_arguments,
    shell:
        "python -m lczmap search-archive {input.grid:q} {output.found:q} {params.source} {params.search} "
        "2>&1 | tee {log:q}"


rule fetch_scenes:
    input:
        grid="resources/scenes/{city}/grid.json",
        found="resources/scenes/{city}/{period}/{sensor}/found.json",
        heights=fetched_heights,
    output:
        archive="resources/scenes/{city}/{period}/{sensor}/archive.yaml",
    log:
        "logs/fetch_scenes/{city}_{period}_{sensor}.log",
    benchmark:
        "benchmarks/fetch_scenes/{city}_{period}_{sensor}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 4
    resources:
        mem_mb=3000,
        dask="threads",
    params:
        source=source_arguments,
        fetch=fetch_arguments,
    shell:
        "python -m lczmap fetch-scenes {input.grid:q} {input.found:q} {output.archive:q} {params.source} "
        "{params.fetch} --dask {resources.dask:q} --threads {threads} 2>&1 | tee {log:q}"


rule find_scenes:
    input:
        grid="results/{city}/grid.json",
        sentinel2=archive_of("sentinel2"),
        sentinel1=sentinel1_archive,
        networks=ready_networks,
    output:
        scenes="results/{city}/{period}/scenes.json",
    log:
        "logs/find_scenes/{city}_{period}.log",
    benchmark:
        "benchmarks/find_scenes/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        start=setting("start"),
        end=setting("end"),
        level=setting("sentinel2.level"),
        clouds=setting("sentinel2.cloud_mask"),
        channels=setting("sentinel1.channels"),
        orbit=setting("sentinel1.orbit"),
        relative_orbit=lambda w: options_text(
            {"relative-orbit": run_of(w).config.sentinel1.relative_orbit}
        ),
        platforms=platform_arguments,
        season=setting("sentinel2.season"),
        networks=lambda w, input: " ".join(
            f"--network {shlex.quote(path)}" for path in input.networks
        ),
        radar=lambda w, input: (
            f"--sentinel1 {shlex.quote(str(input.sentinel1))}"
            if input.sentinel1
            else ""
        ),
        optional=lambda w: (
            "--radar-optional" if run_of(w).config.sentinel1.use == "preferred" else ""
        ),
    shell:
        "python -m lczmap find-scenes {input.grid:q} {output.scenes:q} --city {wildcards.city} "
        "--sentinel2 {input.sentinel2:q} {params.radar} "
        "--start {params.start} --end {params.end} --level {params.level} --cloud-mask {params.clouds} "
        "--channels {params.channels} --orbit {params.orbit} {params.relative_orbit} {params.platforms} "
        "--season {params.season} {params.optional} {params.networks} 2>&1 | tee {log:q}"


rule estimate_shifts:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
    output:
        shifts="results/{city}/{period}/coregistration.json",
    log:
        "logs/estimate_shifts/{city}_{period}.log",
    benchmark:
        "benchmarks/estimate_shifts/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        clouds=setting("sentinel2.cloud_mask"),
    shell:
        "python -m lczmap estimate-shifts {input.grid:q} {input.scenes:q} {output.shifts:q} "
        "--cloud-mask {params.clouds} 2>&1 | tee {log:q}"


rule stack_sentinel2:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
        shifts="results/{city}/{period}/coregistration.json",
    output:
        stack="results/{city}/{period}/tiles/{tile}/s2{view}.tif",
    log:
        "logs/stack_sentinel2/{city}_{period}_{tile}{view}.log",
    benchmark:
        "benchmarks/stack_sentinel2/{city}_{period}_{tile}{view}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
        dask="threads",
    params:
        clouds=setting("sentinel2.cloud_mask"),
        halo=HALO_PX,
        composite=setting("sentinel2.composite"),
        upsampling=setting("sentinel2.upsampling"),
        months=months_arguments,
    shell:
        "python -m lczmap stack-sentinel2 {input.grid:q} {input.scenes:q} {input.shifts:q} {output.stack:q} "
        "--tile {wildcards.tile} --cloud-mask {params.clouds} --composite {params.composite} "
        "--upsampling {params.upsampling} {params.months} --dask {resources.dask:q} --threads {threads} "
        "> {log:q} 2>&1"


rule stack_sentinel1:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
        shifts="results/{city}/{period}/coregistration.json",
        placed=placed_archive,
    output:
        stack="results/{city}/{period}/tiles/{tile}/s1{view}.tif",
    log:
        "logs/stack_sentinel1/{city}_{period}_{tile}{view}.log",
    benchmark:
        "benchmarks/stack_sentinel1/{city}_{period}_{tile}{view}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
        dask="threads",
    params:
        channels=setting("sentinel1.channels"),
        halo=HALO_PX,
        dates=setting("sentinel1.dates"),
        max_dates=setting("sentinel1.max_dates"),
        number=lambda w: w.view[1:] or "1",
        placed=lambda w, input: options_text({"placed": input.placed or None}),
    shell:
        "python -m lczmap stack-sentinel1 {input.grid:q} {input.scenes:q} {input.shifts:q} {output.stack:q} "
        "--tile {wildcards.tile} --channels {params.channels} --dates {params.dates} --max-dates {params.max_dates} "
        "--number {params.number} {params.placed} --dask {resources.dask:q} --threads {threads} > {log:q} 2>&1"
