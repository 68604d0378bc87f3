"""From labels to a checkpoint: patches of the training areas, training, public weights."""


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
        split=lambda w: split_arguments(run_of(w).config.training),
    shell:
        "python -m lczmap select-patches {input.grid:q} {input.labels:q} {output.patches:q} {output.counts:q} "
        "{params.split} 2>&1 | tee {log:q}"


rule train_model:
    input:
        grid="results/{city}/grid.json",
        patches="results/{city}/{period}/patches.gpkg",
        stacks=stacks(sensors_of_model),
        teacher=teacher_map,
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
    params:
        tiles=lambda w: f"{run_of(w).folder}/tiles",
        name=model_setting("name"),
        preset=lambda w: f"--preset {model_of(w).preset}" if model_of(w).preset else "",
        options=lambda w: json.dumps(model_of(w).options),
        stacks=lambda w: " ".join(
            f"--stack {name}"
            for name in stack_names(run_of(w).config, sensors_of_model(w))
        ),
        teacher=lambda w, input: (
            f"--teacher {shlex.quote(str(input.teacher))}" if input.teacher else ""
        ),
        seed=setting("training.seed"),
    shell:
        "python -m lczmap train-model {input.grid:q} {input.patches:q} {params.tiles:q} {output.checkpoint:q} "
        "--name {params.name} {params.preset} --options {params.options:q} {params.stacks} {params.teacher} "
        "--seed {params.seed} 2>&1 | tee {log:q}"


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
