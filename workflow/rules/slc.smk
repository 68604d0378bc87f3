"""Sentinel-1 SLC products become radar channels on the city's pixels (`sentinel1.source: slc`)."""


rule fetch_slc:
    input:
        found="resources/scenes/{city}/{period}/sentinel-1/found.json",
    output:
        products="resources/scenes/{city}/{period}/sentinel-1/products.json",
    log:
        "logs/fetch_slc/{city}_{period}.log",
    benchmark:
        "benchmarks/fetch_slc/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        provider=slc_arguments,
    shell:
        "python -m lczmap fetch-slc {input.found:q} {output.products:q} {params.provider} 2>&1 | tee {log:q}"


rule fetch_orbit:
    input:
        products="resources/scenes/{city}/{period}/sentinel-1/products.json",
        own=own_orbit,
    output:
        orbits="resources/scenes/{city}/{period}/sentinel-1/orbits.json",
    log:
        "logs/fetch_orbit/{city}_{period}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        orbit_file=orbit_file,
    shell:
        "python -m lczmap fetch-orbit {input.products:q} {output.orbits:q} --orbit-file {params.orbit_file:q} "
        "2>&1 | tee {log:q}"


rule fetch_dem:
    input:
        grid="resources/scenes/{city}/grid.json",
        own=own_heights,
    output:
        heights="resources/heights/{city}/{heights}.tif",
    log:
        "logs/fetch_dem/{city}_{heights}.log",
    benchmark:
        "benchmarks/fetch_dem/{city}_{heights}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        dem=heights_arguments,
    shell:
        "python -m lczmap fetch-dem {input.grid:q} {output.heights:q} {params.dem} 2>&1 | tee {log:q}"


rule process_slc:
    input:
        grid="resources/scenes/{city}/grid.json",
        products="resources/scenes/{city}/{period}/sentinel-1/products.json",
        orbits="resources/scenes/{city}/{period}/sentinel-1/orbits.json",
        heights=heights_of,
    output:
        archive="resources/scenes/{city}/{period}/sentinel-1/slc/archive.yaml",
    log:
        "logs/process_slc/{city}_{period}.log",
    benchmark:
        "benchmarks/process_slc/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 4
    resources:
        mem_mb=4000,
    params:
        channels=setting("sentinel1.channels"),
        backend=setting("sentinel1.backend"),
        layers=geometry_layers,
    shell:
        "export NUMBA_NUM_THREADS={threads}; "
        "python -m lczmap process-slc {input.grid:q} {input.products:q} {input.orbits:q} {input.heights:q} "
        "{output.archive:q} --channels {params.channels} --backend {params.backend} {params.layers} "
        "2>&1 | tee {log:q}"


# Complex amplitudes cannot be moved by parts of a pixel: a measured shift enters the geocoding itself
rule place_slc:
    input:
        grid="resources/scenes/{city}/grid.json",
        products="resources/scenes/{city}/{period}/sentinel-1/products.json",
        orbits="resources/scenes/{city}/{period}/sentinel-1/orbits.json",
        heights=heights_of,
        scenes="results/{city}/{period}/scenes.json",
        shifts="results/{city}/{period}/coregistration.json",
    output:
        archive="results/{city}/{period}/slc/archive.yaml",
    log:
        "logs/place_slc/{city}_{period}.log",
    benchmark:
        "benchmarks/place_slc/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 4
    resources:
        mem_mb=4000,
    params:
        channels=setting("sentinel1.channels"),
        backend=setting("sentinel1.backend"),
        layers=geometry_layers,
        dates=setting("sentinel1.dates"),
        max_dates=setting("sentinel1.max_dates"),
    shell:
        "export NUMBA_NUM_THREADS={threads}; "
        "python -m lczmap place-slc {input.grid:q} {input.products:q} {input.orbits:q} {input.heights:q} "
        "{input.scenes:q} {input.shifts:q} {output.archive:q} --channels {params.channels} "
        "--backend {params.backend} {params.layers} --dates {params.dates} --max-dates {params.max_dates} 2>&1 | tee {log:q}"
