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
        aoi=lambda w: aoi_argument(run_of(w).config),
        crs=lambda w: getattr(run_of(w).config.aoi, "crs", "EPSG:4326"),
        cell=setting("map.pixel_size_m"),
        tile=setting("map.tile_px"),
    shell:
        "python -m lczmap define-grid {output.grid:q} --aoi {params.aoi:q} --aoi-crs {params.crs:q} "
        "--pixel-size {params.cell} --tile-px {params.tile} > {log:q} 2>&1"


rule find_scenes:
    input:
        grid="results/{city}/grid.json",
        sentinel2=archive_of("sentinel2"),
        sentinel1=sentinel1_archive,
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
        radar=lambda w, input: (
            f"--sentinel1 {shlex.quote(str(input.sentinel1))}"
            if input.sentinel1
            else ""
        ),
    shell:
        "python -m lczmap find-scenes {input.grid:q} {output.scenes:q} --city {wildcards.city} "
        "--sentinel2 {input.sentinel2:q} {params.radar} "
        "--start {params.start} --end {params.end} --level {params.level} --cloud-mask {params.clouds} "
        "--channels {params.channels} --orbit {params.orbit} 2>&1 | tee {log:q}"


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
    output:
        stack="results/{city}/{period}/tiles/{tile}/s2.tif",
    log:
        "logs/stack_sentinel2/{city}_{period}_{tile}.log",
    benchmark:
        "benchmarks/stack_sentinel2/{city}_{period}_{tile}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        clouds=setting("sentinel2.cloud_mask"),
    shell:
        "python -m lczmap stack-sentinel2 {input.grid:q} {input.scenes:q} {output.stack:q} --tile {wildcards.tile} "
        "--cloud-mask {params.clouds} > {log:q} 2>&1"


rule stack_sentinel1:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
        shifts="results/{city}/{period}/coregistration.json",
    output:
        stack="results/{city}/{period}/tiles/{tile}/s1.tif",
    log:
        "logs/stack_sentinel1/{city}_{period}_{tile}.log",
    benchmark:
        "benchmarks/stack_sentinel1/{city}_{period}_{tile}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        channels=setting("sentinel1.channels"),
    shell:
        "python -m lczmap stack-sentinel1 {input.grid:q} {input.scenes:q} {input.shifts:q} {output.stack:q} "
        "--tile {wildcards.tile} --channels {params.channels} > {log:q} 2>&1"
