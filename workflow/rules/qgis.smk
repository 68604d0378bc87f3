"""For QGIS and other maps: styles, the natural-colour picture, the outline, the training areas, a ready project."""


rule write_style:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        filtered="results/{city}/{period}/lcz_filtered.tif",
        confidence="results/{city}/{period}/confidence.tif",
    output:
        lcz="results/{city}/{period}/lcz.qml",
        lcz_colors="results/{city}/{period}/lcz.clr",
        filtered="results/{city}/{period}/lcz_filtered.qml",
        filtered_colors="results/{city}/{period}/lcz_filtered.clr",
        confidence="results/{city}/{period}/confidence.qml",
    log:
        "logs/write_style/{city}_{period}.log",
    benchmark:
        "benchmarks/write_style/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        palette=setting("map.palette"),
        numbering="lcz",
    shell:
        "python -m lczmap write-style {input:q} --palette {params.palette} --numbering {params.numbering} "
        "> {log:q} 2>&1"


use rule write_style as write_style_compared with:
    input:
        lcz="results/{city}/{period}/models/{model}/lcz.tif",
        filtered="results/{city}/{period}/models/{model}/lcz_filtered.tif",
        confidence="results/{city}/{period}/models/{model}/confidence.tif",
    output:
        lcz="results/{city}/{period}/models/{model}/lcz.qml",
        lcz_colors="results/{city}/{period}/models/{model}/lcz.clr",
        filtered="results/{city}/{period}/models/{model}/lcz_filtered.qml",
        filtered_colors="results/{city}/{period}/models/{model}/lcz_filtered.clr",
        confidence="results/{city}/{period}/models/{model}/confidence.qml",
    log:
        "logs/write_style/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/write_style/{city}_{period}_{model}.tsv"


use rule write_style as write_style_of_generator with:
    input:
        lcz="results/{city}/{period}/exports/lcz_generator.tif",
    output:
        lcz="results/{city}/{period}/exports/lcz_generator.qml",
        lcz_colors="results/{city}/{period}/exports/lcz_generator.clr",
    log:
        "logs/write_style/{city}_{period}_lcz_generator.log",
    benchmark:
        "benchmarks/write_style/{city}_{period}_lcz_generator.tsv"


use rule write_style as write_style_of_wudapt with:
    input:
        lcz="results/{city}/{period}/exports/lcz_wudapt.tif",
    output:
        lcz="results/{city}/{period}/exports/lcz_wudapt.qml",
        lcz_colors="results/{city}/{period}/exports/lcz_wudapt.clr",
    log:
        "logs/write_style/{city}_{period}_lcz_wudapt.log",
    benchmark:
        "benchmarks/write_style/{city}_{period}_lcz_wudapt.tsv"
    params:
        palette=setting("map.palette"),
        numbering="wudapt",


use rule write_style as write_style_of_other_map with:
    input:
        on_grid="results/{city}/{period}/other_maps/{other}/other.tif",
        difference="results/{city}/{period}/other_maps/{other}/difference.tif",
    output:
        on_grid="results/{city}/{period}/other_maps/{other}/other.qml",
        on_grid_colors="results/{city}/{period}/other_maps/{other}/other.clr",
        difference="results/{city}/{period}/other_maps/{other}/difference.qml",
    log:
        "logs/write_style/{city}_{period}_other_{other}.log",
    benchmark:
        "benchmarks/write_style/{city}_{period}_other_{other}.tsv"


rule draw_rgb:
    input:
        grid="results/{city}/grid.json",
        stacks=picture_stacks,
    output:
        picture="results/{city}/{period}/rgb.tif",
    log:
        "logs/draw_rgb/{city}_{period}.log",
    benchmark:
        "benchmarks/draw_rgb/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap draw-rgb {input.grid:q} {output.picture:q} {input.stacks:q} > {log:q} 2>&1"


rule write_aoi:
    input:
        grid="results/{city}/grid.json",
    output:
        outline="results/{city}/{period}/aoi.geojson",
    log:
        "logs/write_aoi/{city}_{period}.log",
    benchmark:
        "benchmarks/write_aoi/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap write-aoi {input.grid:q} {output.outline:q} --name {wildcards.city:q} > {log:q} 2>&1"


rule write_areas:
    input:
        grid="results/{city}/grid.json",
        areas=drawn_areas,
    output:
        layer="results/{city}/{period}/training_areas.gpkg",
    log:
        "logs/write_areas/{city}_{period}.log",
    benchmark:
        "benchmarks/write_areas/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        field=lambda w: options_text({"field": run_of(w).config.training.field}),
        palette=setting("map.palette"),
    shell:
        "python -m lczmap write-areas {input.grid:q} {input.areas:q} {output.layer:q} {params.field} "
        "--palette {params.palette} > {log:q} 2>&1"


rule write_qgis_project:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        filtered="results/{city}/{period}/lcz_filtered.tif",
        confidence="results/{city}/{period}/confidence.tif",
        picture="results/{city}/{period}/rgb.tif",
        outline="results/{city}/{period}/aoi.geojson",
        areas=shown_areas,
    output:
        project="results/{city}/{period}/project.qgs",
    log:
        "logs/write_qgis_project/{city}_{period}.log",
    benchmark:
        "benchmarks/write_qgis_project/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}",
        areas=lambda w, input: options_text({"areas": input.areas or None}),
        palette=setting("map.palette"),
    shell:
        "python -m lczmap write-qgis-project {input.lcz:q} {output.project:q} --filtered {input.filtered:q} "
        "--confidence {input.confidence:q} --picture {input.picture:q} --aoi {input.outline:q} {params.areas} "
        "--title {params.title:q} --palette {params.palette} > {log:q} 2>&1"
