"""From a checkpoint and stacks to maps: the main network's in the run's folder, others' below models/."""


rule classify_tile:
    input:
        grid="results/{city}/grid.json",
        stacks=stacks(sensors_of_main),
        checkpoint=checkpoint_of_main,
    output:
        probabilities="results/{city}/{period}/tiles/{tile}/probabilities.tif",
    log:
        "logs/classify_tile/{city}_{period}_{tile}.log",
    benchmark:
        "benchmarks/classify_tile/{city}_{period}_{tile}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        mismatch=mismatch_argument,
    shell:
        "python -m lczmap classify-tile {input.grid:q} {input.checkpoint:q} {output.probabilities:q} "
        "--tile {wildcards.tile} {params.mismatch} {input.stacks:q} 2>&1 | tee {log:q}"


use rule classify_tile as classify_tile_compared with:
    input:
        grid="results/{city}/grid.json",
        stacks=stacks(sensors_of_model),
        checkpoint=checkpoint_of_model,
    output:
        probabilities="results/{city}/{period}/models/{model}/tiles/{tile}/probabilities.tif",
    log:
        "logs/classify_tile/{city}_{period}_{model}_{tile}.log",
    benchmark:
        "benchmarks/classify_tile/{city}_{period}_{model}_{tile}.tsv"


rule mosaic_map:
    input:
        grid="results/{city}/grid.json",
        tiles=tile_files("probabilities.tif"),
        checkpoint=checkpoint_of_main,
    output:
        lcz="results/{city}/{period}/lcz.tif",
        names="results/{city}/{period}/lcz.tif.aux.xml",
        probabilities="results/{city}/{period}/probabilities.tif",
    log:
        "logs/mosaic_map/{city}_{period}.log",
    benchmark:
        "benchmarks/mosaic_map/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        palette=setting("map.palette"),
    shell:
        "python -m lczmap mosaic-map {input.grid:q} {input.checkpoint:q} {output.lcz:q} {output.probabilities:q} "
        "{input.tiles:q} --palette {params.palette} > {log:q} 2>&1"


use rule mosaic_map as mosaic_map_compared with:
    input:
        grid="results/{city}/grid.json",
        tiles=tile_files("probabilities.tif"),
        checkpoint=checkpoint_of_model,
    output:
        lcz="results/{city}/{period}/models/{model}/lcz.tif",
        names="results/{city}/{period}/models/{model}/lcz.tif.aux.xml",
        probabilities="results/{city}/{period}/models/{model}/probabilities.tif",
    log:
        "logs/mosaic_map/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/mosaic_map/{city}_{period}_{model}.tsv"


rule explain_tile:
    input:
        grid="results/{city}/grid.json",
        stacks=stacks(sensors_of_main),
        checkpoint=checkpoint_of_main,
        probabilities="results/{city}/{period}/tiles/{tile}/probabilities.tif",
    output:
        explanation="results/{city}/{period}/tiles/{tile}/explanation.tif",
    log:
        "logs/explain_tile/{city}_{period}_{tile}.log",
    benchmark:
        "benchmarks/explain_tile/{city}_{period}_{tile}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        mismatch=mismatch_argument,
    shell:
        "python -m lczmap explain-tile {input.grid:q} {input.checkpoint:q} {input.probabilities:q} "
        "{output.explanation:q} --tile {wildcards.tile} {params.mismatch} {input.stacks:q} > {log:q} 2>&1"


use rule explain_tile as explain_tile_compared with:
    input:
        grid="results/{city}/grid.json",
        stacks=stacks(sensors_of_model),
        checkpoint=checkpoint_of_model,
        probabilities="results/{city}/{period}/models/{model}/tiles/{tile}/probabilities.tif",
    output:
        explanation="results/{city}/{period}/models/{model}/tiles/{tile}/explanation.tif",
    log:
        "logs/explain_tile/{city}_{period}_{model}_{tile}.log",
    benchmark:
        "benchmarks/explain_tile/{city}_{period}_{model}_{tile}.tsv"


rule mosaic_explanation:
    input:
        grid="results/{city}/grid.json",
        tiles=tile_files("explanation.tif"),
        checkpoint=checkpoint_of_main,
    output:
        explanation="results/{city}/{period}/explanation.tif",
    log:
        "logs/mosaic_explanation/{city}_{period}.log",
    benchmark:
        "benchmarks/mosaic_explanation/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap mosaic-explanation {input.grid:q} {input.checkpoint:q} {output.explanation:q} "
        "{input.tiles:q} > {log:q} 2>&1"


use rule mosaic_explanation as mosaic_explanation_compared with:
    input:
        grid="results/{city}/grid.json",
        tiles=tile_files("explanation.tif"),
        checkpoint=checkpoint_of_model,
    output:
        explanation="results/{city}/{period}/models/{model}/explanation.tif",
    log:
        "logs/mosaic_explanation/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/mosaic_explanation/{city}_{period}_{model}.tsv"
