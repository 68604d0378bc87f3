"""What a map is worth and what it was made of: accuracy, agreement, reliability, picture, provenance."""


rule assess_map:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        probabilities="results/{city}/{period}/probabilities.tif",
        patches=reference_patches,
        filtered="results/{city}/{period}/lcz_filtered.tif",
    output:
        accuracy="results/{city}/{period}/accuracy.json",
    log:
        "logs/assess_map/{city}_{period}.log",
    benchmark:
        "benchmarks/assess_map/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=3000,  # for 10,000 × 10,000 cells
    params:
        seed=setting("training.seed"),
        split=setting("tested_split"),
    shell:
        "python -m lczmap assess-map {input.lcz:q} {input.probabilities:q} {input.patches:q} {output.accuracy:q} "
        "--filtered {input.filtered:q} --seed {params.seed} --split {params.split} 2>&1 | tee {log:q}"


use rule assess_map as assess_map_compared with:
    input:
        lcz="results/{city}/{period}/models/{model}/lcz.tif",
        probabilities="results/{city}/{period}/models/{model}/probabilities.tif",
        patches=reference_patches,
        filtered="results/{city}/{period}/models/{model}/lcz_filtered.tif",
    output:
        accuracy="results/{city}/{period}/models/{model}/accuracy.json",
    log:
        "logs/assess_map/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/assess_map/{city}_{period}_{model}.tsv"


rule assess_agreement:
    input:
        probabilities="results/{city}/{period}/probabilities.tif",
        teacher=teacher_map,
        patches="results/{city}/{period}/patches.gpkg",
    output:
        agreement="results/{city}/{period}/agreement.json",
    log:
        "logs/assess_agreement/{city}_{period}.log",
    benchmark:
        "benchmarks/assess_agreement/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=4000,  # for 10,000 × 10,000 cells
    params:
        seed=setting("training.seed"),
    shell:
        "python -m lczmap assess-agreement {input.probabilities:q} {input.teacher:q} {input.patches:q} "
        "{output.agreement:q} --seed {params.seed} 2>&1 | tee {log:q}"


use rule assess_agreement as assess_agreement_compared with:
    input:
        probabilities="results/{city}/{period}/models/{model}/probabilities.tif",
        teacher=teacher_map,
        patches="results/{city}/{period}/patches.gpkg",
    output:
        agreement="results/{city}/{period}/models/{model}/agreement.json",
    log:
        "logs/assess_agreement/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/assess_agreement/{city}_{period}_{model}.tsv"


rule write_card:
    input:
        checkpoint=checkpoint_of_main,
    output:
        card="results/{city}/{period}/reliability.md",
    log:
        "logs/write_card/{city}_{period}.log",
    benchmark:
        "benchmarks/write_card/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap write-card {input.checkpoint:q} {output.card:q} > {log:q} 2>&1"


use rule write_card as write_card_compared with:
    input:
        checkpoint=checkpoint_of_model,
    output:
        card="results/{city}/{period}/models/{model}/reliability.md",
    log:
        "logs/write_card/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/write_card/{city}_{period}_{model}.tsv"


rule draw_map:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        stacks=picture_stacks,
        truth=truth_of,
    output:
        picture=report(
            "results/{city}/{period}/map.png",
            caption="../report/map.rst",
            category="Maps",
            labels={"city": "{city}", "period": "{period}"},
        ),
    log:
        "logs/draw_map/{city}_{period}.log",
    benchmark:
        "benchmarks/draw_map/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=7000,  # for 10,000 × 10,000 cells
    params:
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}",
        truth=lambda w, input: (
            f"--truth {shlex.quote(str(input.truth))}" if input.truth else ""
        ),
    shell:
        "python -m lczmap draw-map {input.lcz:q} {output.picture:q} --title {params.title:q} {params.truth} "
        "{input.stacks:q} > {log:q} 2>&1"


use rule draw_map as draw_map_compared with:
    input:
        lcz="results/{city}/{period}/models/{model}/lcz.tif",
        stacks=picture_stacks,
        truth=truth_of,
    output:
        picture=report(
            "results/{city}/{period}/models/{model}/map.png",
            caption="../report/map.rst",
            category="Maps",
            labels={"city": "{city}", "period": "{period}", "network": "{model}"},
        ),
    log:
        "logs/draw_map/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/draw_map/{city}_{period}_{model}.tsv"
    params:
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}, {w.model}",
        truth=lambda w, input: (
            f"--truth {shlex.quote(str(input.truth))}" if input.truth else ""
        ),


rule draw_shifts:
    input:
        shifts="results/{city}/{period}/coregistration.json",
    output:
        picture=report(
            "results/{city}/{period}/coregistration.png",
            caption="../report/shifts.rst",
            category="Co-registration",
            labels={"city": "{city}", "period": "{period}"},
        ),
    log:
        "logs/draw_shifts/{city}_{period}.log",
    benchmark:
        "benchmarks/draw_shifts/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap draw-shifts {input.shifts:q} {output.picture:q} > {log:q} 2>&1"


rule record_run:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
        lcz="results/{city}/{period}/lcz.tif",
        shifts="results/{city}/{period}/coregistration.json",
        stacks=shown_stacks,
        checkpoints=lambda w: [
            checkpoint_path(run_of(w), m) for m in run_of(w).config.models
        ],
    output:
        record="results/{city}/{period}/run.json",
    log:
        "logs/record_run/{city}_{period}.log",
    benchmark:
        "benchmarks/record_run/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        config=lambda w: run_of(w).config.model_dump_json(),
        tiles=lambda w: f"{run_of(w).folder}/tiles",
        stacks=lambda w: " ".join(f"--stack {name}" for name in shown_stack_names(w)),
    shell:
        "python -m lczmap record-run {input.scenes:q} {input.lcz:q} {output.record:q} --config {params.config:q} "
        "--shifts {input.shifts:q} --grid {input.grid:q} --tiles {params.tiles:q} {params.stacks} "
        "{input.checkpoints:q} > {log:q} 2>&1"
