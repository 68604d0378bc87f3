"""From labels to a checkpoint: patches of the training areas, training, public weights, adaptation, ensembles."""


rule select_patches:
    input:
        grid="results/{city}/grid.json",
        labels=labels_of,
    output:
        patches="results/{city}/{period}/patches.gpkg",
        counts="results/{city}/{period}/patches.json",
    log:
        "logs/select_patches/{city}_{period}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        split=split_arguments,
    shell:
        "python -m lczmap select-patches {input.grid:q} {input.labels:q} {output.patches:q} {output.counts:q} "
        "{params.split} 2>&1 | tee {log:q}"


use rule select_patches as select_reference with:
    input:
        grid="results/{city}/grid.json",
        labels=drawn_areas,
    output:
        patches="results/{city}/{period}/reference.gpkg",
        counts="results/{city}/{period}/reference.json",
    log:
        "logs/select_patches/{city}_{period}_reference.log",
    params:
        split=area_arguments,


rule train_model:
    input:
        grids=taught_grids,
        patches=taught_patches,
        stacks=taught_stacks,
        teacher=teacher_map,
        quality=ancient(examined_areas),  # findings are there before hours are spent; new ones teach nothing new
        tested=ancient(tested_areas),  # likewise: too few polygons for a test stop the run here
    output:
        checkpoint="results/{city}/{period}/models/{model}/checkpoint.safetensors",
        description="results/{city}/{period}/models/{model}/checkpoint.json",
    log:
        "logs/train_model/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/train_model/{city}_{period}_{model}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 8
    resources:
        mem_mb=3000,
        gpu=0,
        strategy="auto",
    params:
        tiles=lambda w: taught_tiles(w)[0],
        further=further_cities,
        recipe=recipe_arguments,
        stacks=stack_arguments,
        teacher=lambda w, input: (
            f"--teacher {shlex.quote(str(input.teacher))}" if input.teacher else ""
        ),
    shell:
        "python -m lczmap train-model {input.grids[0]:q} {input.patches[0]:q} {params.tiles:q} {output.checkpoint:q} "
        "{params.recipe} {params.stacks} {params.further} {params.teacher} "
        "--devices {resources.gpu} --strategy {resources.strategy} 2>&1 | tee {log:q}"


rule adapt_model:
    input:
        grid="results/{city}/grid.json",
        checkpoint=learned_checkpoint_of_model,
        stacks=stacks(sensors_of_model),
    output:
        checkpoint="results/{city}/{period}/models/{model}/adapted.safetensors",
        description="results/{city}/{period}/models/{model}/adapted.json",
    log:
        "logs/adapt_model/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/adapt_model/{city}_{period}_{model}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,
    params:
        tiles=lambda w: f"{run_of(w).folder}/tiles",
        stacks=stack_arguments,
        how=adaptation_arguments,
        mismatch=mismatch_argument,
        seed=setting("training.seed"),
    shell:
        "python -m lczmap adapt-model {input.grid:q} {input.checkpoint:q} {params.tiles:q} {output.checkpoint:q} "
        "{params.stacks} {params.how} {params.mismatch} --seed {params.seed} 2>&1 | tee {log:q}"


rule join_models:
    input:
        members=member_checkpoints,
    output:
        checkpoint="results/{city}/{period}/models/{model}/joined.safetensors",
        description="results/{city}/{period}/models/{model}/joined.json",
    log:
        "logs/join_models/{city}_{period}_{model}.log",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap join-models {output.checkpoint:q} {input.members:q} > {log:q} 2>&1"


rule fetch_weights:
    output:
        weights="resources/pretrained/{pretrained}.h5",
    log:
        "logs/fetch_weights/{pretrained}.log",
    retries: 2
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap fetch-weights {wildcards.pretrained} {output.weights:q} 2>&1 | tee {log:q}"


rule import_weights:
    input:
        weights=pretrained_weights,
    output:
        checkpoint="resources/pretrained/{pretrained}.safetensors",
        description="resources/pretrained/{pretrained}.json",
    log:
        "logs/import_weights/{pretrained}.log",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap import-weights {wildcards.pretrained} {input.weights:q} {output.checkpoint:q} > {log:q} 2>&1"
