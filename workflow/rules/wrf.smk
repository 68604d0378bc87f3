"""The map for other programs: the LCZ Generator's three bands, WUDAPT's codes for UMEP and SUEWS, and WRF."""


rule export_lcz_generator:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        filtered="results/{city}/{period}/lcz_filtered.tif",
        confidence="results/{city}/{period}/confidence.tif",
    output:
        bands="results/{city}/{period}/exports/lcz_generator.tif",
    log:
        "logs/export_lcz_generator/{city}_{period}.log",
    benchmark:
        "benchmarks/export_lcz_generator/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=6000,  # for 10,000 × 10,000 cells
    shell:
        "python -m lczmap export-lcz-generator {input.lcz:q} {input.filtered:q} {input.confidence:q} "
        "{output.bands:q} > {log:q} 2>&1"


rule export_wudapt:
    input:
        filtered="results/{city}/{period}/lcz_filtered.tif",
    output:
        lcz="results/{city}/{period}/exports/lcz_wudapt.tif",
        names="results/{city}/{period}/exports/lcz_wudapt.tif.aux.xml",
    log:
        "logs/export_wudapt/{city}_{period}.log",
    benchmark:
        "benchmarks/export_wudapt/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        palette=setting("map.palette"),
    shell:
        "python -m lczmap export-wudapt {input.filtered:q} {output.lcz:q} --palette {params.palette:q} "
        "> {log:q} 2>&1"


rule export_wrf:
    input:
        bands="results/{city}/{period}/exports/lcz_generator.tif",
    output:
        table="results/{city}/{period}/exports/wrf/urban_parameters.csv",
        readme="results/{city}/{period}/exports/wrf/README.txt",
    log:
        "logs/export_wrf/{city}_{period}.log",
    benchmark:
        "benchmarks/export_wrf/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap export-wrf {input.bands:q} {output.table:q} {output.readme:q} > {log:q} 2>&1"
